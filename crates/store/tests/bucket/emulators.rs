//! The same suites over buckets that other people wrote: ministack and moto, from a Python environment that `./check` makes.
//! Neither verifies signatures or enforces rights; what they know better than the double here is what S3's clients expect.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use afterimage_store::bucket::{Config, Place};
use afterimage_store::{BucketDerivatives, BucketOriginals, Error, Read, conformance};

struct Emulator {
    process: Child,
    at: SocketAddr,
    home: tempfile::TempDir,
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The environment's Python, where there is one.
fn python() -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it lies in the build's folder");
    let python = target.join("s3/bin/python");
    // Copied there once all packages are.
    if target.join("s3/requirements.txt").exists() {
        return Some(python);
    }
    let words = "!!! EMULATORS OF S3 WERE NOT ASKED: make their environment as tests/s3/README.md says !!!";
    assert!(std::env::var_os("CI").is_none(), "{words}");
    eprintln!("{words}");
    None
}

impl Emulator {
    fn start(command: &[&str]) -> Option<Self> {
        let python = python()?;
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        let home = tempfile::tempdir().expect("a folder");
        let arguments = command.iter().map(|argument| argument.replace("PORT", &port.to_string()));
        let process = Command::new(python)
            .args(arguments)
            .env("GATEWAY_PORT", port.to_string())
            .env("HOME", home.path())
            .current_dir(home.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("Python starts");
        let emulator = Self { process, at: SocketAddr::from(([127, 0, 0, 1], port)), home };
        let begun = Instant::now();
        while TcpStream::connect(emulator.at).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(120), "{command:?} does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        let profile = "[default]\naws_access_key_id = AKIATEST\naws_secret_access_key = test\n";
        std::fs::write(emulator.home.path().join("credentials"), profile).expect("a file");
        Some(emulator)
    }

    fn ministack() -> Option<Self> {
        Self::start(&[concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/s3/serve.py"), "PORT"])
    }

    fn moto() -> Option<Self> {
        Self::start(&["-m", "moto.server", "-H", "127.0.0.1", "-p", "PORT"])
    }

    /// An unsigned PUT: neither looks at who asks.
    fn put(&self, path: &str, body: &[u8]) {
        let mut stream = TcpStream::connect(self.at).expect("it listens");
        let host = format!("127.0.0.1:{}", self.at.port());
        write!(
            stream,
            "PUT {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        )
        .and_then(|()| stream.write_all(body))
        .expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        assert!(answer.starts_with("HTTP/1.1 200"), "PUT {path}: {answer}");
    }

    fn config(&self, url: &str) -> Config {
        Config {
            endpoint: Some(format!("http://{}", self.at)),
            path_style: true,
            profiles_file: Some(self.home.path().join("credentials")),
            ..Config::new(Place::parse(url).expect("a place"))
        }
    }

    fn derivatives(&self, url: &str) -> Result<BucketDerivatives, Error> {
        tokio::task::block_in_place(|| BucketDerivatives::open(&self.config(url)))
    }
}

fn encoded(key: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./~".contains(&byte);
    let one = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    key.bytes().map(one).collect()
}

async fn originals_conform(emulator: &Emulator) {
    emulator.put("/originals", b"");
    let names =
        ["a", "a b", "a.jpg", "a-b.jpg", "b/c", "a+b", "~", "%41", "'\"", "é", "e\u{301}", "사진/고양이 😀.jpg", "&<>"];
    for name in names {
        emulator.put(&format!("/originals/p/{}", encoded(name)), name.as_bytes());
    }
    emulator.put("/originals/pq", b"beside");
    let present: Vec<(&str, &[u8])> = names.iter().map(|name| (*name, name.as_bytes())).collect();
    let open = || BucketOriginals::open(&emulator.config("s3://originals/p"));
    let originals = tokio::task::block_in_place(open).expect("it proves an absence");
    conformance::read_validated(&originals, &present).await;
    let longest = "k".repeat(1024 - "p/".len());
    emulator.put(&format!("/originals/p/{longest}"), b"longest");
    assert_eq!(originals.get(&longest, 10).await.expect("the longest key").body, "longest");
    assert_eq!(originals.list("k", None, 10).await.expect("a listing").entries[0].key, longest);
    let lost = tokio::task::block_in_place(|| BucketOriginals::open(&emulator.config("s3://nobodys"))).map(drop);
    assert!(lost.expect_err("no such bucket").to_string().contains("NoSuchBucket"));
}

async fn derivatives_conform(emulator: &Emulator) {
    emulator.put("/derived", b"");
    conformance::write(Arc::new(emulator.derivatives("s3://derived/d").expect("it opens"))).await;
}

async fn derivatives_conform_where_versions_are_kept(emulator: &Emulator) {
    emulator.put("/kept", b"");
    emulator.put(
        "/kept?versioning",
        b"<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Status>Enabled</Status></VersioningConfiguration>",
    );
    conformance::write(Arc::new(emulator.derivatives("s3://kept/d").expect("it opens"))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn originals_on_ministack() {
    let Some(emulator) = Emulator::ministack() else { return };
    originals_conform(&emulator).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn derivatives_on_ministack() {
    let Some(emulator) = Emulator::ministack() else { return };
    derivatives_conform(&emulator).await;
    derivatives_conform_where_versions_are_kept(&emulator).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn originals_on_moto() {
    let Some(emulator) = Emulator::moto() else { return };
    originals_conform(&emulator).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn derivatives_on_moto_are_refused() {
    let Some(emulator) = Emulator::moto() else { return };
    emulator.put("/derived", b"");
    // Its answer about the versioning of a new bucket cannot be read, and what cannot be read proves nothing. Were it read as
    // "never", the whole suite would have to pass here.
    let refused = emulator.derivatives("s3://derived/d").map(drop).expect_err("moto does not say it");
    assert!(refused.to_string().contains("GetBucketVersioning"), "{refused}");
}
