//! TLS on our listeners: which certificate a listener shows, how it is replaced while connections stand, and the handshake.
//! Nothing here knows what is said over a connection.

#[cfg(not(feature = "tls"))]
mod absent;
#[cfg(feature = "tls")]
mod certificate;
#[cfg(feature = "tls")]
mod counts;
#[cfg(feature = "tls")]
mod keeper;
#[cfg(feature = "tls")]
mod listener;
#[cfg(feature = "tls")]
mod stream;

use std::path::{Path, PathBuf};

use afterimage_setup::{Mistake, Settings};

#[cfg(not(feature = "tls"))]
pub use absent::Tls;
#[cfg(feature = "tls")]
pub use listener::Tls;

/// A file, and the setting that names it.
#[derive(Clone, Debug)]
struct Named {
    setting: &'static str,
    path: PathBuf,
}

impl Named {
    fn wrong(&self, remedy: impl Into<String>) -> Mistake {
        Mistake::new(self.setting, Some(format!("\"{}\"", self.path.display())), remedy)
    }
}

/// Where the certificate and the key of one listener are.
#[derive(Clone, Debug)]
pub struct Files {
    certificate: Named,
    key: Named,
}

impl Files {
    fn new(certificate: (&'static str, Option<&Path>), key: (&'static str, Option<&Path>)) -> Option<Self> {
        // One without the other is a mistake that `setup` has found.
        let named = |(setting, path): (_, Option<&Path>)| Some(Named { setting, path: path?.to_owned() });
        Some(Self { certificate: named(certificate)?, key: named(key)? })
    }

    /// Those of the listener of pictures, where it has any.
    pub fn of_server(settings: &Settings) -> Option<Self> {
        let server = &settings.server;
        Self::new(
            ("server.tls_certificate", server.tls_certificate.as_deref()),
            ("server.tls_key", server.tls_key.as_deref()),
        )
    }

    /// Those of the operator's listener, where it has any.
    pub fn of_admin(settings: &Settings) -> Option<Self> {
        let admin = &settings.admin;
        Self::new(
            ("admin.tls_certificate", admin.tls_certificate.as_deref()),
            ("admin.tls_key", admin.tls_key.as_deref()),
        )
    }
}

/// What is wrong with the certificates and keys that the settings name.
pub fn mistakes(settings: &Settings) -> Vec<Mistake> {
    let files = [Files::of_server(settings), Files::of_admin(settings)];
    files.into_iter().flatten().filter_map(|files| Tls::open(Some(files)).err()).collect()
}
