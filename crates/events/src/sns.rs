//! Whether an envelope of SNS is what it seems: RSA over the fields that SNS names, with the key of a certificate that only
//! SNS can serve. The certificate is fetched once; where from, the envelope says, so only the topic's own region is asked.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use afterimage_identity::BoxFuture;
use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, RsaParameters, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use crate::dialect::Envelope;
use crate::webhook::{Distrust, Signatures};

/// How many certificates are remembered; SNS changes them about once a year.
const CERTIFICATES_MAX: usize = 64;
/// How many are fetched at once: strangers may name as many as they like.
const FETCHES_MAX: usize = 4;

/// Fetches from an HTTPS server, following nobody elsewhere.
pub trait Fetch: Send + Sync {
    /// The body that `https://HOST/TARGET` answers with success; the error is in words.
    fn get<'a>(&'a self, host: &'a str, target: &'a str) -> BoxFuture<'a, Result<Vec<u8>, String>>;
}

/// The topics that may speak, and the certificates they speak by.
pub struct Topics {
    arns: Vec<String>,
    fetch: Arc<dyn Fetch>,
    /// The public keys by the URL of their certificate.
    keys: Mutex<HashMap<String, Arc<[u8]>>>,
    fetches: AtomicUsize,
}

/// One fetch under way, until it is dropped.
struct Fetching<'a>(&'a AtomicUsize);

impl<'a> Fetching<'a> {
    fn begin(count: &'a AtomicUsize) -> Result<Self, Distrust> {
        let fetching = Self(count);
        if count.fetch_add(1, Ordering::Relaxed) < FETCHES_MAX {
            return Ok(fetching);
        }
        Err(Distrust { why: "too many certificates are being fetched".to_owned(), again: true })
    }
}

impl Drop for Fetching<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Topics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topics").field("arns", &self.arns).finish_non_exhaustive()
    }
}

fn no(why: impl Into<String>) -> Distrust {
    Distrust { why: why.into(), again: false }
}

impl Topics {
    /// Topics by their ARNs. Certificates are fetched with `fetch`.
    pub fn new(arns: Vec<String>, fetch: Arc<dyn Fetch>) -> Self {
        Self { arns, fetch, keys: Mutex::default(), fetches: AtomicUsize::new(0) }
    }

    async fn check_all(&self, envelope: &Envelope) -> Result<(), Distrust> {
        if !self.arns.contains(&envelope.topic_arn) {
            return Err(no(format!("the topic {} is not listed in events.sns_topics", envelope.topic_arn)));
        }
        let algorithm: &'static RsaParameters = match envelope.signature_version.as_deref() {
            Some("1") => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            Some("2") => &RSA_PKCS1_2048_8192_SHA256,
            other => return Err(no(format!("a signature of version {} is not known", other.unwrap_or("none")))),
        };
        let url = envelope.signing_cert_url.as_deref().ok_or_else(|| no("no SigningCertURL"))?;
        let (host, target) = of_topic(url, &envelope.topic_arn).ok_or_else(|| no("SigningCertURL is not of SNS"))?;
        if !target.ends_with(".pem") {
            return Err(no("SigningCertURL is no certificate"));
        }
        let signature = envelope.signature.as_deref().and_then(|text| STANDARD.decode(text).ok());
        let signature = signature.ok_or_else(|| no("no Signature in base64"))?;
        let key = self.key(url, host, target).await?;
        UnparsedPublicKey::new(algorithm, &*key)
            .verify(envelope.signed_text().as_bytes(), &signature)
            .map_err(|_| no("the signature does not hold"))
    }

    /// The public key of the certificate at `url`.
    async fn key(&self, url: &str, host: &str, target: &str) -> Result<Arc<[u8]>, Distrust> {
        let keys = || self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = keys().get(url) {
            return Ok(key.clone());
        }
        let fetching = Fetching::begin(&self.fetches)?;
        let fetched = self.fetch.get(host, target).await;
        drop(fetching);
        let pem = fetched.map_err(|why| Distrust { why: format!("the certificate: {why}"), again: true })?;
        let certificate = CertificateDer::from_pem_slice(&pem).map_err(|_| no("the certificate is no PEM"))?;
        let parsed = webpki::EndEntityCert::try_from(&certificate).map_err(|_| no("the certificate is no X.509"))?;
        let key: Arc<[u8]> = parsed.subject_public_key_info().as_ref().into();
        let mut keys = keys();
        if keys.len() >= CERTIFICATES_MAX {
            keys.clear();
        }
        keys.insert(url.to_owned(), key.clone());
        Ok(key)
    }
}

impl Signatures for Topics {
    fn check<'a>(&'a self, envelope: &'a Envelope) -> BoxFuture<'a, Result<(), Distrust>> {
        Box::pin(self.check_all(envelope))
    }

    fn confirm<'a>(&'a self, envelope: &'a Envelope) -> BoxFuture<'a, Result<(), Distrust>> {
        Box::pin(async move {
            let url = envelope.subscribe_url.as_deref().ok_or_else(|| no("no SubscribeURL"))?;
            let (host, target) = of_topic(url, &envelope.topic_arn).ok_or_else(|| no("SubscribeURL is not of SNS"))?;
            let confirmed = self.fetch.get(host, target).await;
            confirmed.map(drop).map_err(|why| Distrust { why: format!("the confirmation: {why}"), again: true })
        })
    }
}

/// Host and target of a URL of SNS in the region of `topic_arn`: `https://sns.REGION.amazonaws.com/…`, and `.cn` in China.
fn of_topic<'a>(url: &'a str, topic_arn: &str) -> Option<(&'a str, &'a str)> {
    let rest = url.strip_prefix("https://")?;
    let (host, target) = rest.split_at(rest.find('/')?);
    let mut arn = topic_arn.split(':');
    let (partition, region) = (arn.nth(1)?, arn.nth(1)?);
    let ending = if partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
    let fits = !region.is_empty() && region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let printable = target.bytes().all(|byte| byte.is_ascii_graphic());
    (fits && printable && host == format!("sns.{region}.{ending}")).then_some((host, target))
}

#[cfg(test)]
#[path = "sns_tests.rs"]
mod tests;
