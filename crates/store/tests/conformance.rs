//! Every store against the same suites.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use afterimage_identity::{Clock, Keep, Put, Stamp};
use afterimage_store::{Derivatives, DerivativesConfig, Memory, Originals, OriginalsConfig, conformance, keep};

struct Machine;

impl Clock for Machine {
    fn now(&self) -> Stamp {
        Stamp::default()
    }
    fn wall(&self) -> SystemTime {
        SystemTime::now() + Duration::from_secs(3600)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn places_of_records_conform() {
    let dir = tempfile::tempdir().unwrap();
    let left = || -> Vec<_> { std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect() };
    keep::conformance::check(Arc::new(keep::Kept::default())).await;
    keep::conformance::check(Arc::new(keep::Folder::open(dir.path()).unwrap())).await;
    assert!(left().iter().all(|path| path.is_dir()), "{:?}", left());
    let whole: Arc<dyn Keep> = Arc::new(keep::Folder::open(dir.path()).unwrap());
    whole.write("beside", b"", Put::New).await.unwrap();
    keep::conformance::check(Arc::new(keep::Within::new(whole.clone(), "part/"))).await;
    assert_eq!(whole.names("", 9).await.unwrap(), ["beside"]);
}

#[tokio::test]
async fn records_written_by_halves_are_cleared_away() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("a")).unwrap();
    for name in ["a/3.new", "3.new", "whole"] {
        std::fs::write(dir.path().join(name), b"{").unwrap();
    }
    let folder = keep::Folder::open(dir.path()).unwrap();
    assert_eq!(folder.names("", 9).await.unwrap(), ["whole"]);
    assert!(!dir.path().join("3.new").exists() && !dir.path().join("a/3.new").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_conforms() {
    conformance::write(Arc::new(Memory::new())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn derivatives_conform_and_leave_no_file_behind() {
    let dir = tempfile::tempdir().unwrap();
    let config = DerivativesConfig { free_bytes_min: 0, ..DerivativesConfig::default() };
    let store = Arc::new(Derivatives::open(dir.path(), config).unwrap());
    conformance::write(store.clone()).await;
    store.wait_until_counted();
    assert_eq!((store.usage().bytes, store.usage().objects), (0, 0));
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, [".tmp"], "empty folders go too");
    let own = std::fs::read_dir(dir.path().join(".tmp")).unwrap().next().unwrap().unwrap().path();
    assert_eq!(std::fs::read_dir(own).unwrap().count(), 0);
}

#[tokio::test]
async fn originals_conform() {
    let dir = tempfile::tempdir().unwrap();
    let (long, deep) = ("n".repeat(255), vec!["d".repeat(190); 10].join("/"));
    let names = [
        "a",
        "a b",
        "a.jpg",
        "a-b.jpg",
        "b/c",
        "b.jpg",
        "b-x",
        "~",
        "%41",
        "+",
        "'\"",
        "é",
        "e\u{301}",
        "사진/고양이 😀.jpg",
        "a-200x200.jpg",
        "w300.webp",
        "=EC=82",
        "\u{200b}",
        "back\\slash",
        &long,
        &deep,
    ];
    for name in names {
        write(&dir.path().join(name), name.as_bytes());
    }
    std::fs::create_dir_all(dir.path().join("empty/folder")).unwrap();
    let present: Vec<(&str, &[u8])> = names.iter().map(|name| (*name, name.as_bytes())).collect();
    let store = Originals::open(dir.path(), OriginalsConfig::default(), Arc::new(Machine)).unwrap();
    conformance::read(&store, &present).await;
    conformance::read(&store, &present).await; // now from memory
}

fn write(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}
