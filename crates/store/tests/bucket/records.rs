//! Records beside the derivatives: written by whoever comes first, and never taken for a derivative.

use std::sync::Arc;

use afterimage_identity::{Keep, KeepError, Put};
use afterimage_store::{Meta, Read, Write, keep};
use afterimage_testkit::bucket::{Fault, S3ErrorCode};
use bytes::Bytes;

use crate::double::Double;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_conform_and_leave_nothing_behind() {
    for (prefix, versioning) in [("", None), ("derived", Some("Enabled"))] {
        let double = Double::start().await;
        double.state().versioning = versioning;
        keep::conformance::check(Arc::new(double.derivatives(prefix).unwrap().keep())).await;
        assert_eq!(double.state().versions(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_about_derivatives_is_about_no_record() {
    let double = Double::start().await;
    for (prefix, key) in [("d", "-/d/receipts/1"), ("", "-/receipts/1")] {
        double.derivatives(prefix).unwrap().keep().write("receipts/1", b"{}", Put::New).await.unwrap();
        assert!(double.state().objects.contains_key(key), "{prefix}: {:?}", double.state().objects.keys());
    }
    // Each finds its own.
    for prefix in ["d", ""] {
        let kept = double.derivatives(prefix).unwrap().keep();
        assert_eq!(kept.names("receipts/", 9).await.unwrap(), ["receipts/1"], "{prefix}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_listing_of_derivatives_shows_them() {
    // Where the whole bucket is for derivatives, records lie among them.
    for (prefix, versioning) in [("", None), ("", Some("Enabled")), ("d", None), ("d", Some("Enabled"))] {
        let double = Double::start().await;
        double.state().versioning = versioning;
        let derivatives = double.derivatives(prefix).unwrap();
        let kept = derivatives.keep();
        for number in 0..5 {
            kept.write(&format!("journal/{number}"), b"{}", Put::New).await.unwrap();
        }
        let names = ["--/-/w1", "-./-/w1", "-0/-/w1", "a/-/w1"];
        for name in names {
            derivatives.put(name, Meta::default(), Bytes::from_static(b"body")).await.unwrap();
        }
        for limit in [1, 2, 3, 1_000] {
            let (mut listed, mut after, mut pages) = (Vec::new(), None::<String>, 0);
            loop {
                let page = derivatives.list("", after.as_deref(), limit).await.unwrap();
                listed.extend(page.entries.into_iter().map(|entry| entry.key));
                (after, pages) = (page.next, pages + 1);
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(listed, names, "{limit} a page");
            assert!(pages <= 4 / limit + 2, "records cost one page at most: {pages} of {limit}");
        }
        assert_eq!(kept.names("", 9).await.unwrap().len(), 5);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_whose_answer_was_lost_is_not_taken_for_somebody_elses() {
    let double = Double::start().await;
    let kept = double.derivatives("d").unwrap().keep();
    double.state().fail("PutObject", Fault::Late(S3ErrorCode::InternalError), 1);
    kept.write("a", b"mine", Put::New).await.unwrap();
    assert_eq!(kept.write("a", b"yours", Put::New).await, Err(KeepError::Taken));
    // A racing write is answered so as well; it may have come to nothing.
    double.state().fail("PutObject", Fault::Code(S3ErrorCode::ConditionalRequestConflict), 2);
    kept.write("b", b"mine", Put::New).await.unwrap();
    double.state().fail("PutObject", Fault::Code(S3ErrorCode::ConditionalRequestConflict), 99);
    assert!(matches!(kept.write("c", b"mine", Put::New).await, Err(KeepError::Failed { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_cannot_be_asked_keeps_nothing_and_says_so() {
    let double = Double::start().await;
    let kept = double.derivatives("d").unwrap().keep();
    double.state().is_lost = true;
    let failed = |result: Result<(), KeepError>| matches!(result, Err(KeepError::Failed { .. }));
    assert!(failed(kept.write("a", b"", Put::Any).await));
    assert!(failed(kept.read("a").await.map(drop)));
    assert!(failed(kept.names("", 1).await.map(drop)));
    assert!(failed(kept.remove(&["a".to_owned()]).await));
}
