//! Several sources as one, put to the promises of a store.

use std::sync::Arc;

use afterimage_identity::{Absence, BoxFuture};
use afterimage_setup::Mounted;
use afterimage_store::{Error, Memory, Meta, Object, Page, Read, Stat, Write, conformance};
use bytes::Bytes;

async fn memory(keys: &[&str]) -> Arc<Memory> {
    let memory = Memory::new();
    for key in keys {
        memory.put(key, Meta::default(), Bytes::from((*key).to_owned())).await.expect("room enough");
    }
    Arc::new(memory)
}

/// What a source holds is named by its own key: the body says which source answered.
#[tokio::test]
async fn the_longest_prefix_wins_and_hides_what_is_below() {
    let root = memory(&["a.jpg", "m.jpg", "m/hidden.jpg", "m/n/hidden.jpg", "mm/b.jpg", "z.jpg"]).await;
    let outer = memory(&["c.jpg", "n/hidden.jpg", "o/d.jpg"]).await;
    let inner = memory(&["e.jpg", "p/f.jpg"]).await;
    let mounts: Vec<(String, Arc<dyn Read>)> = vec![("m/".into(), outer), ("m/n/".into(), inner)];
    let mounted = Mounted::new(root, mounts);
    let present: [(&str, &[u8]); 8] = [
        ("a.jpg", b"a.jpg"),
        ("m.jpg", b"m.jpg"),
        ("m/c.jpg", b"c.jpg"),
        ("m/n/e.jpg", b"e.jpg"),
        ("m/n/p/f.jpg", b"p/f.jpg"),
        ("m/o/d.jpg", b"o/d.jpg"),
        ("mm/b.jpg", b"mm/b.jpg"),
        ("z.jpg", b"z.jpg"),
    ];
    conformance::read(&mounted, &present).await;
}

#[tokio::test]
async fn places_on_this_machine_prove_absence() {
    assert_eq!(Mounted::new(memory(&[]).await, Vec::new()).absence().await, Absence::Proven);
}

#[tokio::test]
async fn mounts_may_be_empty_and_roots_too() {
    let mounts: Vec<(String, Arc<dyn Read>)> =
        vec![("a/".into(), memory(&[]).await), ("b/".into(), memory(&["x"]).await)];
    conformance::read(&Mounted::new(memory(&["a/x", "b/y"]).await, mounts), &[("b/x", b"x")]).await;
}

/// A source that is on this machine.
struct Near(Arc<Memory>);

impl Read for Near {
    fn stat<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Stat, Error>> {
        self.0.stat(key)
    }

    fn get<'a>(&'a self, key: &'a str, bytes_max: u64) -> BoxFuture<'a, Result<Object, Error>> {
        self.0.get(key, bytes_max)
    }

    fn list<'a>(&'a self, prefix: &'a str, after: Option<&'a str>, limit: usize) -> BoxFuture<'a, Result<Page, Error>> {
        self.0.list(prefix, after, limit)
    }

    fn is_near(&self, _key: &str) -> bool {
        true
    }
}

#[tokio::test]
async fn each_source_says_itself_whether_it_is_near() {
    let mounts: Vec<(String, Arc<dyn Read>)> = vec![("near/".into(), Arc::new(Near(memory(&[]).await)))];
    let mounted = Mounted::new(memory(&[]).await, mounts);
    assert!(mounted.is_near("near/a.jpg"));
    assert!(!mounted.is_near("a.jpg"));
}
