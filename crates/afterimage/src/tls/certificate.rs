//! A certificate and its key as two files of PEM: read, and found fit to be shown or not. Every mistake names the setting, the
//! file and the remedy.

use std::io::Read as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use afterimage_setup::Mistake;
use tokio_rustls::rustls::client::verify_server_cert_signed_by_trust_anchor;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{CertificateError, Error, InconsistentKeys, RootCertStore};

use super::{Files, Named};

/// A chain of four certificates is some ten kilobytes.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// The last second of the year 9999: X.509 knows no later one.
const LAST_S: u64 = 253_402_300_799;

/// The bytes of both files.
#[derive(Clone, PartialEq, Eq)]
pub struct Texts {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// What a listener can show.
pub struct Fit {
    pub shown: CertifiedKey,
    /// When the certificate ends, where it does.
    pub ends: Option<SystemTime>,
    /// It has ended, or has not begun.
    pub doubt: Option<String>,
}

pub fn read(files: &Files) -> Result<Texts, Mistake> {
    Ok(Texts { certificate: read_one(&files.certificate)?, key: read_one(&files.key)? })
}

fn read_one(file: &Named) -> Result<Vec<u8>, Mistake> {
    let cannot = |error: std::io::Error| {
        file.wrong(format!("cannot be read: {error}; name a PEM file that this process may read"))
    };
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(&file.path).map_err(cannot)?;
    opened.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(cannot)?;
    match bytes.len() as u64 {
        0 => Err(file.wrong("is empty; write the PEM into it")),
        1..=FILE_BYTES_MAX => Ok(bytes),
        _ => Err(file.wrong("has more than 1 MiB; name the PEM file of this server alone")),
    }
}

/// Takes both texts for a chain and its key.
pub fn check(files: &Files, texts: &Texts, now: SystemTime) -> Result<Fit, Mistake> {
    let chain = chain(&files.certificate, &texts.certificate)?;
    let key = key(&files.key, &texts.key)?;
    let provider = aws_lc_rs::default_provider();
    let shown = match CertifiedKey::from_der(chain.clone(), key.clone_key(), &provider) {
        Ok(shown) => shown,
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            return Err(mismatch(files, &chain, &key, &provider));
        }
        Err(Error::InvalidCertificate(error)) => {
            let remedy =
                format!("its first certificate cannot be used ({error}); name a version 3 certificate of a server");
            return Err(files.certificate.wrong(remedy));
        }
        Err(error) => {
            let remedy = format!("cannot be used ({error}); name a key of RSA (2048 to 8192 bits), ECDSA or Ed25519");
            return Err(files.key.wrong(remedy));
        }
    };
    let doubt = doubt(&chain[0], now);
    Ok(Fit { shown, ends: ends(&chain[0]), doubt })
}

fn chain(file: &Named, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, Mistake> {
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(text).collect::<Result<_, _>>().map_err(|error| broken(file, &error))?;
    if chain.is_empty() {
        let remedy = if has(text, "PRIVATE KEY-----") {
            "holds a key and no certificate; are the two settings swapped?"
        } else {
            "holds no -----BEGIN CERTIFICATE-----; name a PEM file (openssl x509 -inform der turns DER into one)"
        };
        return Err(file.wrong(remedy));
    }
    Ok(chain)
}

fn key(file: &Named, text: &[u8]) -> Result<PrivateKeyDer<'static>, Mistake> {
    match PrivateKeyDer::from_pem_slice(text) {
        Ok(key) => Ok(key),
        Err(pem::Error::NoItemsFound) => Err(file.wrong(if has(text, "ENCRYPTED PRIVATE KEY-----") {
            "is locked with a passphrase; unlock it with openssl pkey -in IN -out OUT"
        } else if has(text, "-----BEGIN CERTIFICATE-----") {
            "holds a certificate and no key; are the two settings swapped?"
        } else {
            "holds no -----BEGIN PRIVATE KEY-----; name a PEM file (openssl pkey -inform der turns DER into one)"
        })),
        Err(error) => Err(broken(file, &error)),
    }
}

/// Nothing of the file itself is repeated: it may be a key.
fn broken(file: &Named, error: &pem::Error) -> Mistake {
    let what = match error {
        pem::Error::MissingSectionEnd { .. } => "ends in the middle of a section",
        pem::Error::IllegalSectionStart { .. } => "has a section that begins with a broken line",
        pem::Error::Base64Decode(_) => "has a section that is no base64",
        _ => "cannot be read as PEM",
    };
    file.wrong(format!("{what}; copy the whole file again"))
}

fn has(text: &[u8], words: &str) -> bool {
    text.windows(words.len()).any(|window| window == words.as_bytes())
}

fn mismatch(
    files: &Files,
    chain: &[CertificateDer<'static>],
    key: &PrivateKeyDer<'static>,
    provider: &CryptoProvider,
) -> Mistake {
    let fits =
        |one: &CertificateDer<'static>| CertifiedKey::from_der(vec![one.clone()], key.clone_key(), provider).is_ok();
    if chain.iter().skip(1).any(fits) {
        return files
            .certificate
            .wrong("its order is wrong: write the server's own certificate first, then its issuers");
    }
    let certificate = files.certificate.path.display();
    files.key.wrong(format!("is not the key of the certificate in {certificate}; name the two that were made together"))
}

/// What a client that looks at the clock would say.
fn doubt(certificate: &CertificateDer<'_>, now: SystemTime) -> Option<String> {
    let date = |time: UnixTime| humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(time.as_secs()));
    match verdict(certificate, now.duration_since(UNIX_EPOCH).unwrap_or_default())? {
        CertificateError::ExpiredContext { not_after, .. } => Some(format!("it ended {}", date(not_after))),
        CertificateError::NotValidYetContext { not_before, .. } => Some(format!("it begins {}", date(not_before))),
        _ => None,
    }
}

/// The verifier names the end of whatever has ended: at the end of all time, everything has.
fn ends(certificate: &CertificateDer<'_>) -> Option<SystemTime> {
    match verdict(certificate, Duration::from_secs(LAST_S))? {
        CertificateError::ExpiredContext { not_after, .. } => {
            Some(UNIX_EPOCH + Duration::from_secs(not_after.as_secs()))
        }
        _ => None,
    }
}

/// A certificate's own dates are looked at before anybody who might have signed it.
fn verdict(certificate: &CertificateDer<'_>, at: Duration) -> Option<CertificateError> {
    let parsed = ParsedCertificate::try_from(certificate).ok()?;
    let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms.all;
    let at = UnixTime::since_unix_epoch(at);
    match verify_server_cert_signed_by_trust_anchor(&parsed, &RootCertStore::empty(), &[], at, algorithms) {
        Err(Error::InvalidCertificate(error)) => Some(error),
        _ => None,
    }
}
