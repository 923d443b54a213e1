//! CloudFront's client against the double: what goes out, in which batches, and what becomes of it when things go wrong.
#![cfg(feature = "cloudfront")]

mod support;

use std::time::{Duration, Instant};

use afterimage_cdn::{By, CloudFront, Kind};
use afterimage_identity::Invalidate;
use afterimage_testkit::{Double, DoubleRules, Reuse};
use support::{about, distribution, edge, folder, layer, tag};

/// Rules that no test has to wait for.
fn fast() -> DoubleRules {
    DoubleRules { calls_per_s: 1000, progress: Duration::from_millis(100), ..DoubleRules::default() }
}

#[tokio::test]
async fn what_is_wanted_at_once_goes_out_together_and_is_done_when_cloudfront_says_so() {
    let double = Double::start(DoubleRules { progress: Duration::from_millis(700), ..fast() });
    let outer = edge(&double, None);
    let begun = Instant::now();
    let wants: Vec<_> = (0..50)
        .map(|number| {
            let outer = outer.clone();
            // Every other one is wanted twice.
            let key = format!("p/{}.jpg", number / 2);
            tokio::spawn(async move { outer.invalidate(&about(&key, &format!("main-{number}-1"))).await })
        })
        .collect();
    for want in wants {
        want.await.unwrap().unwrap();
    }
    assert!(begun.elapsed() >= Duration::from_millis(700), "not before it is complete");
    let accepted = double.accepted();
    assert_eq!(accepted.len(), 1, "one batch");
    assert_eq!(accepted[0].items.len(), 25, "each once");
    assert!(accepted[0].items.contains(&tag("p/3.jpg")));
}

#[tokio::test]
async fn a_folder_is_one_item() {
    let double = Double::start(fast());
    let outer = edge(&double, None);
    outer.invalidate(&folder("users/123/", "main-1-1")).await.unwrap();
    assert_eq!(double.items().len(), 1);
    assert!(double.items()[0].starts_with("#f"));
}

#[tokio::test]
async fn the_distribution_is_asked_whether_it_has_tags() {
    for (header, items) in [
        (Some("cache-tag"), vec![tag("p/a b.jpg")]),
        // It reads buckets itself: pictures have tags there, and originals have not.
        (Some("X-Amz-Meta-Cache-Tag"), vec![tag("p/a b.jpg"), "/p/a*".to_owned()]),
        (None, vec!["/p/a%20b.jpg*".to_owned(), "/p/a=20b.jpg*".to_owned()]),
        (Some("X-Other"), vec!["/p/a%20b.jpg*".to_owned(), "/p/a=20b.jpg*".to_owned()]),
    ] {
        let double = Double::start(DoubleRules { tag_header: header, ..fast() });
        edge(&double, None).invalidate(&about("p/a b.jpg", "main-1-1")).await.unwrap();
        assert_eq!(double.items(), items, "{header:?}");
    }
    let double = Double::start(fast());
    let by_path = Kind::Edge(CloudFront { by: Some(By::Paths), ..distribution(&double) });
    layer(by_path, None, 0).invalidate(&about("p/a.jpg", "main-1-1")).await.unwrap();
    assert_eq!(double.items(), ["/p/a.jpg", "/p/a.jpg/-/*"]);
}

#[tokio::test]
async fn tags_that_are_refused_because_the_header_went_become_wildcards() {
    let double = Double::start(fast());
    let outer = edge(&double, None);
    outer.invalidate(&about("a.jpg", "main-1-1")).await.unwrap();
    double.change(|rules| rules.tag_header = None);
    let error = outer.invalidate(&about("b.jpg", "main-2-1")).await.unwrap_err();
    assert!(error.retry, "{error}");
    outer.invalidate(&about("b.jpg", "main-2-1")).await.unwrap();
    assert_eq!(double.items(), [tag("a.jpg"), "/b.jpg*".to_owned()]);
}

#[tokio::test]
async fn a_reference_that_was_used_is_looked_up_in_each_reported_way() {
    for reuse in [Reuse::SameInvalidation, Reuse::AlreadyExists, Reuse::InvalidArgument] {
        let double = Double::start(DoubleRules { reuse, ..fast() });
        let outer = edge(&double, None);
        // Others came in between, so there are pages to turn.
        double.be_silent(1);
        let told = {
            let outer = outer.clone();
            tokio::spawn(async move { outer.invalidate(&about("a.jpg", "main-1-1")).await })
        };
        told.await.unwrap().unwrap();
        assert_eq!(double.items(), [tag("a.jpg")], "{reuse:?}: sent twice, done once");
    }
}

#[tokio::test]
async fn failures_pass_and_the_receipt_hears_of_them() {
    let double = Double::start(fast());
    let outer = edge(&double, None);
    outer.invalidate(&about("first.jpg", "main-1-1")).await.unwrap();
    double.force(&[(400, "Throttling"), (503, "ServiceUnavailable"), (400, "TooManyInvalidationsInProgress")]);
    outer.invalidate(&about("a.jpg", "main-2-1")).await.unwrap();
    double.force(&[(503, "ServiceUnavailable"); 4]);
    let error = outer.invalidate(&about("b.jpg", "main-3-1")).await.unwrap_err();
    assert!(error.retry && error.why.contains("ServiceUnavailable"), "{error}");
    // The batch went on meanwhile; whoever comes back joins it.
    outer.invalidate(&about("b.jpg", "main-3-1")).await.unwrap();
    double.force(&[(403, "AccessDenied")]);
    let error = outer.invalidate(&about("c.jpg", "main-4-1")).await.unwrap_err();
    assert!(!error.retry && error.why.contains("AccessDenied"), "{error}");
    assert_eq!(double.items(), [tag("first.jpg"), tag("a.jpg"), tag("b.jpg")]);
}

#[tokio::test]
async fn one_bad_item_does_not_hold_up_the_others() {
    // A double that takes paths of at most 40 characters.
    let double = Double::start(fast());
    let by_path = Kind::Edge(CloudFront { by: Some(By::Paths), ..distribution(&double) });
    let outer = layer(by_path, None, 0);
    let mut bad = about("b.jpg", "main-9-1");
    bad.paths = vec!["/not|taken".to_owned()];
    let wants: Vec<_> = (0..8)
        .map(|number| about(&format!("{number}.jpg"), &format!("main-{number}-1")))
        .chain([bad])
        .map(|what| {
            let outer = outer.clone();
            tokio::spawn(async move { outer.invalidate(&what).await })
        })
        .collect();
    let mut told = Vec::new();
    for want in wants {
        told.push(want.await.unwrap());
    }
    assert!(told[..8].iter().all(Result::is_ok), "{told:?}");
    let error = told[8].as_ref().unwrap_err();
    assert!(error.why.contains("not|taken"), "{error}");
}

#[tokio::test]
async fn a_process_that_dies_loses_nothing_and_its_successor_repeats_nothing() {
    let outbox = tempfile::tempdir().unwrap();
    let double = Double::start(fast());
    double.be_stuck(true);
    let first = edge(&double, Some(outbox.path()));
    let told = {
        let first = first.clone();
        tokio::spawn(async move { first.invalidate(&about("a.jpg", "main-1-1")).await })
    };
    while double.accepted().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // Dead, before CloudFront had it complete.
    told.abort();
    drop(first);
    tokio::time::sleep(Duration::from_millis(50)).await;
    double.be_stuck(false);
    let second = edge(&double, Some(outbox.path()));
    second.invalidate(&about("a.jpg", "main-1-1")).await.unwrap();
    assert_eq!(double.items(), [tag("a.jpg")]);
    // Dead again, after it was complete and before the journal says so.
    drop(second);
    let third = edge(&double, Some(outbox.path()));
    third.invalidate(&about("a.jpg", "main-1-1")).await.unwrap();
    assert_eq!(double.items(), [tag("a.jpg")]);
    // The second round is another matter.
    third.invalidate(&about("a.jpg", "main-1-2")).await.unwrap();
    assert_eq!(double.items().len(), 2);
}

#[tokio::test]
async fn wildcards_go_out_in_waves_and_are_widened_where_that_is_allowed() {
    let keys: Vec<String> = (0..20).map(|number| format!("p/q/{number}.jpg")).collect();
    for (over_purge, batches) in [(0, 2), (1, 1)] {
        let double = Double::start(DoubleRules { tag_header: None, ..fast() });
        let outer = layer(Kind::Edge(distribution(&double)), None, over_purge);
        let wants: Vec<_> = keys
            .iter()
            .map(|key| {
                let (outer, what) = (outer.clone(), about(key, &format!("main-{key}-1")));
                tokio::spawn(async move { outer.invalidate(&what).await })
            })
            .collect();
        for want in wants {
            want.await.unwrap().unwrap();
        }
        assert_eq!(double.accepted().len(), batches);
        assert_eq!((double.peaks().1 <= 15, double.errors("TooManyInvalidationsInProgress")), (true, 0));
        if over_purge == 1 {
            assert_eq!(double.items(), ["/p/q/*"]);
        }
    }
}

#[tokio::test]
async fn a_forecast_says_items_waves_and_dollars_and_sends_nothing() {
    let double = Double::start(DoubleRules { tag_header: None, ..fast() });
    let outer = layer(Kind::CloudFront(distribution(&double)), None, 0);
    let what: Vec<_> = (0..31).map(|number| about(&format!("{number}.jpg"), &format!("main-{number}-1"))).collect();
    let forecast = outer.forecast(&what).await.unwrap();
    assert_eq!((forecast.items_count, forecast.waves, forecast.free_a_month), (31, 3, 1000));
    assert_eq!(forecast.microdollars_max, 31 * 5000);
    assert_eq!((forecast.by.as_str(), &forecast.items[0][..]), ("by wildcard", "/0.jpg*"));
    assert!(double.accepted().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn quotas_that_somebody_else_has_filled_are_seen_as_shared() {
    let double = Double::start(DoubleRules {
        tag_header: None,
        progress: Duration::from_millis(800),
        calls_per_s: 1000,
        ..DoubleRules::default()
    });
    let (theirs, ours) = (support::edge(&double, None), support::edge(&double, None));
    let first: Vec<_> = (0..15)
        .map(|number| {
            let theirs = theirs.clone();
            tokio::spawn(
                async move { theirs.invalidate(&about(&format!("{number}.jpg"), &format!("t-{number}"))).await },
            )
        })
        .collect();
    while double.peaks().1 < 15 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // It waits, and says why, until there is room.
    let mut told = ours.invalidate(&about("ours.jpg", "o-1")).await;
    while let Err(error) = told {
        assert!(error.retry && error.why.contains("another one invalidates on the same distribution"), "{error}");
        told = ours.invalidate(&about("ours.jpg", "o-1")).await;
    }
    for one in first {
        one.await.unwrap().unwrap();
    }
    assert!(ours.crowded() > 0);
    assert_eq!(theirs.crowded(), 0, "within the quotas nobody is in the way");
}
