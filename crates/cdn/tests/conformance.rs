//! What every kind of outer cache keeps, tried on each: the same story, told to a double of its API. What a double cannot
//! show is that something is really gone; `varnish.rs` and the tests of the built binary show that for Varnish and for edges.

mod support;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use afterimage_cdn::{Cloudflare, Kind, Layer, Plan, Varnish, Webhook, signature};
use afterimage_identity::{Invalidate, Invalidation};
use afterimage_testkit::{Asked, Step, Upstream, answer};
use support::{about, folder, layer, tag};

/// The API of one kind, as the tests see it.
trait Api {
    fn kind(&self) -> Kind;
    /// Every tag that was accepted, as often as it was.
    fn tags(&self) -> Vec<String>;
    /// Answers the next calls with this status.
    fn fail(&self, times: usize, status: u16);
    /// How often one item is said.
    fn said(&self) -> usize {
        1
    }
}

/// An API that is one URL.
struct Calls {
    upstream: Upstream,
    failing: Arc<AtomicUsize>,
    status: Arc<AtomicUsize>,
    kind: fn(&str) -> Kind,
    tags_of: fn(&Asked) -> Vec<String>,
    said: usize,
}

impl Calls {
    fn start(
        kind: fn(&str) -> Kind,
        tags_of: fn(&Asked) -> Vec<String>,
        accept: fn(&Asked) -> Vec<Step>,
        said: usize,
    ) -> Self {
        let (failing, status) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(503)));
        let (fails, with) = (failing.clone(), status.clone());
        let upstream = Upstream::start(move |asked| {
            if fails.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok() {
                let status = u16::try_from(with.load(SeqCst)).unwrap();
                return answer(status, &[("Retry-After", "0"), ("X-Failed", "1")], b"not now");
            }
            accept(asked)
        });
        Self { upstream, failing, status, kind, tags_of, said }
    }
}

impl Api for Calls {
    fn kind(&self) -> Kind {
        (self.kind)(&self.upstream.base)
    }

    fn tags(&self) -> Vec<String> {
        self.upstream.asked().iter().flat_map(|asked| (self.tags_of)(asked)).collect()
    }

    fn fail(&self, times: usize, status: u16) {
        self.upstream.forget();
        self.status.store(status.into(), SeqCst);
        self.failing.store(times, SeqCst);
    }

    fn said(&self) -> usize {
        self.said
    }
}

fn json_tags(asked: &Asked) -> Vec<String> {
    let body: serde_json::Value = serde_json::from_slice(&asked.body).unwrap();
    let tags = body["tags"].as_array().cloned().unwrap_or_default();
    tags.iter().map(|tag| format!("#{}", tag.as_str().unwrap())).collect()
}

fn cloudflare() -> Calls {
    let kind = |base: &str| {
        Kind::Cloudflare(Cloudflare {
            zone: "zone".into(),
            token: "token".into(),
            plan: Plan::Enterprise,
            hosts: vec!["img.example.com".into()],
            endpoint: Some(format!("{base}/client/v4")),
        })
    };
    let accept = |asked: &Asked| {
        assert_eq!((&*asked.method, &*asked.target), ("POST", "/client/v4/zones/zone/purge_cache"));
        assert_eq!(asked.header("authorization"), "Bearer token");
        assert!(json_tags(asked).len() <= 100, "a hundred a call");
        answer(200, &[], br#"{"success":true,"errors":[],"messages":[],"result":{"id":"1"}}"#)
    };
    Calls::start(kind, json_tags, accept, 1)
}

fn varnish() -> Calls {
    let kind = |base: &str| {
        Kind::Varnish(Varnish {
            url: format!("{base}/"),
            token: Some("token".into()),
            fetch: Duration::from_millis(20),
        })
    };
    let tags =
        |asked: &Asked| asked.header("afterimage-tags").split_whitespace().map(|tag| format!("#{tag}")).collect();
    let accept = |asked: &Asked| {
        assert_eq!((&*asked.method, asked.header("authorization")), ("PURGE", "Bearer token"));
        assert!(asked.header("afterimage-tags").len() < 8000, "a header line of Varnish");
        answer(200, &[("Afterimage-Forgot", "1")], b"")
    };
    Calls::start(kind, tags, accept, 2)
}

fn webhook() -> Calls {
    let kind = |base: &str| Kind::Webhook(Webhook { url: format!("{base}/hook"), secret: "secret".into() });
    let accept = |asked: &Asked| {
        let given = asked.header("afterimage-signature");
        let seconds = given.trim_start_matches("t=").split(',').next().unwrap().parse().unwrap();
        assert_eq!(given, signature("secret", seconds, &asked.body), "the signature is that of the body");
        answer(202, &[], b"")
    };
    Calls::start(kind, json_tags, accept, 1)
}

/// The story. Every kind keeps it.
async fn keeps_the_contract(api: &dyn Api) {
    let outbox = tempfile::tempdir().unwrap();
    let open = |folder: Option<&Path>| layer(api.kind(), folder, 0);
    let outer = open(None);
    let times = |item: &str| api.tags().iter().filter(|tag| *tag == item).count();

    // Nothing to say is done at once.
    let nothing = Invalidation {
        paths: Vec::new(),
        prefixes: Vec::new(),
        tag: None,
        originals: Vec::new(),
        reference: "r".into(),
    };
    outer.invalidate(&nothing).await.unwrap();
    assert!(api.tags().is_empty());

    // Many at once: each is said, none twice needlessly.
    tell_all(&outer, 250).await;
    for number in [0, 99, 100, 249] {
        assert_eq!(times(&tag(&format!("{number}.jpg"))), api.said(), "{number}");
    }
    assert_eq!(api.tags().len(), 250 * api.said());

    // A folder is one item.
    outer.invalidate(&folder("users/123/", "main-f-1")).await.unwrap();
    assert_eq!(api.tags().len(), 251 * api.said());

    // It fails for a while.
    for status in [429, 503] {
        api.fail(2, status);
        outer.invalidate(&about("late.jpg", &format!("main-{status}-1"))).await.unwrap();
        assert!(times(&tag("late.jpg")) >= api.said(), "{status}");
    }

    // It fails for longer: whoever waits is told, comes back, and joins what is under way.
    api.fail(4, 500);
    let error = outer.invalidate(&about("later.jpg", "main-4-1")).await.unwrap_err();
    assert!(error.retry && error.why.contains("500"), "{error}");
    outer.invalidate(&about("later.jpg", "main-4-1")).await.unwrap();

    // It refuses for good. Others are not held up.
    api.fail(1, 403);
    let error = outer.invalidate(&about("never.jpg", "main-5-1")).await.unwrap_err();
    assert!(!error.retry && error.why.contains("403"), "{error}");
    outer.invalidate(&about("other.jpg", "main-6-1")).await.unwrap();

    // A process that ends before anybody has noted that it is done.
    let first = open(Some(outbox.path()));
    first.invalidate(&about("once.jpg", "main-7-1")).await.unwrap();
    drop(first);
    let before = times(&tag("once.jpg"));
    open(Some(outbox.path())).invalidate(&about("once.jpg", "main-7-1")).await.unwrap();
    assert_eq!(times(&tag("once.jpg")), before, "not again");

    // A forecast says as many as are sent, and sends none.
    let before = api.tags().len();
    let forecast = outer.forecast(&[folder("users/123/", "plan")]).await.unwrap();
    assert_eq!((forecast.waves, api.tags().len()), (1, before));
    assert!(forecast.items.iter().any(|item| item.starts_with("#f")), "{forecast:?}");
}

async fn tell_all(outer: &Arc<Layer>, count: usize) {
    let tell = |number: usize| {
        let outer = outer.clone();
        tokio::spawn(
            async move { outer.invalidate(&about(&format!("{number}.jpg"), &format!("main-{number}-1"))).await },
        )
    };
    for told in (0..count).map(tell).collect::<Vec<_>>() {
        told.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cloudflare_keeps_it() {
    keeps_the_contract(&cloudflare()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn varnish_keeps_it() {
    keeps_the_contract(&varnish()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_keeps_it() {
    keeps_the_contract(&webhook()).await;
}

#[cfg(feature = "cloudfront")]
mod with_the_sdk {
    use super::*;
    use afterimage_testkit::{Double, DoubleRules};
    use support::distribution;

    struct OfDouble(Double, fn(afterimage_cdn::CloudFront) -> Kind);

    impl Api for OfDouble {
        fn kind(&self) -> Kind {
            (self.1)(distribution(&self.0))
        }

        fn tags(&self) -> Vec<String> {
            self.0.items()
        }

        fn fail(&self, times: usize, status: u16) {
            let code = if status == 403 { "AccessDenied403" } else { "Failure500or429or503" };
            self.0.force(&vec![(status, code); times]);
        }
    }

    fn rules() -> DoubleRules {
        DoubleRules { calls_per_s: 1000, progress: Duration::from_millis(50), ..DoubleRules::default() }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_edge_keeps_it() {
        keeps_the_contract(&OfDouble(Double::start(rules()), Kind::Edge)).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn cloudfront_keeps_it() {
        keeps_the_contract(&OfDouble(Double::start(rules()), Kind::CloudFront)).await;
    }
}
