//! The certificate that a listener shows, and its replacement: what changed is read whole and checked, then swapped in one
//! step, or not at all. Connections that stand keep what they were made with.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use afterimage_setup::Mistake;
use arc_swap::ArcSwap;
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;

use super::Files;
use super::certificate::{Fit, Texts, check, read};
use super::counts::Counts;

/// Shows one certificate, whatever name a client asks for, or none.
pub struct Keeper {
    files: Files,
    shown: ArcSwap<CertifiedKey>,
    last: Mutex<Look>,
    pub counts: Counts,
}

/// What was there at the last look.
struct Look {
    found: Result<Texts, Mistake>,
    is_judged: bool,
}

impl Keeper {
    pub fn open(files: Files) -> Result<Self, Mistake> {
        let texts = read(&files)?;
        let fit = check(&files, &texts, SystemTime::now())?;
        let counts = Counts::default();
        note(&files, &fit, &counts);
        let last = Mutex::new(Look { found: Ok(texts), is_judged: true });
        Ok(Self { files, shown: ArcSwap::from_pointee(fit.shown), last, counts })
    }

    /// Looks at the files again. Two files are not replaced at one moment: unless `is_told` that they are whole, what cannot
    /// be used has to be there at two looks before it is a mistake.
    pub fn look(&self, is_told: bool) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let found = read(&self.files);
        let is_same = last.found == found;
        if is_same && last.is_judged && !(is_told && found.is_err()) {
            return;
        }
        let judged = found.clone().and_then(|texts| check(&self.files, &texts, SystemTime::now()));
        match judged {
            Ok(fit) => {
                tracing::info!(certificate = %self.files.certificate.path.display(), "a new certificate is shown");
                note(&self.files, &fit, &self.counts);
                self.shown.store(Arc::new(fit.shown));
                *last = Look { found, is_judged: true };
            }
            Err(mistake) => {
                let is_judged = is_same || is_told;
                if is_judged {
                    self.counts.refused();
                    tracing::error!("the certificate was not replaced, the one before is shown: {mistake}");
                }
                *last = Look { found, is_judged };
            }
        }
    }
}

fn note(files: &Files, fit: &Fit, counts: &Counts) {
    let since = fit.ends.and_then(|ends| ends.duration_since(UNIX_EPOCH).ok());
    counts.ends(since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX)));
    if let Some(doubt) = &fit.doubt {
        let certificate = files.certificate.path.display();
        tracing::warn!(%certificate, "clients will not accept the certificate: {doubt}");
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").field("files", &self.files).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Keeper {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.shown.load_full())
    }
}
