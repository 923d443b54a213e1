//! What stands for TLS in a build without it: nothing, and a word where it is asked for.

use afterimage_control::Handshakes;
use afterimage_setup::Mistake;
use tokio::net::TcpStream;

use super::Files;

/// No TLS.
#[derive(Clone)]
pub struct Tls;

impl Tls {
    /// A listener without TLS.
    ///
    /// # Errors
    /// Where TLS is asked for.
    pub fn open(files: Option<Files>) -> Result<Self, Mistake> {
        match files {
            None => Ok(Self),
            Some(Files { certificate, key }) => {
                let remedy =
                    format!("this build has no TLS; unset it and {}, or build with --features tls", key.setting);
                Err(certificate.wrong(remedy))
            }
        }
    }

    pub fn is_on(&self) -> bool {
        false
    }

    pub fn accept(&self, tcp: TcpStream) -> TcpStream {
        tcp
    }

    pub fn look(&self) {}

    pub async fn watch(self) {}

    pub fn counts(&self) -> Option<Handshakes> {
        None
    }
}
