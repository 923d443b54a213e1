//! A bucket that somebody else wrote into: exactly what was seen goes, and whatever took its place stays.

use afterimage_store::inherited::{Conditions, Inherited, InheritedBucket, Removal};
use afterimage_testkit::bucket::{Fault, S3ErrorCode};
use bytes::Bytes;

use crate::double::Double;

const KEY: &str = "i/100x100/png/a.png";

async fn open(double: &Double) -> InheritedBucket {
    InheritedBucket::open(&double.config("p")).await.unwrap()
}

async fn keys(bucket: &InheritedBucket) -> Vec<(String, bool)> {
    let (mut keys, mut after) = (Vec::new(), None);
    loop {
        let page = bucket.list(after.as_deref()).await.unwrap();
        keys.extend(page.seen.into_iter().map(|seen| (seen.key, seen.is_hidden)));
        after = keys.last().map(|(key, _)| key.clone());
        if !page.more {
            return keys;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_seen_is_told_whole() {
    let double = Double::start().await;
    let odd = "i/100x100/png/\u{e9} +%~.png";
    for key in [KEY, odd] {
        double.state().write_derived(&format!("p/{key}"), b"derived");
    }
    double.state().write("p/i/a.png", b"original");
    double.state().write("q/beside.png", b"beside");
    for number in 0..1100 {
        double.state().write(&format!("p/n/{number:04}"), b"x");
    }
    let bucket = open(&double).await;
    let keys = keys(&bucket).await;
    assert_eq!(keys.len(), 1103);
    assert!(keys.iter().all(|(_, is_hidden)| !is_hidden) && keys[1].0 == odd && keys[2].0 == "i/a.png");
    let look = bucket.look(odd, 7).await.unwrap();
    assert_eq!((look.body.as_ref(), look.identity.bytes), (&b"derived"[..], 7));
    assert!(look.identity.etag.starts_with('"') && look.identity.modified_s > 0, "{:?}", look.identity);
    let headers = look.headers.unwrap();
    assert_eq!(headers.media_type.as_deref(), Some("image/png"));
    assert_eq!(headers.cache_control.as_deref(), Some("max-age=31536000"));
    assert!(!headers.has_metadata);
    assert!(matches!(bucket.look(odd, 6).await, Err(afterimage_store::Error::TooLarge { bytes: 7, max: 6 })));
    assert_eq!(bucket.look("i/nobody.png", 6).await.unwrap_err(), afterimage_store::Error::NotFound);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_what_was_seen_goes() {
    let double = Double::start().await;
    let bucket = open(&double).await;
    let whole = format!("p/{KEY}");
    let write = |body: &[u8]| double.state().write_derived(&whole, body);
    write(b"derived");
    let seen = bucket.look(KEY, 100).await.unwrap().identity;
    assert_eq!(bucket.conditions(KEY, &seen).await, Ok(Conditions::Heeded));
    // Another content; the same content, written again; another content in the last moment.
    write(b"others!");
    assert_eq!(bucket.remove(KEY, &seen).await, Removal::Changed);
    write(b"derived");
    assert_eq!(bucket.remove(KEY, &seen).await, Removal::Changed);
    let seen = bucket.look(KEY, 100).await.unwrap().identity;
    double.state().race = Some((whole.clone(), Bytes::from_static(b"in time")));
    assert_eq!(bucket.remove(KEY, &seen).await, Removal::Changed);
    assert_eq!(bucket.look(KEY, 100).await.unwrap().body, "in time");
    assert_eq!(double.state().count("DeleteObjects"), 0);
    let seen = bucket.look(KEY, 100).await.unwrap().identity;
    assert_eq!(bucket.remove(KEY, &seen).await, Removal::Deleted);
    assert_eq!(bucket.remove(KEY, &seen).await, Removal::Gone);
    assert_eq!(bucket.conditions(KEY, &seen).await, Err(Removal::Gone));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_and_failures_are_told_apart() {
    let double = Double::start().await;
    let bucket = open(&double).await;
    double.state().write_derived(&format!("p/{KEY}"), b"derived");
    let seen = bucket.look(KEY, 100).await.unwrap().identity;
    for (code, refused) in [
        (S3ErrorCode::AccessDenied, true),
        (S3ErrorCode::NotImplemented, true),
        (S3ErrorCode::InternalError, false),
        (S3ErrorCode::SlowDown, false),
    ] {
        double.state().faults.clear();
        double.state().fail("DeleteObject", Fault::Code(code.clone()), 9);
        match bucket.remove(KEY, &seen).await {
            Removal::Refused(why) => assert!(refused && why.contains(code.as_str()), "{why}"),
            Removal::Failed(why) => assert!(!refused && why.contains(code.as_str()), "{why}"),
            other => panic!("{other:?}"),
        }
    }
    double.state().faults.clear();
    double.state().fail("DeleteObject", Fault::Code(S3ErrorCode::SlowDown), 1);
    assert_eq!(bucket.remove(KEY, &seen).await, Removal::Deleted, "what passes is tried again");
    double.state().write_derived(&format!("p/{KEY}"), b"derived");
    let seen = bucket.look(KEY, 100).await.unwrap().identity;
    double.state().heeds_no_condition = true;
    assert_eq!(bucket.conditions(KEY, &seen).await, Ok(Conditions::Ignored));
    assert_eq!(bucket.remove(KEY, &seen).await, Removal::Gone);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_versions_are_kept_each_that_was_seen_goes_and_none_that_came_later() {
    let double = Double::start().await;
    double.state().versioning = Some("Enabled");
    let whole = format!("p/{KEY}");
    double.state().write_derived(&whole, b"first");
    double.state().write_derived(&whole, b"second");
    double.state().delete_plainly(&whole);
    double.state().write("p/i/a.png", b"original");
    let bucket = open(&double).await;
    assert_eq!(keys(&bucket).await, [(KEY.to_owned(), true), ("i/a.png".to_owned(), false)]);
    let look = bucket.look(KEY, 100).await.unwrap();
    assert_eq!((look.body.as_ref(), look.identity.versions.len()), (&b"second"[..], 3));
    assert_eq!(bucket.conditions(KEY, &look.identity).await, Ok(Conditions::Heeded));
    double.state().write_derived(&whole, b"third");
    assert_eq!(bucket.remove(KEY, &look.identity).await, Removal::Changed);
    assert_eq!(double.state().objects[&whole].len(), 4);
    let look = bucket.look(KEY, 100).await.unwrap();
    assert_eq!(look.body, "third");
    // Cut after one: the rest is still what was seen.
    let first = look.identity.versions[0].id.clone();
    double.state().remove(&whole, Some(&first));
    assert_eq!(bucket.remove(KEY, &look.identity).await, Removal::Deleted);
    assert!(!double.state().objects.contains_key(&whole), "no version and no marker is left");
    assert_eq!(bucket.remove(KEY, &look.identity).await, Removal::Gone);
    assert_eq!(keys(&bucket).await, [("i/a.png".to_owned(), false)]);
}
