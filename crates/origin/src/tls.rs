//! TLS to origins: rustls over aws-lc, verified against the authorities that the machine trusts, so that a company's own
//! authority works as it does everywhere else on that machine.

use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::Error;
use crate::endpoint::{Endpoint, Host};

/// A connector that trusts what the machine trusts.
///
/// # Errors
/// In words, when the machine trusts nobody.
pub(crate) fn connector() -> Result<TlsConnector, String> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "a certificate authority of this machine cannot be read");
    }
    let mut roots = RootCertStore::empty();
    let (taken, _) = roots.add_parsable_certificates(found.certs);
    if taken == 0 {
        return Err(
            "this machine trusts no certificate authority; install ca-certificates, or set SSL_CERT_FILE".to_owned()
        );
    }
    connector_with(roots)
}

pub(crate) fn connector_with(roots: RootCertStore) -> Result<TlsConnector, String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

pub(crate) async fn handshake(
    connector: &TlsConnector,
    endpoint: &Endpoint,
    tcp: TcpStream,
) -> Result<TlsStream<TcpStream>, Error> {
    let name = match &endpoint.host {
        Host::Address(address) => ServerName::IpAddress((*address).into()),
        Host::Name(name) => ServerName::try_from(name.clone()).map_err(|error| Error::Tls(error.to_string()))?,
    };
    connector.connect(name, tcp).await.map_err(|error| Error::Tls(error.to_string()))
}
