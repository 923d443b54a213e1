//! Keys that a bucket takes and a file system would not, each with what becomes of it. No key is ever taken for another.

use afterimage_store::{Error, Read, Refusal};

use crate::double::Double;

enum Expected {
    /// It is an original like any other.
    Served,
    /// No URL can name it: it is passed over, and counted.
    Skipped,
}
use Expected::{Served, Skipped};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_key_is_itself_or_nothing() {
    let longest = "k".repeat(1024 - "p/".len());
    let table = [
        ("a b.jpg", Served),
        (" a", Served),
        ("a+b.jpg", Served),
        ("a%2Bb.jpg", Served),
        ("a%20b.jpg", Served),
        ("%", Served),
        ("~a", Served),
        ("a=b&c?d#e.jpg", Served),
        ("a\\b", Served),
        ("<a>&amp;\"'", Served),
        ("é.jpg", Served),
        ("e\u{301}.jpg", Served),
        ("사진/고양이 😀.jpg", Served),
        ("\u{200b}", Served),
        ("...", Served),
        (".hidden", Served),
        ("photos/100x100/a.jpg", Served),
        ("a-200x200.jpg", Served),
        ("s3://a", Skipped),
        ("a//b.jpg", Skipped),
        ("/a", Skipped),
        ("a/", Skipped),
        (".", Skipped),
        ("..", Skipped),
        ("a/./b.jpg", Skipped),
        ("a/../b.jpg", Skipped),
        ("a/-/b.jpg", Skipped),
        ("a\u{1}b", Skipped),
        ("a\nb", Skipped),
        (&longest, Served),
    ];
    let double = Double::start().await;
    for (key, _) in &table {
        double.state().write(&format!("p/{key}"), key.as_bytes());
    }
    let originals = double.originals("p").unwrap();
    let mut served: Vec<&str> = Vec::new();
    for (key, expected) in &table {
        match expected {
            Served => {
                assert_eq!(originals.get(key, 2000).await.unwrap().body, key.as_bytes(), "{key:?}");
                assert_eq!(originals.stat(key).await.unwrap().bytes, key.len() as u64, "{key:?}");
                served.push(key);
            }
            Skipped => {
                let refused = Err(Error::Refused { why: Refusal::NotAKey });
                assert_eq!(originals.stat(key).await, refused, "{key:?}");
                assert_eq!(originals.get(key, 2000).await.map(|object| object.stat), refused, "{key:?}");
            }
        }
    }
    let too_long = Err(Error::Refused { why: Refusal::KeyTooLong });
    assert_eq!(originals.stat(&format!("{longest}k")).await, too_long);
    served.sort_unstable();
    for limit in [1, 3, 1000] {
        let (mut listed, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = originals.list("", after.as_deref(), limit).await.unwrap();
            listed.extend(page.entries.into_iter().map(|entry| entry.key));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(listed, served, "{limit} a page");
    }
    assert_eq!(originals.skipped(), 3 * (table.len() - served.len()) as u64);
}
