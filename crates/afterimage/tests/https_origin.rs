//! Originals over https, tried on the built binary: who is believed, and who is not.
#![cfg(feature = "tls")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use afterimage_testkit::{get, pictures, size_of};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

/// An authority, as the file that names it and the means to sign.
fn authority() -> (String, Issuer<'static, KeyPair>) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::<String>::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = params.self_signed(&key).expect("a certificate").pem();
    (pem, Issuer::new(params, key))
}

/// An https server of one picture, whose certificate names `localhost` alone.
fn start(issuer: &Issuer<'static, KeyPair>) -> SocketAddr {
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
    let body = std::fs::read(pictures().join("museum.jpg")).expect("a sample picture");
    std::thread::spawn(move || {
        for tcp in listener.incoming().map_while(Result::ok) {
            let (config, body) = (config.clone(), body.clone());
            std::thread::spawn(move || {
                let connection = ServerConnection::new(config).ok()?;
                let mut stream = StreamOwned::new(connection, tcp);
                loop {
                    let head = request(&mut stream)?;
                    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nETag: \"1\"\r\n\r\n", body.len());
                    stream.write_all(answer.as_bytes()).ok()?;
                    if !head.starts_with("HEAD ") {
                        stream.write_all(&body).ok()?;
                    }
                    stream.flush().ok()?;
                }
                #[allow(unreachable_code)]
                Some(())
            });
        }
    });
    address
}

fn request(stream: &mut impl Read) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}

/// A running server that trusts the authorities in one file, and nobody else.
struct Serving {
    process: Child,
    base: String,
}

impl Serving {
    fn start(home: &Path, url: &str, trusted: &Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_afterimage"))
            .args(["serve", url, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .args(["--set", "origin.allow=127.0.0.1/32", "--set", "origin.failures_max=0"])
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

#[test]
fn only_a_server_that_proves_its_name_is_believed() {
    let (ours, issuer) = authority();
    let (theirs, _) = authority();
    let address = start(&issuer);
    let home = tempfile::tempdir().expect("a folder");
    let [our_file, their_file] = [("ours.pem", ours), ("theirs.pem", theirs)].map(|(name, pem)| {
        let file = home.path().join(name);
        std::fs::write(&file, pem).expect("a new file");
        file
    });
    let by_name = format!("https://localhost:{}/", address.port());
    let by_address = format!("https://127.0.0.1:{}/", address.port());
    let in_plain = format!("http://localhost:{}/", address.port());
    for (name, url, trusted, status) in [
        ("trusted", &by_name, &our_file, 200),
        ("an authority that is not trusted", &by_name, &their_file, 503),
        ("another name than the certificate's", &by_address, &our_file, 503),
        ("no TLS where TLS is spoken", &in_plain, &our_file, 503),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let server = Serving::start(folder.path(), url, trusted);
        let found = get(&server.base, "/a.jpg?w=400");
        assert_eq!(found.status, status, "{name}: {}", found.text());
        if status == 200 {
            assert_eq!(size_of(&found.body), Some(("jpg", 400, 300)), "{name}");
        }
    }
}
