//! What one question about an original costs, in microseconds, when its content is remembered and when it has to be read.
//!
//! `cargo bench -p afterimage-store`

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use afterimage_identity::{Clock, Stamp};
use afterimage_store::{Originals, OriginalsConfig, Read};

/// A minute ahead, so that files made just now are at rest.
struct Ahead;

impl Clock for Ahead {
    fn now(&self) -> Stamp {
        Stamp::default()
    }
    fn wall(&self) -> SystemTime {
        SystemTime::now() + Duration::from_secs(60)
    }
}

async fn measure(what: &str, store: &dyn Read, key: &str, rounds: u32) {
    let _ = store.stat(key).await;
    let start = Instant::now();
    for _ in 0..rounds {
        let _ = std::hint::black_box(store.stat(key).await);
    }
    println!("{what:<44} {:>9.2} us", start.elapsed().as_secs_f64() * 1e6 / f64::from(rounds));
}

#[tokio::main]
async fn main() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    std::fs::create_dir_all(dir.path().join("a/b/c")).expect("a folder");
    for key in ["flat.jpg", "a/b/c/deep.jpg"] {
        std::fs::write(dir.path().join(key), vec![7; 3_000_000]).expect("a file");
    }
    let open = |memo_bytes_max| {
        let config = OriginalsConfig { memo_bytes_max, ..OriginalsConfig::default() };
        Originals::open(dir.path(), config, Arc::new(Ahead)).expect("a directory")
    };
    let (store, forgetful) = (open(1 << 20), open(0));
    measure("remembered, in the root", &store, "flat.jpg", 100_000).await;
    measure("remembered, three folders down", &store, "a/b/c/deep.jpg", 100_000).await;
    measure("gone", &store, "gone.jpg", 100_000).await;
    measure("read: 3 MB", &forgetful, "flat.jpg", 100).await;
}
