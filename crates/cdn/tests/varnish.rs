//! A real Varnish with the VCL of `examples/`, over an origin of the test's own making.

mod support;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use afterimage_cdn::{Kind, Varnish};
use afterimage_identity::{CacheTag, Invalidate, SourceId};
use afterimage_testkit::{Upstream, answer, get};
use support::{about, folder, layer, original};

/// A varnishd of its own, on a free port, with its own folder. It ends when it is dropped.
struct Running {
    process: Child,
    base: String,
    _folder: tempfile::TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It takes its worker along only when asked to.
        let _ = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status();
        let _ = self.process.wait();
    }
}

fn varnish(origin: &Upstream) -> Option<Running> {
    let program = ["/usr/sbin/varnishd", "/usr/local/sbin/varnishd"].iter().find(|path| Path::new(path).exists());
    let Some(program) = program else {
        assert!(std::env::var_os("CI").is_none(), "there is no varnishd here");
        println!("SKIPPED: there is no varnishd; `apt-get install varnish varnish-modules` and run this again");
        return None;
    };
    let folder = tempfile::tempdir().unwrap();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/varnish.vcl");
    let vcl = std::fs::read_to_string(example).unwrap();
    let vcl = vcl.replace(".port = \"8080\"", &format!(".port = \"{}\"", origin.address.port()));
    let file = folder.path().join("default.vcl");
    std::fs::write(&file, vcl).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let process = Command::new(program)
        .args(["-F", "-j", "none", "-a", &format!("127.0.0.1:{port}"), "-s", "malloc,16m", "-n"])
        .arg(folder.path().join("work"))
        .arg("-f")
        .arg(&file)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut running = Running { process, base: format!("http://127.0.0.1:{port}"), _folder: folder };
    let begun = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        if let Ok(Some(status)) = running.process.try_wait() {
            let mut words = String::new();
            let _ = std::io::Read::read_to_string(&mut running.process.stderr.take().unwrap(), &mut words);
            panic!("varnishd ended with {status}: {words}");
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "varnishd does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    Some(running)
}

/// Answers every picture with its tags and a number that grows with each fetch.
fn origin(delay: Duration) -> (Upstream, Arc<AtomicUsize>) {
    let fetches = Arc::new(AtomicUsize::new(0));
    let counted = fetches.clone();
    let upstream = Upstream::start(move |asked| {
        let path = asked.target.split('?').next().unwrap_or_default().trim_start_matches('/');
        let key = if path.is_empty() { "index".to_owned() } else { path.to_owned() };
        let number = counted.fetch_add(1, SeqCst);
        let mut tags = original(&key).tag().to_string();
        if key.starts_with("users/123/") || key == "other.jpg" {
            tags = format!("{tags},{}", CacheTag::folder(&SourceId::default(), "users/123/"));
        }
        if asked.target.contains("slow") {
            std::thread::sleep(delay);
        }
        answer(200, &[("Cache-Control", "s-maxage=3600"), ("Cache-Tag", &tags)], format!("{number}").as_bytes())
    });
    (upstream, fetches)
}

fn kind(running: &Running, fetch: Duration) -> Kind {
    Kind::Varnish(Varnish { url: format!("{}/", running.base), token: None, fetch })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_size_of_an_original_goes_and_nothing_else() {
    let (origin, fetches) = origin(Duration::ZERO);
    let Some(varnish) = varnish(&origin) else { return };
    let outer = layer(kind(&varnish, Duration::ZERO), None, 0);
    let ask = |target: &str| get(&varnish.base, target);
    let targets = ["/a.jpg?w=100", "/a.jpg?w=200", "/users/123/b.jpg?w=1", "/c%20d.jpg"];
    for target in targets.iter().chain(&targets) {
        assert_eq!(ask(target).status, 200);
    }
    assert_eq!(fetches.load(SeqCst), 4, "each was fetched once");
    let header = ask("/a.jpg?w=100");
    assert_eq!((header.header("xkey"), header.header("cache-tag"), header.header("x-url")), ("", "", ""));
    let old: Vec<Vec<u8>> = targets.iter().map(|target| ask(target).body).collect();
    outer.invalidate(&about("a.jpg", "main-1-1")).await.unwrap();
    let changed = |before: &[Vec<u8>]| {
        targets.iter().zip(before).map(|(target, old)| ask(target).body != *old).collect::<Vec<_>>()
    };
    assert_eq!(changed(&old), [true, true, false, false]);
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_go_by_tag_and_beginnings_by_ban() {
    let (origin, _) = origin(Duration::ZERO);
    let Some(varnish) = varnish(&origin) else { return };
    let outer = layer(kind(&varnish, Duration::ZERO), None, 0);
    let ask = |target: &str| get(&varnish.base, target).body;
    let old = (ask("/users/12/a.jpg?w=1"), ask("/other.jpg"));
    let mut beginning = folder("users/12", "main-1-1");
    beginning.tag = None;
    outer.invalidate(&beginning).await.unwrap();
    assert_ne!(ask("/users/12/a.jpg?w=1"), old.0);
    assert_eq!(ask("/other.jpg"), old.1);
    outer.invalidate(&folder("users/123/", "main-2-1")).await.unwrap();
    assert_ne!(ask("/other.jpg"), old.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_under_way_does_not_bring_the_old_picture_back() {
    let delay = Duration::from_millis(600);
    let (origin, fetches) = origin(delay);
    let Some(varnish) = varnish(&origin) else { return };
    let outer = layer(kind(&varnish, Duration::from_secs(1)), None, 0);
    let base = varnish.base.clone();
    let late = std::thread::spawn(move || get(&base, "/slow.jpg").body);
    while fetches.load(SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    outer.invalidate(&about("slow.jpg", "main-1-1")).await.unwrap();
    let old = late.join().unwrap();
    assert_ne!(get(&varnish.base, "/slow.jpg").body, old);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_varnish_without_the_vcl_is_not_believed() {
    let (origin, _) = origin(Duration::ZERO);
    let kind = Kind::Varnish(Varnish { url: format!("{}/", origin.base), token: None, fetch: Duration::ZERO });
    let error = layer(kind, None, 0).invalidate(&about("a.jpg", "main-1-1")).await.unwrap_err();
    assert!(!error.retry && error.why.contains("varnish.vcl"), "{error}");
}
