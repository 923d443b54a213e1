//! An authority, https servers that it vouches for, and the built binary that trusts it or does not.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

/// An authority, as the file that names it and the means to sign.
pub fn authority() -> (String, Issuer<'static, KeyPair>) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::<String>::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = params.self_signed(&key).expect("a certificate").pem();
    (pem, Issuer::new(params, key))
}

/// What a server answers to a head and a body.
pub type Answers = fn(&str, &[u8]) -> Vec<u8>;

/// An https server whose certificate names `localhost` alone.
pub fn start(issuer: &Issuer<'static, KeyPair>, answers: Answers) -> SocketAddr {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    let certificate = params.signed_by(&key, issuer).expect("a certificate");
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .expect("a certificate and its key");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    std::thread::spawn(move || {
        for tcp in listener.incoming().map_while(Result::ok) {
            let config = config.clone();
            std::thread::spawn(move || {
                let connection = ServerConnection::new(config).ok()?;
                let mut stream = StreamOwned::new(connection, tcp);
                loop {
                    let (head, body) = request(&mut stream)?;
                    stream.write_all(&answers(&head, &body)).ok()?;
                    stream.flush().ok()?;
                }
                #[allow(unreachable_code)]
                Some(())
            });
        }
    });
    address
}

/// A head in lower case, and as much of a body as it announces.
fn request(stream: &mut impl Read) -> Option<(String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let length = head.to_ascii_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).ok()?;
    Some((head, body))
}

/// A running server that trusts the authorities in one file, and nobody else.
pub struct Serving {
    process: Child,
    pub base: String,
}

impl Serving {
    pub fn start(home: &Path, source: &str, trusted: &Path, settings: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_afterimage"))
            .args(["serve", source, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .args(settings.iter().flat_map(|setting| ["--set", setting]))
            .env("SSL_CERT_FILE", trusted)
            .env_remove("SSL_CERT_DIR")
            .envs(["XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"].map(|name| (name, home.join(name))))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let output = BufReader::new(process.stdout.take().expect("standard output was piped"));
        let lines = output.lines().map_while(Result::ok).take_while(|line| line != "ready");
        let base = lines.filter_map(|line| line.strip_prefix("pictures     ").map(str::to_owned)).last();
        Self { process, base: base.expect("it says where pictures are") }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
