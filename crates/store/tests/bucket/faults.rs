//! What a network and a busy bucket do. Nothing but a proven absence is one; what may pass is tried again, within a budget;
//! nothing that failed is reported as done.

use std::time::{Duration, Instant};

use afterimage_identity::Unprovable;
use afterimage_store::{BucketDerivatives, BucketOriginals, Error, Meta, Read, Write};
use afterimage_testkit::bucket::{Fault, S3ErrorCode};
use bytes::Bytes;

use crate::double::Double;

async fn with_one_original() -> (Double, BucketOriginals) {
    let double = Double::start().await;
    double.state().write("o/a.jpg", b"a picture");
    let originals = double.originals("o").unwrap();
    (double, originals)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gone_is_what_the_bucket_says_of_this_key_alone() {
    let (double, originals) = with_one_original().await;
    assert_eq!(originals.stat("b.jpg").await, Err(Error::NotFound));
    assert_eq!(originals.get("b.jpg", 10).await, Err(Error::NotFound));
    double.state().hides_absence = true;
    for key in ["b.jpg", "c.jpg"] {
        assert_eq!(originals.stat(key).await, Err(Error::Unprovable(Unprovable::Refused)));
        assert_eq!(originals.get(key, 10).await, Err(Error::Unprovable(Unprovable::Refused)));
    }
    double.state().hides_absence = false;
    double.state().is_lost = true;
    for key in ["a.jpg", "b.jpg"] {
        assert_eq!(originals.stat(key).await, Err(Error::Unprovable(Unprovable::RootChanged)), "{key}");
        assert_eq!(originals.get(key, 10).await, Err(Error::Unprovable(Unprovable::RootChanged)), "{key}");
    }
    assert_eq!(originals.list("", None, 10).await, Err(Error::Unprovable(Unprovable::RootChanged)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_hidden_by_a_marker_is_gone() {
    let (double, originals) = with_one_original().await;
    double.state().versioning = Some("Enabled");
    double.state().delete_plainly("o/a.jpg");
    assert_eq!(originals.stat("a.jpg").await, Err(Error::NotFound));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_overwrite_is_another_version() {
    let (double, originals) = with_one_original().await;
    let before = originals.stat("a.jpg").await.unwrap().version;
    double.state().write("o/a.jpg", b"b picture");
    let object = originals.get("a.jpg", 10).await.unwrap();
    assert_ne!(object.stat.version, before);
    assert_eq!(originals.stat("a.jpg").await.unwrap(), object.stat);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_without_a_proof_is_refused_with_the_remedy() {
    let double = Double::start().await;
    let open = |change: &dyn Fn(&mut afterimage_store::bucket::Config)| {
        let mut config = double.config("o");
        change(&mut config);
        let opened = tokio::task::block_in_place(|| BucketOriginals::open(&config));
        opened.map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(open(&|_| {}), Ok(()));
    let wrong_key = open(&|config| config.profile = Some("wrong".into())).unwrap_err();
    assert!(wrong_key.contains("SignatureDoesNotMatch") || wrong_key.contains("refused"), "{wrong_key}");
    let nobody = open(&|config| config.profile = Some("nobody".into())).unwrap_err();
    assert!(nobody.contains("nobody"), "{nobody}");
    double.state().hides_absence = true;
    let hidden = open(&|_| {}).unwrap_err();
    assert!(hidden.contains("s3:ListBucket"), "{hidden}");
    double.state().hides_absence = false;
    double.state().is_lost = true;
    let lost = open(&|_| {}).unwrap_err();
    assert!(lost.contains("NoSuchBucket") && lost.contains("s3://pictures/o/"), "{lost}");
    let silent = open(&|config| config.endpoint = Some("http://127.0.0.1:9".into())).unwrap_err();
    assert!(silent.contains("s3://pictures/o/"), "{silent}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_pass_is_tried_again_within_a_budget() {
    for fault in [
        Fault::Code(S3ErrorCode::SlowDown),
        Fault::Code(S3ErrorCode::InternalError),
        Fault::Code(S3ErrorCode::ServiceUnavailable),
        Fault::Silence,
    ] {
        let (double, originals) = with_one_original().await;
        double.state().calls.clear();
        double.state().fail("HeadObject", fault.clone(), 2);
        assert!(originals.stat("a.jpg").await.is_ok(), "{fault:?}: twice is forgiven");
        assert_eq!(double.state().count("HeadObject"), 3, "{fault:?}");
        double.state().fail("HeadObject", fault.clone(), usize::MAX);
        let (begun, error) = (Instant::now(), originals.stat("a.jpg").await.unwrap_err());
        assert!(
            matches!(error, Error::Unprovable(Unprovable::Unreachable | Unprovable::TimedOut)),
            "{fault:?}: {error}"
        );
        assert!(begun.elapsed() < Duration::from_secs(6), "{fault:?}");
        assert_eq!(double.state().count("HeadObject"), 6, "{fault:?}: three tries, no more");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_large_a_body_is_not_read() {
    let (_double, originals) = with_one_original().await;
    assert!(originals.get("a.jpg", 9).await.is_ok());
    assert_eq!(originals.get("a.jpg", 8).await, Err(Error::TooLarge { bytes: 9, max: 8 }));
}

async fn with_derivatives(count: usize) -> (Double, BucketDerivatives, Vec<String>) {
    let double = Double::start().await;
    let derivatives = double.derivatives("d").unwrap();
    let keys: Vec<String> = (0..count).map(|n| format!("a/-/w{n:05}")).collect();
    for key in &keys {
        double.state().write(&format!("d/{key}"), b"x");
    }
    double.state().calls.clear();
    (double, derivatives, keys)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_keys_take_few_calls() {
    let (double, derivatives, keys) = with_derivatives(2001).await;
    assert!(derivatives.delete(&keys).await.into_iter().all(|result| result == Ok(true)));
    assert_eq!(double.state().versions(), 0);
    assert_eq!(double.state().count("DeleteObjects"), 3, "a thousand at once");
    assert!(double.state().count("ListObjectsV2") <= 6, "{}", double.state().count("ListObjectsV2"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scattered_keys_are_found_among_many_others() {
    let (double, derivatives, mut keys) = with_derivatives(9000).await;
    keys = vec![keys[7].clone(), "b".into(), keys[8000].clone(), keys[8001].clone() + "x", keys[4000].clone()];
    let expected = [Ok(true), Ok(false), Ok(true), Ok(false), Ok(true)];
    assert_eq!(derivatives.delete(&keys).await, expected);
    assert_eq!(double.state().versions(), 9000 - 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_key_of_a_bulk_deletion_is_answered_for() {
    // Passing refusals and silences are tried again.
    for fault in [
        Fault::Part("7", S3ErrorCode::InternalError),
        Fault::Part("7", S3ErrorCode::SlowDown),
        Fault::Unsaid("7"),
        Fault::Code(S3ErrorCode::SlowDown),
        Fault::Silence,
    ] {
        let (double, derivatives, keys) = with_derivatives(20).await;
        double.state().fail("DeleteObjects", fault.clone(), 2);
        assert_eq!(derivatives.delete(&keys).await, vec![Ok(true); 20], "{fault:?}");
        assert_eq!(double.state().versions(), 0, "{fault:?}");
    }
    // Lasting ones are said of their keys alone.
    for fault in
        [Fault::Part("7", S3ErrorCode::InternalError), Fault::Part("7", S3ErrorCode::AccessDenied), Fault::Unsaid("7")]
    {
        let (double, derivatives, keys) = with_derivatives(20).await;
        double.state().fail("DeleteObjects", fault.clone(), usize::MAX);
        let results = derivatives.delete(&keys).await;
        for (key, result) in keys.iter().zip(results) {
            match result {
                Ok(true) => assert!(!key.ends_with('7')),
                Err(Error::Io { why }) => assert!(key.ends_with('7') && why.contains(key.as_str()), "{why}"),
                other => panic!("{key}: {other:?}"),
            }
        }
        assert_eq!(double.state().versions(), 2, "{fault:?}");
        assert!(double.state().count("DeleteObjects") <= 3, "{fault:?}: within the budget");
    }
    // Where nothing is known, nothing is claimed.
    for call in ["DeleteObjects", "ListObjectsV2"] {
        let (double, derivatives, keys) = with_derivatives(20).await;
        double.state().fail(call, Fault::Code(S3ErrorCode::InternalError), usize::MAX);
        assert!(derivatives.delete(&keys).await.iter().all(Result::is_err), "{call}");
        assert_eq!(double.state().versions(), 20, "{call}");
        assert_eq!(double.state().count(call), 3, "{call}: three tries, no more");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_on_the_way_is_fetched_again_and_damage_at_rest_is_dropped() {
    let (double, derivatives, _) = with_derivatives(0).await;
    derivatives.put("a/-/w1", Meta::default(), Bytes::from_static(b"picture")).await.unwrap();
    double.state().fail("GetObject", Fault::Flipped, 1);
    assert_eq!(derivatives.get("a/-/w1", 100).await.unwrap().body, "picture");
    double.state().fail("GetObject", Fault::Flipped, 2);
    assert!(matches!(derivatives.get("a/-/w1", 100).await, Err(Error::Corrupt { .. })));
    assert_eq!(derivatives.get("a/-/w1", 100).await, Err(Error::NotFound), "asking again finds nothing");
    assert_eq!(double.state().versions(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_put_among_derivatives_is_no_derivative_and_can_be_replaced() {
    let (_double, derivatives, keys) = with_derivatives(1).await;
    assert_eq!(derivatives.get(&keys[0], 100).await, Err(Error::NotFound));
    assert_eq!(derivatives.stat(&keys[0]).await, Err(Error::NotFound));
    derivatives.put(&keys[0], Meta::default(), Bytes::from_static(b"ours")).await.unwrap();
    assert_eq!(derivatives.get(&keys[0], 100).await.unwrap().body, "ours");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_fails_says_so() {
    let (double, derivatives, _) = with_derivatives(0).await;
    double.state().fail("PutObject", Fault::Code(S3ErrorCode::SlowDown), 2);
    derivatives.put("a", Meta::default(), Bytes::from_static(b"x")).await.unwrap();
    double.state().fail("PutObject", Fault::Code(S3ErrorCode::AccessDenied), 1);
    let error = derivatives.put("b", Meta::default(), Bytes::new()).await.unwrap_err();
    assert!(error.to_string().contains("AccessDenied"), "{error}");
    double.state().is_lost = true;
    assert!(derivatives.put("b", Meta::default(), Bytes::new()).await.is_err());
    assert!(matches!(derivatives.get("a", 10).await, Err(Error::Io { .. })), "a lost bucket proves nothing");
}
