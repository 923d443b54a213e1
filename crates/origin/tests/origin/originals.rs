//! An origin as a place of originals: versions, proofs, absence, and what is refused.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use afterimage_identity::{Answer, Ask, OriginalKey, Unprovable, Version};
use afterimage_origin::{Error, Originals, OriginalsConfig, Unseen, Unversioned};
use afterimage_testkit::{Asked, Step, Upstream, answer, raw};

use crate::support::{Machine, with};

const DATE: &str = "Mon, 21 Sep 2026 14:13:20 GMT";
const LONG_AGO: &str = "Mon, 21 Sep 2020 14:13:20 GMT";

pub fn key(text: &str) -> OriginalKey {
    OriginalKey::new(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn originals_with(upstream: &Upstream, config: OriginalsConfig) -> Originals {
    Originals::new(Arc::new(with(crate::support::config(&format!("{}/base/", upstream.base)))), config)
}

fn originals(upstream: &Upstream) -> Originals {
    originals_with(upstream, OriginalsConfig { bytes_max: 1000, ..OriginalsConfig::default() })
}

/// The version of an ETag at this server.
fn named(upstream: &Upstream, etag: &str) -> Version {
    Version::of_validator(&format!("{}/base/ {etag}", upstream.base))
}

/// The methods asked, and whether each was conditional.
fn questions(upstream: &Upstream) -> Vec<String> {
    let one = |asked: &Asked| {
        let conditional = !asked.header("if-none-match").is_empty() || !asked.header("if-modified-since").is_empty();
        format!("{}{}", asked.method, if conditional { "?" } else { "" })
    };
    let questions = upstream.asked().iter().map(one).collect();
    upstream.forget();
    questions
}

/// A file as an honest server gives it, with these headers; it answers conditions by comparing them.
pub fn file(asked: &Asked, headers: &[(&str, &str)], body: &[u8]) -> Vec<Step> {
    let header =
        |name: &str| headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| *value);
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let tags = asked.header("if-none-match");
    let unchanged = if tags.is_empty() {
        !asked.header("if-modified-since").is_empty()
            && header("last-modified") == Some(asked.header("if-modified-since"))
    } else {
        header("etag").is_some_and(|etag| tags.split(',').any(|tag| opaque(tag) == opaque(etag)))
    };
    if asked.method == "HEAD" {
        let mut steps = answer(200, headers, body);
        if let Step::Send(bytes) = &mut steps[0] {
            bytes.truncate(bytes.len() - body.len());
        }
        return steps;
    }
    if unchanged {
        let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        return raw(format!("HTTP/1.1 304 Not Modified\r\n{lines}\r\n"));
    }
    answer(200, headers, body)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strong_etag_is_the_version_and_head_is_enough() {
    let etag = Arc::new(Mutex::new("\"one\""));
    let now = etag.clone();
    let upstream = Upstream::start(move |asked| {
        file(asked, &[("ETag", *now.lock().unwrap()), ("Content-Type", "image/x")], b"bytes")
    });
    let originals = originals(&upstream);
    for _ in 0..2 {
        let seen = originals.stat(&key("a.jpg")).await.unwrap();
        assert_eq!((seen.version, seen.bytes, seen.storable), (named(&upstream, "\"one\""), Some(5), true));
        let read = originals.get(&key("a.jpg"), 1000).await.unwrap();
        assert_eq!((read.seen.version, &read.body[..]), (named(&upstream, "\"one\""), &b"bytes"[..]));
        assert_eq!(read.media_type.as_deref(), Some("image/x"));
    }
    assert_eq!(questions(&upstream), ["HEAD", "GET", "HEAD", "GET"]);
    *etag.lock().unwrap() = "\"two\"";
    assert_eq!(originals.stat(&key("a.jpg")).await.unwrap().version, named(&upstream, "\"two\""));
}

/// Weak validators only save transfers: the version is the digest of the bytes.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_strong_etag_the_digest_is_the_version() {
    for (name, headers, conditional) in [
        ("weak", &[("ETag", "W/\"one\"")][..], true),
        ("date", &[("Last-Modified", LONG_AGO), ("Date", DATE)], true),
        ("date just now", &[("Last-Modified", DATE), ("Date", DATE)], false),
        ("no tag at all", &[("ETag", "one")], false),
        ("nothing", &[], false),
    ] {
        let body = Arc::new(Mutex::new(b"bytes"));
        let now = body.clone();
        let upstream = Upstream::start(move |asked| file(asked, headers, *now.lock().unwrap()));
        let originals = originals(&upstream);
        let version = Version::of_content(b"bytes");
        // What was read to learn the version is handed on, once.
        assert_eq!(originals.stat(&key("a")).await.unwrap().version, version, "{name}");
        assert_eq!(&originals.get(&key("a"), 1000).await.unwrap().body[..], b"bytes", "{name}");
        assert_eq!(questions(&upstream), ["HEAD", "GET"], "{name}");
        let seen = originals.stat(&key("a")).await.unwrap();
        assert_eq!((seen.version, seen.bytes), (version.clone(), Some(5)), "{name}");
        let asked = questions(&upstream);
        if conditional {
            assert_eq!(asked, ["GET?"], "{name}");
        } else {
            assert_eq!(asked.last().map(String::as_str), Some("GET"), "{name}");
        }
        if !conditional {
            *body.lock().unwrap() = b"other";
            assert_eq!(originals.stat(&key("a")).await.unwrap().version, Version::of_content(b"other"), "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn originals_without_validator_may_be_refused() {
    let upstream = Upstream::start(|asked| match asked.target.as_str() {
        "/base/dated" => file(asked, &[("Last-Modified", DATE), ("Date", DATE)], b"x"),
        _ => file(asked, &[], b"x"),
    });
    let originals =
        originals_with(&upstream, OriginalsConfig { unversioned: Unversioned::Refuse, ..Default::default() });
    for _ in 0..2 {
        assert!(matches!(originals.stat(&key("a")).await, Err(Unseen::Unprovable(Unprovable::Other(_)))));
        assert!(matches!(originals.get(&key("a"), 9).await, Err(Unseen::Unprovable(Unprovable::Other(_)))));
    }
    assert!(originals.stat(&key("dated")).await.is_ok(), "a date that is too young is a validator all the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_head_is_refused_conditional_gets_do() {
    for status in [405, 501] {
        let upstream = Upstream::start(move |asked| match asked.method.as_str() {
            "HEAD" => raw(format!("HTTP/1.1 {status} No\r\nContent-Length: 2\r\n\r\n")),
            _ => file(asked, &[("ETag", "\"one\"")], b"bytes"),
        });
        let originals = originals(&upstream);
        let version = named(&upstream, "\"one\"");
        assert_eq!(originals.stat(&key("a")).await.unwrap().version, version);
        assert_eq!(originals.get(&key("a"), 1000).await.unwrap().seen.version, version);
        assert_eq!(originals.stat(&key("a")).await.unwrap().version, version);
        assert_eq!(originals.stat(&key("b")).await.unwrap().version, version);
        assert_eq!(questions(&upstream), ["HEAD", "GET", "GET?", "GET"], "{status}: HEAD is asked once");
    }
}

/// GUARANTEE, rules 2 and 8: what each status proves.
#[tokio::test(flavor = "multi_thread")]
async fn only_404_and_410_prove_absence() {
    let words = |words: &str| Answer::Unprovable(Unprovable::Other(words.into()));
    for (status, expected) in [
        (404, Answer::Gone),
        (410, Answer::Gone),
        (401, Answer::Unprovable(Unprovable::Refused)),
        (403, Answer::Unprovable(Unprovable::Refused)),
        (407, Answer::Unprovable(Unprovable::Refused)),
        (429, Answer::Unprovable(Unprovable::Unreachable)),
        (500, Answer::Unprovable(Unprovable::Unreachable)),
        (502, Answer::Unprovable(Unprovable::Unreachable)),
        (503, Answer::Unprovable(Unprovable::Unreachable)),
        (504, Answer::Unprovable(Unprovable::TimedOut)),
        (203, words("the source answered 203 to a plain question")),
        (204, words("the source answered 204 to a plain question")),
        (206, words("the source answered 206 to a plain question")),
        (301, words("the source answered 301 to a plain question")),
        (304, words("the source answered 304 to a plain question")),
        (400, words("the source answered 400 to a plain question")),
        (451, words("the source answered 451 to a plain question")),
    ] {
        for heads in [true, false] {
            let upstream = Upstream::start(move |asked| match (heads, asked.method.as_str()) {
                (false, "HEAD") => raw("HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n"),
                _ => raw(format!(
                    "HTTP/1.1 {status} X\r\nContent-Length: 0\r\nETag: \"a\"\r\nContent-Range: bytes 0-0/1\r\n\r\n"
                )),
            });
            assert_eq!(originals(&upstream).ask(&key("a")).await.answer, expected, "{status}, heads {heads}");
        }
    }
}

/// Silence and noise prove nothing; nothing cut, packed or unbounded is ever taken for an original.
#[tokio::test(flavor = "multi_thread")]
async fn broken_answers_are_never_originals() {
    let other = |error: &Unseen| matches!(error.answer(), Answer::Unprovable(Unprovable::Other(_)));
    let timed_out = |error: &Unseen| error.answer() == Answer::Unprovable(Unprovable::TimedOut);
    let unreachable = |error: &Unseen| error.answer() == Answer::Unprovable(Unprovable::Unreachable);
    type Expected = fn(&Unseen) -> bool;
    let gzip = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\nETag: \"a\"\r\n\r\nbomb";
    let cases: Vec<(&str, Vec<Step>, Expected)> = vec![
        (
            "cut",
            [raw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\nETag: \"a\"\r\n\r\nhalf"), vec![Step::Close]].concat(),
            other,
        ),
        ("no length", [raw("HTTP/1.1 200 OK\r\nETag: \"a\"\r\n\r\nwhole?"), vec![Step::Close]].concat(), other),
        (
            "chunks cut",
            [raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"), vec![Step::Close]].concat(),
            other,
        ),
        ("bad chunk", raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-4\r\nhalf\r\n0\r\n\r\n"), other),
        ("packed", raw(gzip), other),
        ("hangs", vec![Step::Hang], timed_out),
        (
            "hangs in the body",
            [raw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"), vec![Step::Hang]].concat(),
            timed_out,
        ),
        ("reset", vec![Step::Reset], unreachable),
        ("noise", raw("noise\r\n\r\n"), other),
        ("big", answer(200, &[], &[7; 1001]), |error| *error == Unseen::TooLarge { bytes: 1001, max: 1000 }),
    ];
    for (name, steps, expected) in cases {
        let upstream = Upstream::start(move |asked| match asked.method.as_str() {
            "HEAD" => raw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"),
            _ => steps.clone(),
        });
        let originals = originals(&upstream);
        let error = originals.get(&key("a"), u64::MAX).await.expect_err(name);
        assert!(expected(&error), "{name}: {error:?}");
        let error = originals.stat(&key("a")).await.expect_err(name);
        assert!(expected(&error), "{name}: {error:?}");
        assert_ne!(originals.ask(&key("a")).await.answer, Answer::Gone, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn originals_are_bounded_at_the_byte() {
    let upstream = Upstream::start(|asked| file(asked, &[("ETag", "\"a\"")], &[7; 1000]));
    let originals = originals(&upstream);
    assert_eq!(originals.get(&key("a"), 1000).await.unwrap().body.len(), 1000);
    assert_eq!(originals.get(&key("a"), 999).await, Err(Unseen::TooLarge { bytes: 1000, max: 999 }));
}

/// A cache on the way answers with what it kept: the proof is as old as that.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_with_an_age_is_an_older_proof() {
    let age = Arc::new(AtomicUsize::new(0));
    let now = age.clone();
    let upstream = Upstream::start(move |asked| {
        let age = now.load(SeqCst).to_string();
        file(asked, &[("ETag", "\"a\""), ("Age", &age)], b"x")
    });
    let clock = Arc::new(Machine::default());
    let config = OriginalsConfig { window: Duration::from_secs(60), ..OriginalsConfig::default() };
    let originals = originals_with(&upstream, config.clone());
    tokio::time::sleep(Duration::from_millis(20)).await;
    for seconds in [0, 1, 60] {
        age.store(seconds, SeqCst);
        let seen = originals.stat(&key("a")).await.unwrap();
        assert_eq!(seen.age, Duration::from_secs(seconds as u64));
        assert_eq!(originals.get(&key("a"), 9).await.unwrap().seen.age, Duration::from_secs(seconds as u64));
    }
    assert_eq!(originals.ask(&key("a")).await.asked_at.0, 0, "60 s before the clock's beginning");
    age.store(61, SeqCst);
    let proof = originals.ask(&key("a")).await;
    assert!(
        matches!(proof.answer, Answer::Unprovable(Unprovable::Other(ref why)) if why.contains("61 s old")),
        "{proof:?}"
    );
    assert!(originals.get(&key("a"), 9).await.is_err());
    drop(clock);
    assert_eq!(upstream.asked()[0].header("cache-control"), "max-age=60", "caches on the way are told");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_store_and_private_forbid_to_keep_what_is_made() {
    for (control, storable) in [
        ("no-store", false),
        ("max-age=9, No-Store", false),
        ("private", false),
        ("private=\"Set-Cookie\"", false),
        (" , private , ", false),
        ("max-age=0", true),
        ("no-cache", true),
        ("public, x-no-store=1", true),
    ] {
        for etag in ["\"strong\"", "W/\"weak\""] {
            let upstream =
                Upstream::start(move |asked| file(asked, &[("ETag", etag), ("Cache-Control", control)], b"x"));
            let originals = originals(&upstream);
            for _ in 0..2 {
                assert_eq!(originals.stat(&key("a")).await.unwrap().storable, storable, "{control} {etag}");
                assert_eq!(originals.get(&key("a"), 9).await.unwrap().seen.storable, storable, "{control} {etag}");
            }
        }
    }
}

/// Two servers behind one name, each with its own ETag for the same file.
#[tokio::test(flavor = "multi_thread")]
async fn etags_that_flap_over_equal_bytes_are_given_up_for_digests() {
    let turn = Arc::new(AtomicUsize::new(0));
    let upstream = Upstream::start(move |asked| {
        let etag = if turn.fetch_add(1, SeqCst).is_multiple_of(2) { "\"one\"" } else { "\"two\"" };
        file(asked, &[("ETag", etag)], b"bytes")
    });
    let originals = originals(&upstream);
    for _ in 0..4 {
        assert!(!originals.counts().by_digest);
        originals.get(&key("a"), 1000).await.unwrap();
    }
    let counts = originals.counts();
    assert_eq!((counts.flaps, counts.by_digest), (3, true));
    let version = Version::of_content(b"bytes");
    for name in ["a", "b", "a", "b", "a"] {
        assert_eq!(originals.stat(&key(name)).await.unwrap().version, version);
        assert_eq!(originals.get(&key(name), 1000).await.unwrap().seen.version, version);
    }
    // Both ETags are known for these bytes: whichever server answers, nothing is transferred.
    upstream.forget();
    for _ in 0..4 {
        assert_eq!(originals.stat(&key("a")).await.unwrap().version, version);
    }
    assert_eq!(questions(&upstream), ["GET?"; 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_etag_that_changes_with_the_bytes_does_not_flap() {
    let turn = Arc::new(AtomicUsize::new(0));
    let upstream = Upstream::start(move |asked| {
        let turn = turn.fetch_add(1, SeqCst).to_string();
        file(asked, &[("ETag", &format!("\"{turn}\""))], turn.as_bytes())
    });
    let originals = originals(&upstream);
    for _ in 0..10 {
        originals.get(&key("a"), 1000).await.unwrap();
    }
    assert_eq!((originals.counts().flaps, originals.counts().by_digest), (0, false));
}

/// The server reads exactly the key, whatever is in it; and no key leaves the base path.
#[tokio::test(flavor = "multi_thread")]
async fn keys_are_percent_encoded_and_cannot_climb() {
    let upstream = Upstream::start(|asked| file(asked, &[("ETag", "\"a\"")], b"x"));
    let originals = originals(&upstream);
    for (text, target) in [
        ("a.jpg", "/base/a.jpg"),
        ("a b/c.jpg", "/base/a%20b/c.jpg"),
        ("a+b=c.jpg", "/base/a%2Bb%3Dc.jpg"),
        ("a%20b.jpg", "/base/a%2520b.jpg"),
        ("100%.jpg", "/base/100%25.jpg"),
        ("a?b#c.jpg", "/base/a%3Fb%23c.jpg"),
        ("a;b,c:d@e!f$g&h'i(j)k*.jpg", "/base/a%3Bb%2Cc%3Ad%40e%21f%24g%26h%27i%28j%29k%2A.jpg"),
        ("~user/-_.jpg", "/base/~user/-_.jpg"),
        ("é/ü.jpg", "/base/%C3%A9/%C3%BC.jpg"),
        ("e\u{301}.jpg", "/base/e%CC%81.jpg"),
        ("사진/😀.jpg", "/base/%EC%82%AC%EC%A7%84/%F0%9F%98%80.jpg"),
        ("\"<>[]^`{|}.jpg", "/base/%22%3C%3E%5B%5D%5E%60%7B%7C%7D.jpg"),
        ("a\\b.jpg", "/base/a%5Cb.jpg"),
        ("http://x/.jpg".trim_start_matches("http://"), "/base/x/.jpg"),
        ("...", "/base/..."),
        ("a..b", "/base/a..b"),
    ] {
        upstream.forget();
        originals.stat(&key(text)).await.unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(upstream.asked()[0].target, target, "{text}");
    }
    upstream.forget();
    for text in [
        "%2e%2e/secret",
        "a/%2E%2e/%2e./secret",
        "a%2f..%2f..%2fsecret",
        "..\\secret",
        "a/..%5csecret",
        "%252e%252e/secret",
        "%25252e%25252e/secret",
        "..;/secret",
        "..%3b/secret",
        ".;x/secret",
    ] {
        assert_eq!(originals.stat(&key(text)).await, Err(Unseen::NotAKey), "{text}");
        assert_eq!(originals.get(&key(text), 9).await, Err(Unseen::NotAKey), "{text}");
    }
    assert_eq!(upstream.connections(), 1, "nothing was asked");
    assert!(upstream.asked().is_empty());
}

/// What viewers read names neither addresses nor paths of ours.
#[test]
fn failures_become_answers_without_addresses() {
    let address = "10.1.2.3".parse().unwrap();
    let forbidden = afterimage_origin::Addresses::default().check(address).unwrap_err();
    for (error, unreachable) in [
        (Error::Busy, true),
        (Error::Open { retry_after: Duration::from_secs(1) }, true),
        (Error::Connect("10.1.2.3: refused".into()), true),
        (Error::Resolve("10.1.2.3".into()), true),
        (Error::Forbidden(forbidden), false),
        (Error::Redirect("to http://10.1.2.3/".into()), false),
        (Error::Malformed("10.1.2.3".into()), false),
        (Error::Incomplete("10.1.2.3".into()), false),
        (Error::Tls("10.1.2.3".into()), false),
    ] {
        let Answer::Unprovable(why) = Unseen::from(error.clone()).answer() else { panic!("{error:?} proves nothing") };
        assert_eq!(why == Unprovable::Unreachable, unreachable, "{error:?}");
        assert!(!why.to_string().contains("10.1.2.3"), "{error:?}: {why}");
    }
}
