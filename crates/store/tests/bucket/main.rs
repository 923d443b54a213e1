//! Buckets: the suites that every store passes, the faults that only a network has, and what a bucket keeps of what is
//! deleted.

mod cut;
mod double;
mod emulators;
mod faults;
mod inherited;
mod kept;
mod keys;
mod records;
mod unasked;

use std::sync::Arc;

use afterimage_store::conformance;
use double::Double;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn originals_conform() {
    for prefix in ["", "some/where"] {
        let double = Double::start().await;
        let names = [
            "a",
            "a b",
            "a.jpg",
            "a-b.jpg",
            "b/c",
            "b.jpg",
            "~",
            "%41",
            "+",
            "'\"",
            "é",
            "e\u{301}",
            "사진/고양이 😀.jpg",
        ];
        let own = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        for name in names {
            double.state().write(&format!("{own}{name}"), name.as_bytes());
        }
        if !prefix.is_empty() {
            double.state().write("some/wherever", b"beside");
            double.state().write("some/where", b"the prefix without its slash");
        }
        let present: Vec<(&str, &[u8])> = names.iter().map(|name| (*name, name.as_bytes())).collect();
        conformance::read_validated(&double.originals(prefix).unwrap(), &present).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn derivatives_conform_and_leave_nothing_behind() {
    let double = Double::start().await;
    double.state().write("elsewhere", b"not ours");
    conformance::write(Arc::new(double.derivatives("derived").unwrap())).await;
    assert_eq!(double.state().versions(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn derivatives_conform_where_every_version_is_kept() {
    let double = Double::start().await;
    double.state().versioning = Some("Enabled");
    conformance::write(Arc::new(double.derivatives("").unwrap())).await;
    assert_eq!(double.state().versions(), 0, "no version and no marker is left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn derivatives_conform_where_there_is_no_bulk_deletion() {
    let double = Double::start().await;
    double.state().no_bulk = true;
    conformance::write(Arc::new(double.derivatives("derived").unwrap())).await;
    assert_eq!(double.state().versions(), 0);
}
