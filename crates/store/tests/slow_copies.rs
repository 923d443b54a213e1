//! Originals that are copied over slowly, renamed over and rewritten while they are read: bytes and version always belong
//! together, a file at rest is never a mixture, and the last content wins at once.

use std::fs::{self, File};
use std::io::{Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use afterimage_identity::{Clock, Stamp, Version};
use afterimage_store::{Error, Originals, OriginalsConfig, Read as _};

const BYTES: usize = 200_000;
const SETTLE_MS: u64 = 800;

struct Machine(Instant);

impl Clock for Machine {
    fn now(&self) -> Stamp {
        Stamp(self.0.elapsed().as_nanos() as u64)
    }
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// Every content is one byte, repeated: a mixture shows.
fn content(n: u64) -> Vec<u8> {
    vec![n as u8; BYTES]
}

fn slowly(file: &mut File, bytes: &[u8], pulse: &dyn Fn()) {
    for chunk in bytes.chunks(BYTES / 8) {
        file.write_all(chunk).unwrap();
        pulse();
        sleep(Duration::from_millis(2));
    }
}

/// Writes content `n` over the file in one of the ways that people do it.
fn overwrite(path: &Path, n: u64, pulse: &dyn Fn()) {
    let bytes = content(n);
    match n % 4 {
        0 => slowly(&mut File::create(path).unwrap(), &bytes, pulse),
        1 => {
            let modified = fs::metadata(path).unwrap().modified().unwrap();
            let mut file = File::options().write(true).open(path).unwrap();
            slowly(&mut file, &bytes, pulse);
            file.set_modified(modified).unwrap();
        }
        2 => {
            let beside = path.with_extension("new");
            slowly(&mut File::create(&beside).unwrap(), &bytes, pulse);
            fs::rename(beside, path).unwrap();
        }
        _ => {
            let mut file = File::options().write(true).open(path).unwrap();
            file.seek(std::io::SeekFrom::Start(0)).unwrap();
            file.write_all(&bytes).unwrap();
        }
    }
    pulse();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_mixture_is_ever_taken_for_final() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.jpg");
    fs::write(&path, content(0)).unwrap();
    let config = OriginalsConfig { settle_ms: SETTLE_MS, ..OriginalsConfig::default() };
    let store = Arc::new(Originals::open(dir.path(), config, Arc::new(Machine(Instant::now()))).unwrap());
    let long = std::env::var("AFTERIMAGE_LONG").is_ok();
    let (stop, stalls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let writer = std::thread::spawn({
        let (stop, stalls, path) = (stop.clone(), stalls.clone(), path.clone());
        move || {
            // A writer that this busy machine stops for as long as the settle time has, by definition, paused too long.
            let last = std::cell::Cell::new(Instant::now());
            let pulse = || {
                stalls.fetch_max(last.replace(Instant::now()).elapsed().as_millis() as u64, Ordering::SeqCst);
            };
            let mut n = 1;
            while !stop.load(Ordering::SeqCst) || n % 4 != 0 {
                overwrite(&path, n, &pulse);
                n += 1;
            }
            n - 1
        }
    });
    let (mut seen, mut unstable) = (0u64, 0u64);
    let mut mixtures_at_rest = 0;
    let end = Instant::now() + Duration::from_secs(if long { 60 } else { 2 });
    while Instant::now() < end {
        match store.get("a.jpg", u64::MAX).await {
            Ok(object) => {
                seen += 1;
                assert_eq!(object.stat.version, Version::of_content(&object.body));
                assert_eq!(object.stat.bytes, object.body.len() as u64);
                let whole = object.body.len() == BYTES && object.body.iter().all(|byte| *byte == object.body[0]);
                mixtures_at_rest += u32::from(object.stat.settled && !whole);
            }
            // Unstable; or, between truncation and rename, anything but an absence.
            Err(Error::Unprovable(_)) => unstable += 1,
            Err(error) => panic!("{error}"),
        }
        match store.stat("a.jpg").await {
            Ok(stat) => assert!(!stat.settled || stalls.load(Ordering::SeqCst) * 2 > SETTLE_MS, "it never rests"),
            Err(error) => assert!(matches!(error, Error::Unprovable(_)), "{error}"),
        }
    }
    stop.store(true, Ordering::SeqCst);
    let last = writer.join().unwrap();
    let stalled_ms = stalls.load(Ordering::SeqCst);
    if stalled_ms * 2 > SETTLE_MS {
        eprintln!("SKIPPED half of no_mixture_is_ever_taken_for_final: the writer stalled for {stalled_ms} ms");
    } else {
        assert_eq!(mixtures_at_rest, 0);
    }
    assert!(seen > 0 && last >= 4, "{seen} answers, {unstable} unstable, {last} contents");
    let version = Version::of_content(&content(last));
    assert_eq!(store.stat("a.jpg").await.unwrap().version, version, "the last content, at once");
    sleep(Duration::from_millis(SETTLE_MS + 50));
    let stat = store.stat("a.jpg").await.unwrap();
    assert!(stat.settled && stat.version == version);
}

#[tokio::test]
async fn the_content_written_last_is_the_one_answered() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.jpg");
    fs::write(&path, content(0)).unwrap();
    let config = OriginalsConfig { settle_ms: 0, ..OriginalsConfig::default() };
    let store = Originals::open(dir.path(), config, Arc::new(Machine(Instant::now()))).unwrap();
    let quick = |file: &mut File, n: u64| file.write_all(&content(n)).unwrap();
    for n in 1..=120u64 {
        if n % 7 == 0 {
            // Long enough to be remembered as at rest before the next change.
            sleep(Duration::from_millis(25));
            store.stat("a.jpg").await.unwrap();
        }
        if n % 2 == 0 {
            let modified = fs::metadata(&path).unwrap().modified().unwrap();
            let mut file = File::options().write(true).open(&path).unwrap();
            quick(&mut file, n);
            file.set_modified(modified).unwrap();
        } else {
            let beside = path.with_extension("new");
            quick(&mut File::create(&beside).unwrap(), n);
            fs::rename(beside, &path).unwrap();
        }
        assert_eq!(store.stat("a.jpg").await.unwrap().version, Version::of_content(&content(n)), "content {n}");
    }
}

/// A wall clock that stands where it is put, in nanoseconds.
#[derive(Default)]
struct Standing(AtomicU64);

impl Clock for Standing {
    fn now(&self) -> Stamp {
        Stamp::default()
    }
    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_nanos(self.0.load(Ordering::SeqCst))
    }
}

#[tokio::test]
async fn a_file_at_rest_that_is_written_while_it_is_read_is_read_again() {
    const LARGE_BYTES: usize = 4_000_000;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.jpg");
    fs::write(&path, vec![0; LARGE_BYTES]).unwrap();
    let clock = Arc::new(Standing::default());
    // A memory of no bytes: every answer reads.
    let config = OriginalsConfig { memo_bytes_max: 0, ..OriginalsConfig::default() };
    let store = Originals::open(dir.path(), config.clone(), clock.clone()).unwrap();
    let (begin, begun) = channel::<(u8, u64)>();
    let (done, finished) = channel();
    let target = path.clone();
    std::thread::spawn(move || {
        for (byte, delay_us) in begun {
            let mut file = File::options().write(true).open(&target).unwrap();
            sleep(Duration::from_micros(delay_us));
            for _ in 0..LARGE_BYTES / 40_000 {
                file.write_all(&[byte; 40_000]).unwrap();
            }
            done.send(()).unwrap();
        }
    });
    let mut interrupted = 0;
    for round in 1..=60u8 {
        // What was written before this round is exactly at rest; what is written in it is not, however long a busy
        // machine stops the writer.
        let seen = fs::metadata(&path).unwrap();
        let changed_ns = seen.ctime() as u64 * 1_000_000_000 + seen.ctime_nsec() as u64;
        clock.0.store(changed_ns + config.settle_ms * 1_000_000, Ordering::SeqCst);
        begin.send((round, u64::from(round) * 97 % 2_500)).unwrap();
        match store.get("a.jpg", u64::MAX).await {
            Ok(object) => {
                assert_eq!(object.stat.version, Version::of_content(&object.body));
                let whole = object.body.iter().all(|byte| *byte == object.body[0]);
                assert!(whole || !object.stat.settled, "round {round}: a mixture");
                interrupted += u32::from(!object.stat.settled);
            }
            Err(Error::Unprovable(_)) => interrupted += 1,
            Err(error) => panic!("{error}"),
        }
        finished.recv().unwrap();
    }
    assert!(interrupted > 0, "no write met a read: the test proved nothing");
}
