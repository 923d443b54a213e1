//! TLS of one listener: rustls over aws-lc, versions 1.2 and 1.3, HTTP/2 and HTTP/1.1, tickets so that clients resume.

use std::sync::Arc;
use std::time::Duration;

use afterimage_control::Handshakes;
use afterimage_setup::Mistake;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;

use super::Files;
use super::keeper::Keeper;
use super::stream::Stream;

/// The pause between two looks at the files. Kubernetes swaps a link above them and certbot renames: reading two small files
/// finds either, on every file system, where a watch would have to know how.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// TLS, or none.
#[derive(Clone)]
pub struct Tls(Option<(TlsAcceptor, Arc<Keeper>)>);

impl Tls {
    /// Shows what is in `files`; without any, a listener speaks no TLS.
    ///
    /// # Errors
    /// With the setting, its file and the remedy.
    pub fn open(files: Option<Files>) -> Result<Self, Mistake> {
        let Some(files) = files else { return Ok(Self(None)) };
        let keeper = Arc::new(Keeper::open(files.clone())?);
        let wrong = |error| files.certificate.wrong(format!("TLS cannot be had on this machine: {error}"));
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(wrong)?
            .with_no_client_auth()
            .with_cert_resolver(keeper.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // Sealed state kept by clients: a resumption costs no memory here, and works however many clients there are.
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(wrong)?;
        Ok(Self(Some((TlsAcceptor::from(Arc::new(config)), keeper))))
    }

    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// A connection as its requests see it. It waits for nothing: the handshake is made by whoever reads.
    pub fn accept(&self, tcp: TcpStream) -> Stream {
        match &self.0 {
            None => Stream::plain(tcp),
            Some((acceptor, keeper)) => Stream::secured(tcp, acceptor.clone(), keeper.clone()),
        }
    }

    /// Looks at the files now.
    pub fn look(&self) {
        if let Some((_, keeper)) = &self.0 {
            keeper.look(true);
        }
    }

    /// Looks at the files again and again, until it is dropped.
    pub async fn watch(self) {
        let Some((_, keeper)) = self.0 else { return };
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let keeper = keeper.clone();
            // A network volume may take its time.
            let _ = tokio::task::spawn_blocking(move || keeper.look(false)).await;
        }
    }

    /// What became of handshakes.
    pub fn counts(&self) -> Option<Handshakes> {
        self.0.as_ref().map(|(_, keeper)| keeper.counts.sample())
    }
}
