//! Very many originals deleted at once, against the double: quotas kept, memory bounded, and what it takes printed. The long
//! form (`AFTERIMAGE_LONG=1`) works at CloudFront's own pace; the short one at an edge's.
#![cfg(feature = "cloudfront")]

mod support;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use afterimage_cdn::{Config, Kind, Layer, Pace};
use afterimage_identity::Invalidate;
use afterimage_store::keep::Folder;
use afterimage_testkit::{Double, DoubleRules};
use support::{Machine, about, distribution, quick};

/// The most memory that this process has had, in bytes.
fn memory_peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

async fn delete(
    kind: fn(afterimage_cdn::CloudFront) -> Kind,
    pace: Pace,
    rules: DoubleRules,
    originals: usize,
    over_purge: u32,
) -> Double {
    let outbox = tempfile::tempdir().unwrap();
    let double = Double::start(rules);
    let config = Config { name: "cf".into(), kind: kind(distribution(&double)), over_purge, pace };
    let keep = Arc::new(Folder::open(outbox.path()).unwrap());
    let outer = Arc::new(Layer::open(&config, Some(keep), Arc::new(Machine)).unwrap());
    let (begun, before) = (Instant::now(), memory_peak());
    let wants: Vec<_> = (0..originals)
        .map(|number| {
            let outer = outer.clone();
            tokio::spawn(async move {
                let what = about(&format!("users/{}/{number}.jpg", number % 7), &format!("main-{number}-1"));
                // As the write story does it.
                while let Err(error) = outer.invalidate(&what).await {
                    assert!(error.retry, "{error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            })
        })
        .collect();
    for want in wants {
        want.await.unwrap();
    }
    let (items, batches, (exact, wildcards)) = (double.items().len(), double.accepted().len(), double.peaks());
    let dollars = (items as f64 - 1000.0).max(0.0) * 0.005;
    println!(
        "{originals} originals: {:.1} s, {} calls, {batches} batches, {items} items, at most {exact} exact and {wildcards} \
         wildcards in progress, ${dollars:.2} after the month's first 1,000, {} throttled, memory {} MB more",
        begun.elapsed().as_secs_f64(),
        double.calls(),
        double.errors("Throttling"),
        (memory_peak() - before) >> 20,
    );
    assert_eq!(double.errors("TooManyInvalidationsInProgress"), 0, "the quotas are never exceeded");
    assert!(memory_peak() - before < 200 << 20, "memory is bounded, the double's own included");
    double
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_originals_by_tag() {
    let rules = DoubleRules { progress: Duration::from_secs(1), calls_per_s: 1000, ..DoubleRules::default() };
    let double = delete(Kind::Edge, quick(), rules, 10_000, 0).await;
    let items = double.items();
    assert_eq!(items.len(), 10_000, "each once");
    assert_eq!(items.iter().collect::<HashSet<_>>().len(), 10_000);
    assert!(double.accepted().len() <= 12, "{} batches", double.accepted().len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_originals_by_wildcard_where_a_folder_may_go_whole() {
    let rules =
        DoubleRules { tag_header: None, progress: Duration::from_secs(1), calls_per_s: 1000, ..DoubleRules::default() };
    let double = delete(Kind::Edge, quick(), rules, 1_000, 1).await;
    assert!(double.items().len() <= 40, "{:?}", double.items().len());
}

#[tokio::test(flavor = "multi_thread")]
async fn at_cloudfronts_own_pace() {
    if std::env::var_os("AFTERIMAGE_LONG").is_none() {
        println!("SKIPPED: set AFTERIMAGE_LONG=1 for the minutes that this takes");
        return;
    }
    let rules = DoubleRules { progress: Duration::from_secs(10), ..DoubleRules::default() };
    let double = delete(Kind::CloudFront, Pace::default(), rules, 10_000, 0).await;
    assert_eq!((double.items().len(), double.errors("Throttling")), (10_000, 0));
    let rules = DoubleRules { tag_header: None, progress: Duration::from_secs(10), ..DoubleRules::default() };
    let double = delete(Kind::CloudFront, Pace::default(), rules, 300, 0).await;
    assert_eq!((double.items().len(), double.errors("Throttling")), (300, 0));
}
