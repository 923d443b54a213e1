//! Buckets that are asked nothing before there is something to ask: for processes that have no time when they start.

use std::sync::Arc;

use afterimage_identity::Unprovable;
use afterimage_store::{Error, Meta, Read, Write, conformance};
use afterimage_testkit::bucket::{Fault, S3ErrorCode};
use bytes::Bytes;

use crate::double::Double;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_conform_as_others_do() {
    let double = Double::start().await;
    double.state().write("a", b"a");
    let (originals, derivatives) =
        (double.unasked_originals("").unwrap(), double.unasked_derivatives("derived").unwrap());
    assert!(double.state().calls.is_empty(), "opened without a word");
    conformance::read_validated(&originals, &[("a", b"a")]).await;
    double.state().versioning = Some("Enabled");
    conformance::write(Arc::new(derivatives)).await;
    assert_eq!(double.state().versions(), 1, "no version and no marker is left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_original_is_gone_before_the_bucket_has_shown_that_it_would_say_so() {
    let double = Double::start().await;
    double.state().write("there", b"x");
    let originals = double.unasked_originals("").unwrap();
    let unproven = || Err(Error::Unprovable(Unprovable::Refused));
    double.state().fail("ListObjectsV2", Fault::Code(S3ErrorCode::AccessDenied), 2);
    assert_eq!(originals.stat("gone").await.map(|_| ()), unproven());
    assert_eq!(originals.get("gone", 9).await.map(|_| ()), unproven());
    assert!(originals.stat("there").await.is_ok());
    assert_eq!(originals.stat("gone").await.map(|_| ()), Err(Error::NotFound), "it may be listed now");
    let asked = double.state().count("ListObjectsV2");
    assert_eq!(originals.get("gone", 9).await.map(|_| ()), Err(Error::NotFound));
    assert_eq!(double.state().count("ListObjectsV2"), asked, "the proof is asked for once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_deleted_where_it_would_stay() {
    let double = Double::start().await;
    double.state().retains = true;
    let derivatives = double.unasked_derivatives("").unwrap();
    derivatives.put("a/-/w1", Meta::default(), Bytes::from_static(b"x")).await.unwrap();
    let results = derivatives.delete(&["a/-/w1".to_owned()]).await;
    assert!(matches!(&results[..], [Err(Error::Io { why })] if why.contains("lock")), "{results:?}");
}
