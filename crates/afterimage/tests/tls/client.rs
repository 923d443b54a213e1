//! An authority of the test's own, certificates in files, and a client that shows what was agreed on.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use afterimage_testkit::{Server, get};
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use tempfile::TempDir;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};

pub const BINARY: &str = env!("CARGO_BIN_EXE_afterimage");

/// An authority, and a folder with a certificate of it.
pub struct Pki {
    pub folder: TempDir,
    pub root: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// One certificate and its key.
pub struct Pair {
    pub der: CertificateDer<'static>,
    pub certificate: String,
    pub key: String,
}

impl Pki {
    pub fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::<String>::new()).expect("no names");
        // Under the name of those it signs, OpenSSL would take them for their own issuers.
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "the authority of a test");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).expect("a certificate");
        let pki = Self { folder: tempfile::tempdir().expect("a folder"), root, issuer: Issuer::new(params, key) };
        std::fs::write(pki.path("root.pem"), pki.root.pem()).expect("a new file");
        pki.write(&pki.pair(2999));
        pki
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A certificate for this machine that ends with that year.
    pub fn pair(&self, ends: i32) -> Pair {
        let key = KeyPair::generate().expect("a key");
        let mut params =
            CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).expect("two names");
        params.not_after = date_time_ymd(ends, 12, 31);
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Pair { der: certificate.der().clone(), certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// Puts it where servers look.
    pub fn write(&self, pair: &Pair) {
        std::fs::write(self.path("key.pem"), &pair.key).expect("written");
        std::fs::write(self.path("certificate.pem"), &pair.certificate).expect("written");
    }

    /// The settings that name what is there.
    pub fn settings(&self, group: &str) -> Vec<String> {
        ["certificate", "key"]
            .iter()
            .flat_map(|what| {
                let path = self.path(&format!("{what}.pem"));
                ["--set".to_owned(), format!("{group}.tls_{what}={}", path.display())]
            })
            .collect()
    }

    /// A server of one picture over TLS.
    pub fn serve(&self, more: &[&str]) -> Server {
        let settings = self.settings("server");
        let all: Vec<_> = settings.iter().map(String::as_str).chain(more.iter().copied()).collect();
        Server::start(BINARY, &["museum.jpg"], &all)
    }

    /// A client that trusts this authority alone.
    pub fn client(&self, protocols: &[&str], versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
        client(&[self.root.der().clone()], protocols, versions)
    }
}

pub fn client(
    roots: &[CertificateDer<'static>],
    protocols: &[&str],
    versions: &[&'static SupportedProtocolVersion],
) -> Arc<ClientConfig> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots.iter().cloned());
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .expect("known versions")
        .with_root_certificates(store)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

pub fn address(url: &str) -> SocketAddr {
    url.trim_start_matches("https://").trim_start_matches("http://").parse().expect("an address")
}

/// One connection.
pub type Secured = StreamOwned<ClientConnection, TcpStream>;

/// Connects by address: no name is told then.
pub fn connect(url: &str, config: &Arc<ClientConfig>) -> Result<Secured, std::io::Error> {
    connect_as(url, config, "127.0.0.1")
}

pub fn connect_as(url: &str, config: &Arc<ClientConfig>, name: &str) -> Result<Secured, std::io::Error> {
    let tcp = TcpStream::connect(address(url))?;
    tcp.set_read_timeout(Some(Duration::from_secs(20)))?;
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let mut stream = StreamOwned::new(ClientConnection::new(config.clone(), name).expect("a client"), tcp);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

/// One request over it; the status, after the whole answer was read.
pub fn ask(stream: &mut Secured, target: &str) -> std::io::Result<u16> {
    write!(stream, "GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    stream.flush()?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body)?;
    head.get(9..12).and_then(|status| status.parse().ok()).ok_or_else(|| std::io::Error::from(ErrorKind::InvalidData))
}

/// The certificate that it was shown.
pub fn shown(stream: &Secured) -> CertificateDer<'static> {
    stream.conn.peer_certificates().expect("a certificate")[0].clone()
}

/// The value of a metric, as the operator's listener says it.
pub fn metric(admin: &str, name: &str) -> u64 {
    let text = get(admin, "/metrics").text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in:\n{text}")).parse().expect("a number")
}

pub fn log(server: &Server) -> String {
    std::fs::read_to_string(server.home().join("log")).unwrap_or_default()
}

/// Tells a server to look again.
pub fn hang_up(server: &Server) {
    let id = rustix::process::Pid::from_raw(i32::try_from(server.id()).expect("an id")).expect("a process");
    rustix::process::kill_process(id, rustix::process::Signal::HUP).expect("it runs");
}

/// Waits until something is so; panics after ten seconds.
pub fn until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..400 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    panic!("{what}: not within ten seconds");
}

pub fn set(path: &Path, text: &str) {
    std::fs::write(path, text).expect("written");
}
