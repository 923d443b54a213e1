//! Opens connections. The one place that connects to an address, and the place that checks it: immediately before, whoever
//! named it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::address::Addresses;
use crate::body::Outgoing;
use crate::endpoint::{Endpoint, Host};
use crate::{Error, Limits, Phase, Resolve};

/// Addresses of one name that are tried one after the other.
const ADDRESSES_TRIED_MAX: usize = 4;
/// Smaller than the least that hyper takes.
const BUFFER_BYTES_MIN: usize = 64 << 10;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection that nobody uses, or that one exchange uses. Dropped, it is closed.
pub(crate) struct Connection {
    pub(crate) sender: SendRequest<Outgoing>,
    _driver: Driver,
}

struct Driver(tokio::task::JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        // hyper would otherwise read on to the end of a body that nobody wants.
        self.0.abort();
    }
}

/// Opens connections for one origin.
pub(crate) struct Connector {
    pub(crate) resolver: Arc<dyn Resolve>,
    pub(crate) addresses: Addresses,
    pub(crate) ports: Vec<u16>,
    pub(crate) limits: Limits,
    #[cfg(feature = "tls")]
    pub(crate) tls: tokio_rustls::TlsConnector,
}

impl Connector {
    pub(crate) async fn connect(&self, endpoint: &Endpoint) -> Result<Connection, Error> {
        match tokio::time::timeout(self.limits.connect, self.open(endpoint)).await {
            Ok(connection) => connection,
            Err(_) => Err(Error::Timeout { phase: Phase::Connect }),
        }
    }

    async fn open(&self, endpoint: &Endpoint) -> Result<Connection, Error> {
        let tcp = self.dial(endpoint).await?;
        let stream: Box<dyn Stream> = if endpoint.tls { self.secure(endpoint, tcp).await? } else { Box::new(tcp) };
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(self.limits.header_bytes_max.max(BUFFER_BYTES_MIN))
            .max_header_size(self.limits.header_bytes_max)
            .max_headers(self.limits.header_lines_max)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| Error::Connect(error.to_string()))?;
        let driver = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to an origin ended");
            }
        });
        Ok(Connection { sender, _driver: Driver(driver) })
    }

    async fn dial(&self, endpoint: &Endpoint) -> Result<TcpStream, Error> {
        if !self.ports.contains(&endpoint.port) {
            return Err(Error::Redirect(format!("port {} is not among those allowed", endpoint.port)));
        }
        let found = match &endpoint.host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => self.resolver.resolve(name).await.map_err(|error| Error::Resolve(error.to_string()))?,
        };
        let mut why = Error::Resolve("it has no address".to_owned());
        let mut left = found.len().min(ADDRESSES_TRIED_MAX);
        for address in found.into_iter().take(ADDRESSES_TRIED_MAX) {
            match self.dial_address(address, endpoint.port, left).await {
                Ok(stream) => return Ok(stream),
                // That an address is forbidden is what a person has to hear; that another one failed is not.
                Err(_) if matches!(why, Error::Forbidden(_)) => {}
                Err(error) => why = error,
            }
            left -= 1;
        }
        Err(why)
    }

    /// The only call of `connect` there is.
    async fn dial_address(&self, address: IpAddr, port: u16, left: usize) -> Result<TcpStream, Error> {
        self.addresses.check(address).map_err(Error::Forbidden)?;
        // Those that follow get their part of the time as well.
        let patience: Duration = self.limits.connect / u32::try_from(left.max(1)).unwrap_or(1);
        let connected = tokio::time::timeout(patience, TcpStream::connect(SocketAddr::new(address, port))).await;
        let stream = connected
            .map_err(|_| Error::Timeout { phase: Phase::Connect })?
            .map_err(|error| Error::Connect(error.to_string()))?;
        // An answer that waits for an acknowledgement would wait 40 ms.
        stream.set_nodelay(true).map_err(|error| Error::Connect(error.to_string()))?;
        Ok(stream)
    }

    #[cfg(feature = "tls")]
    async fn secure(&self, endpoint: &Endpoint, tcp: TcpStream) -> Result<Box<dyn Stream>, Error> {
        Ok(Box::new(crate::tls::handshake(&self.tls, endpoint, tcp).await?))
    }

    #[cfg(not(feature = "tls"))]
    async fn secure(&self, endpoint: &Endpoint, _: TcpStream) -> Result<Box<dyn Stream>, Error> {
        Err(Error::Tls(format!("this build speaks no TLS, and {endpoint} wants it")))
    }
}
