//! What a bucket keeps of what is deleted, and what is refused because nobody could say that it is gone.

use afterimage_store::{Error, Meta, Read, Write};
use bytes::Bytes;

use crate::double::Double;

fn words<T>(opened: Result<T, Error>) -> String {
    match opened {
        Ok(_) => panic!("it opened"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hidden_versions_are_listed_and_deleted_whoever_hid_them() {
    for versioning in ["Enabled", "Suspended"] {
        let double = Double::start().await;
        double.state().versioning = Some("Enabled");
        let derivatives = double.derivatives("d").unwrap();
        for body in ["one", "two"] {
            derivatives.put("a/-/w1", Meta::default(), Bytes::from_static(body.as_bytes())).await.unwrap();
        }
        derivatives.put("a/-/w2", Meta::default(), Bytes::new()).await.unwrap();
        double.state().versioning = Some(versioning);
        double.state().delete_plainly("d/a/-/w1");
        assert_eq!(derivatives.stat("a/-/w1").await, Err(Error::NotFound));
        let listed = derivatives.list("a/-/", None, 10).await.unwrap().entries;
        let listed: Vec<(&str, u64)> = listed.iter().map(|entry| (entry.key.as_str(), entry.bytes)).collect();
        assert_eq!(listed, [("a/-/w1", 6), ("a/-/w2", 0)], "what is hidden can be brought back");
        let keys = ["a/-/w1".to_owned(), "a/-/w2".to_owned(), "a/-/w3".to_owned(), "a/-/w1".to_owned()];
        assert_eq!(derivatives.delete(&keys).await, [Ok(true), Ok(true), Ok(false), Ok(false)]);
        assert_eq!(double.state().versions(), 0, "{versioning}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_versions_span_pages() {
    let double = Double::start().await;
    double.state().versioning = Some("Enabled");
    let derivatives = double.derivatives("").unwrap();
    for round in 0..1500 {
        double.state().write("a/-/w1", &[0; 3][..round % 3]);
    }
    double.state().write("a/-/w2", b"");
    let page = derivatives.list("a/", None, 1000).await.unwrap();
    assert_eq!((page.entries.len(), page.next.as_deref()), (1, Some("a/-/w1")));
    assert_eq!(derivatives.list("a/", Some("a/-/w1"), 1000).await.unwrap().entries[0].key, "a/-/w2");
    assert_eq!(derivatives.delete(&["a/-/w1".to_owned(), "a/-/w2".to_owned()]).await, [Ok(true), Ok(true)]);
    assert_eq!(double.state().versions(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn buckets_that_would_make_a_receipt_lie_are_refused() {
    let double = Double::start().await;
    double.state().retains = true;
    let said = words(double.derivatives("d"));
    assert!(said.contains("object lock") && said.contains("another bucket"), "{said}");
    double.state().retains = false;
    double.state().versioning = Some("Enabled");
    double.state().mfa_delete = true;
    assert!(words(double.derivatives("d")).contains("second factor"));
    double.state().mfa_delete = false;
    assert!(double.derivatives("d").is_ok());
    assert_eq!(double.state().versions(), 0, "a start leaves nothing behind");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_originals_keep_is_known() {
    let double = Double::start().await;
    assert_eq!(double.originals("o").unwrap().recoverable(), None);
    double.state().versioning = Some("Suspended");
    let said = double.originals("o").unwrap().recoverable().unwrap();
    assert!(said.contains("earlier versions") && said.contains("s3://pictures/o/"), "{said}");
}
