//! Whether a 404 proves absence: only from an origin that says 404 of a key that nobody has.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use afterimage_identity::{Absence, Answer, Ask, Clock, Instead, ManualClock, Unprovable};
use afterimage_origin::{BreakerConfig, Config, Origin, Originals, OriginalsConfig};
use afterimage_testkit::{Asked, Step, Upstream, answer, raw};

use crate::originals::key;
use crate::support::config;

/// What a key that nobody has is answered, beside `gone`, which is 404, and `there`, which is 200.
type Nothing = Arc<Mutex<Vec<Step>>>;

fn is_probe(asked: &Asked) -> bool {
    asked.target.starts_with("/base/afterimage-absent-") && asked.target.ends_with(".jpg")
}

fn upstream(nothing: &Nothing) -> Upstream {
    let nothing = nothing.clone();
    Upstream::start(move |asked| match asked.target.as_str() {
        "/base/there" => raw("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nETag: \"a\"\r\n\r\n"),
        "/base/gone" => answer(404, &[], b""),
        _ => nothing.lock().unwrap().clone(),
    })
}

fn originals(upstream: &Upstream) -> (Originals, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::default());
    let breaker = BreakerConfig { failures_max: 2, open_for: Duration::from_secs(5) };
    let config = Config { breaker, ..config(&format!("{}/base/", upstream.base)) };
    let origin = Origin::new(config, clock.clone() as Arc<dyn Clock>).expect("a configuration that works");
    (Originals::new(Arc::new(origin), OriginalsConfig::default()), clock)
}

fn probes(upstream: &Upstream) -> usize {
    upstream.asked().iter().filter(|asked| is_probe(asked)).count()
}

async fn gone(originals: &Originals) -> Answer {
    originals.ask(&key("gone")).await.answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_404_is_believed_where_nothing_is_answered_with_404() {
    let unprovable =
        || Answer::Unprovable(Unprovable::Other("the source cannot prove that something is absent".into()));
    for (nothing, absence, expected) in [
        (answer(404, &[], b""), Absence::Proven, Answer::Gone),
        (answer(410, &[], b""), Absence::Proven, Answer::Gone),
        (answer(200, &[], b""), Absence::Unproven(Instead::Present), unprovable()),
        (answer(403, &[], b""), Absence::Unproven(Instead::Refused), unprovable()),
        (
            answer(302, &[("Location", "http://login.example/")], b""),
            Absence::Unproven(Instead::Redirected),
            unprovable(),
        ),
        (answer(400, &[], b""), Absence::Unproven(Instead::Other(400)), unprovable()),
        (answer(503, &[], b""), Absence::Unknown, Answer::Unprovable(Unprovable::Unreachable)),
        (vec![Step::Reset], Absence::Unknown, Answer::Unprovable(Unprovable::Unreachable)),
    ] {
        let nothing: Nothing = Arc::new(Mutex::new(nothing));
        let upstream = upstream(&nothing);
        let (originals, _) = originals(&upstream);
        assert!(matches!(originals.ask(&key("there")).await.answer, Answer::Present(_)), "{absence:?}");
        assert_eq!(probes(&upstream), 0, "nothing has to be known for what is there");
        assert_eq!(gone(&originals).await, expected, "{absence:?}");
        let asked = probes(&upstream);
        assert_eq!(originals.get(&key("gone"), 10).await.unwrap_err().answer(), expected, "{absence:?}");
        assert_eq!(originals.absence().await, absence);
        assert!(matches!(originals.ask(&key("there")).await.answer, Answer::Present(_)), "{absence:?}");
        assert_eq!(probes(&upstream), asked, "{absence:?} is remembered");
        let keys: std::collections::HashSet<_> =
            upstream.asked().into_iter().filter(is_probe).map(|it| it.target).collect();
        assert!(!keys.is_empty(), "{absence:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_origin_without_head_is_asked_with_get() {
    let nothing: Nothing = Arc::default();
    let script = nothing.clone();
    *nothing.lock().unwrap() = answer(404, &[], b"nothing");
    let upstream = Upstream::start(move |asked| match asked.method.as_str() {
        "HEAD" => raw("HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n"),
        _ => script.lock().unwrap().clone(),
    });
    let (originals, _) = originals(&upstream);
    assert_eq!(originals.absence().await, Absence::Proven);
    assert_eq!(probes(&upstream), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_put_right_is_noticed_and_what_is_proven_stays_until_the_origin_fails() {
    let nothing: Nothing = Arc::new(Mutex::new(answer(403, &[], b"")));
    let upstream = upstream(&nothing);
    let (originals, clock) = originals(&upstream);
    assert_ne!(gone(&originals).await, Answer::Gone);
    *nothing.lock().unwrap() = answer(404, &[], b"");
    clock.advance(Duration::from_secs(59));
    assert_ne!(gone(&originals).await, Answer::Gone, "it is not asked at every 404");
    clock.advance(Duration::from_secs(1));
    assert_eq!(gone(&originals).await, Answer::Gone);
    // From here on it refuses again, but nobody asks.
    *nothing.lock().unwrap() = answer(403, &[], b"");
    clock.advance(Duration::from_secs(86_400));
    assert_eq!((gone(&originals).await, probes(&upstream)), (Answer::Gone, 2));
    // Left alone after two failures, it may be another one that comes back.
    *nothing.lock().unwrap() = vec![Step::Reset];
    while !originals.origin().counts().left_alone.gt(&0) {
        assert!(originals.stat(&key("elsewhere")).await.is_err());
    }
    *nothing.lock().unwrap() = answer(403, &[], b"");
    clock.advance(Duration::from_secs(5));
    let before = probes(&upstream);
    assert_ne!(gone(&originals).await, Answer::Gone);
    assert_eq!(probes(&upstream), before + 1);
    assert_eq!(originals.absence().await, Absence::Unproven(Instead::Refused));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_404s_are_one_question() {
    let slow = [vec![Step::Wait(Duration::from_millis(50))], answer(404, &[], b"")].concat();
    let nothing: Nothing = Arc::new(Mutex::new(slow));
    let upstream = upstream(&nothing);
    let (originals, _) = originals(&upstream);
    let originals = Arc::new(originals);
    let asking: Vec<_> = (0..20)
        .map(|_| {
            let originals = originals.clone();
            tokio::spawn(async move { gone(&originals).await })
        })
        .collect();
    for one in asking {
        assert_eq!(one.await.unwrap(), Answer::Gone);
    }
    assert_eq!(probes(&upstream), 1);
}
