//! What every store promises, as suites that any implementation can be put to. They panic at the first broken promise.
//!
//! They cannot show what only a crash, a full disk or another machine shows; and an emulator of a bucket that passes says
//! nothing of the real one's consistency.

use std::collections::BTreeMap;
use std::sync::Arc;

use afterimage_identity::{Original, OriginalKey, Revision, SourceId, Version};
use bytes::Bytes;

use crate::bucket::{BUCKET_KEY_BYTES_MAX, PREFIX_BYTES_MAX};
use crate::{Error, META_BYTES_MAX, Meta, Object, Read, Refusal, Write};

/// Keys that nothing lies under, whatever the store.
const NO_KEYS: [&str; 9] = ["", "/", "/a", "a/", "a//b", "..", "../a", "a/../b", "a\0b"];

async fn keys(store: &(impl Read + ?Sized), prefix: &str, limit: usize) -> Vec<String> {
    let (mut found, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = store.list(prefix, after.as_deref(), limit).await.expect("listing works");
        assert!(page.entries.len() <= limit, "a page is no longer than asked for");
        found.extend(page.entries.into_iter().map(|entry| entry.key));
        match page.next {
            Some(next) => {
                assert!(after.as_ref().is_none_or(|after| *after < next), "pages go on");
                after = Some(next);
            }
            None => return found,
        }
    }
}

/// Whether an object belongs together.
fn check_object(key: &str, object: &Object) {
    assert_eq!(object.stat.bytes, object.body.len() as u64, "{key}: length");
    assert_eq!(object.stat.version, Version::of_content(&object.body), "{key}: version and bytes belong together");
}

/// Puts a store that holds exactly `present`, under other than hidden keys, to the promises of [`Read`]. Its versions must
/// be digests of the content.
pub async fn read(store: &dyn Read, present: &[(&str, &[u8])]) {
    for (key, body) in present {
        let object = store.get(key, u64::MAX).await.expect(key);
        check_object(key, &object);
        assert_eq!(object.stat.version, Version::of_content(body), "{key}");
    }
    read_validated(store, present).await;
}

/// As [`read`], of a store whose versions come from validators: they tell bodies apart, and say nothing of how.
pub async fn read_validated(store: &dyn Read, present: &[(&str, &[u8])]) {
    let mut versions: BTreeMap<Version, &[u8]> = BTreeMap::new();
    for (key, body) in present {
        let stat = store.stat(key).await.expect(key);
        assert_eq!(stat.bytes, body.len() as u64, "{key}");
        let other = versions.insert(stat.version.clone(), body);
        assert!(other.is_none_or(|other| other == *body), "{key}: another body has another version");
        let object = store.get(key, body.len() as u64).await.expect("exactly as long as allowed");
        assert_eq!((&object.body[..], &object.stat), (*body, &stat), "{key}");
        if let Some(less) = (body.len() as u64).checked_sub(1) {
            let error = Error::TooLarge { bytes: less + 1, max: less };
            assert_eq!(store.get(key, less).await.unwrap_err(), error, "{key}");
        }
        for missing in [format!("{key}x"), format!("{key}/x"), format!("x/{key}")] {
            // A directory may say instead that its file system has no names as long, a bucket that it has no keys as long.
            let long = missing.split('/').any(|segment| segment.len() > 255)
                || missing.len() > BUCKET_KEY_BYTES_MAX - PREFIX_BYTES_MAX;
            let absent =
                |error| error == Error::NotFound || long && error == Error::Refused { why: Refusal::KeyTooLong };
            assert!(store.stat(&missing).await.is_err_and(absent), "{missing}");
            assert!(store.get(&missing, 1).await.is_err_and(absent), "{missing}");
        }
    }
    for key in NO_KEYS {
        let refused = Error::Refused { why: Refusal::NotAKey };
        assert_eq!(store.stat(key).await, Err(refused.clone()), "{key:?}");
        assert_eq!(store.get(key, u64::MAX).await, Err(refused), "{key:?}");
    }
    let mut sorted: Vec<&str> = present.iter().map(|(key, _)| *key).collect();
    sorted.sort_unstable();
    let mut prefixes = vec!["", "/", "..", "../", "a//", "no such prefix", "no such folder/"];
    for key in &sorted {
        prefixes.extend(key.char_indices().map(|(at, _)| &key[..at]).chain([*key]));
    }
    for prefix in prefixes {
        let expected: Vec<&str> = sorted.iter().copied().filter(|key| key.starts_with(prefix)).collect();
        for limit in [1, 2, 1000] {
            assert_eq!(keys(store, prefix, limit).await, expected, "prefix {prefix:?}, {limit} a page");
        }
    }
    for after in sorted.iter().flat_map(|key| [key.to_string(), format!("{key}!"), key.chars().take(1).collect()]) {
        let page = store.list("", Some(&after), 1000).await.expect("listing works");
        let found: Vec<&str> = page.entries.iter().map(|entry| entry.key.as_str()).collect();
        let expected: Vec<&str> = sorted.iter().copied().filter(|key| **key > *after).collect();
        assert_eq!(found, expected, "after {after:?}");
    }
}

/// Puts an empty store, with room for some megabytes, to the promises of [`Write`] and [`Read`]; leaves it empty. Wants a
/// tokio runtime.
pub async fn write(store: Arc<dyn Write>) {
    round_trips(&*store).await;
    what_a_listing_says_of_bodies(&*store).await;
    bad_keys_and_facts(&*store).await;
    many_keys(&*store).await;
    one_key_at_once(store.clone()).await;
    neighbours_at_once(store.clone()).await;
    assert!(keys(&*store, "", 1000).await.is_empty(), "all is gone");
}

fn facts(text: &str) -> Meta {
    let original = Original::new(SourceId::default(), OriginalKey::new("p/ä \"1\".jpg").expect("a key"));
    Meta {
        media_type: Some("image/webp".into()),
        cache_control: Some("public, max-age=60, s-maxage=86400".into()),
        tags: original.tags(),
        original: Some(original),
        version: Some(Version::of_content(text.as_bytes())),
        revision: Some(Revision::of([text])),
        extra: [("text".to_owned(), text.to_owned())].into(),
    }
}

async fn delete(store: &dyn Write, key: &str) -> Result<bool, Error> {
    let mut results = store.delete(&[key.to_owned()]).await;
    assert_eq!(results.len(), 1, "one result for one key");
    results.remove(0)
}

async fn round_trips(store: &dyn Write) {
    let key = "p/a.jpg/-/w300.v.r.webp";
    assert_eq!(store.stat(key).await, Err(Error::NotFound));
    assert_eq!(store.get(key, 1).await, Err(Error::NotFound));
    assert_eq!(delete(store, key).await, Ok(false), "nothing there");
    assert!(store.delete(&[]).await.is_empty());
    let bodies = [Bytes::from_static(b"one"), Bytes::new(), Bytes::from(vec![7; 300_000]), Bytes::from_static(b"one")];
    for (n, body) in bodies.into_iter().enumerate() {
        let meta = facts(&n.to_string());
        let stat = store.put(key, meta.clone(), body.clone()).await.expect("room enough");
        assert!(stat.settled, "what is written whole is at rest");
        let object = store.get(key, body.len() as u64).await.expect("it was put");
        check_object(key, &object);
        assert_eq!((&object.stat, &object.meta, &object.body), (&stat, &meta, &body), "the last put counts");
        assert_eq!(store.stat(key).await.as_ref(), Ok(&stat));
        assert_eq!(keys(store, "p/a.jpg/-/", 10).await, [key]);
    }
    assert_eq!(delete(store, key).await, Ok(true));
    assert_eq!(store.stat(key).await, Err(Error::NotFound));
    assert_eq!(delete(store, key).await, Ok(false), "twice");
}

async fn what_a_listing_says_of_bodies(store: &dyn Write) {
    let names = ["a/-/w1.v.r.webp", "a/-/w1.webp", "a/-/w2.webp"].map(str::to_owned);
    for (name, body) in names.iter().zip(["same", "same", "other"]) {
        store.put(name, facts(body), Bytes::from_static(body.as_bytes())).await.expect("room enough");
        assert_eq!(store.meta(name).await, Ok(facts(body)), "as with the body");
    }
    let listed = store.list("a/-/", None, 10).await.expect("listing works").entries;
    let [one, same, other] = listed.as_slice() else { panic!("{listed:?}") };
    assert!(other.etag.is_none() || one.etag != other.etag, "other bodies, other ETags: {listed:?}");
    // Nothing is asked of places that say nothing, and of those that encrypt with keys of their own.
    assert!(one.etag.is_none() || one.bytes == same.bytes, "{listed:?}");
    assert_eq!(store.meta("a/-/w3.webp").await, Err(Error::NotFound));
    assert!(store.delete(&names).await.into_iter().all(|result| result == Ok(true)));
}

async fn bad_keys_and_facts(store: &dyn Write) {
    let refused = |why| Error::Refused { why };
    for key in NO_KEYS {
        let put = store.put(key, Meta::default(), Bytes::new()).await;
        assert_eq!(put, Err(refused(Refusal::NotAKey)), "{key:?}");
        assert_eq!(delete(store, key).await, Err(refused(Refusal::NotAKey)), "{key:?}");
    }
    let long = format!("{}b", "a/".repeat(crate::STORED_KEY_BYTES_MAX / 2));
    assert_eq!(store.put(&long, Meta::default(), Bytes::new()).await, Err(refused(Refusal::KeyTooLong)));
    let meta = Meta { media_type: Some("x".repeat(META_BYTES_MAX)), ..Meta::default() };
    assert_eq!(store.put("k", meta, Bytes::new()).await, Err(refused(Refusal::MetaTooLarge)));
    store.put("k", Meta::default(), Bytes::new()).await.expect("room enough");
    let batch = ["k", "a//b", "missing"].map(str::to_owned);
    let expected = vec![Ok(true), Err(refused(Refusal::NotAKey)), Ok(false)];
    assert_eq!(store.delete(&batch).await, expected, "one bad key does not hinder the others");
}

async fn many_keys(store: &dyn Write) {
    let (long, longer, digest) = ("n".repeat(255), "n".repeat(256), format!("=.{}/-/w1", "0f".repeat(32)));
    let folder = format!("{}/-/x", "f".repeat(255));
    let names = [
        "a",
        "a-b",
        "a.b/-/x",
        "a.b/-/y",
        "a=20b/-/x",
        "a=2Fb/-/x",
        "ab/-/x",
        "b/-/x",
        "b.jpg/-/w1",
        "b.jpg-/x",
        "B/-/x",
        ".tmp/a",
        ".tmp/b/-/x",
        ".tmpx",
        ".hidden/-/x",
        "=EC=82=AC/-/w1",
        "-",
        "--/-",
        "deep/e/e/p/-/x",
        &long,
        &longer,
        &folder,
        &digest,
    ];
    for name in names {
        store.put(name, facts(name), Bytes::from(name.to_owned())).await.expect(name);
    }
    let present: Vec<(&str, &[u8])> = names.iter().map(|name| (*name, name.as_bytes())).collect();
    read(store, &present).await;
    for (at, name) in names.iter().enumerate() {
        assert_eq!(delete(store, name).await, Ok(true), "{name}");
        for other in &names[at + 1..] {
            let object = store.get(other, u64::MAX).await.expect("a deletion takes its own key only");
            assert_eq!((&object.body[..], object.meta), (other.as_bytes(), facts(other)));
        }
    }
}

/// A hundred tasks put, get and delete one key: nobody ever sees a part, or the facts of one and the bytes of another.
async fn one_key_at_once(store: Arc<dyn Write>) {
    let key = "p/a.jpg/-/contended";
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..100usize {
        let store = store.clone();
        tasks.spawn(async move {
            for round in 0..4 {
                let text = format!("{task}.{round}");
                match (task + round) % 4 {
                    0 | 1 => {
                        let body = Bytes::from(text.repeat(1 + task * 50));
                        store.put(key, facts(&text), body).await.expect("room enough");
                    }
                    2 => drop(delete(&*store, key).await.expect("deleting works")),
                    _ => match store.get(key, u64::MAX).await {
                        Ok(object) => {
                            check_object(key, &object);
                            let text = &object.meta.extra["text"];
                            assert!(object.body.starts_with(text.as_bytes()), "facts and bytes of one write");
                            assert_eq!(object.meta, facts(text));
                        }
                        Err(error) => assert_eq!(error, Error::NotFound),
                    },
                }
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("no task panics");
    }
    store.put(key, Meta::default(), Bytes::new()).await.expect("room enough");
    assert_eq!(delete(&*store, key).await, Ok(true));
    assert_eq!(store.stat(key).await, Err(Error::NotFound), "deleted is deleted");
}

/// Folders come and go under tasks that write into them.
async fn neighbours_at_once(store: Arc<dyn Write>) {
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..50 {
        let store = store.clone();
        tasks.spawn(async move {
            let key = format!("q/b.jpg/-/w{task}");
            for _ in 0..10 {
                store.put(&key, Meta::default(), Bytes::from(key.clone())).await.expect("folders are made");
                let object = store.get(&key, u64::MAX).await.expect("nobody else deletes it");
                assert_eq!(object.body, key.as_bytes());
                assert_eq!(delete(&*store, &key).await, Ok(true));
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("no task panics");
    }
}
