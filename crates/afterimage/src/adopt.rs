//! `reconcile --adopt`: looks at a place that the published edge functions wrote into, and carries out what was confirmed. It
//! speaks to no server and opens no state: what it deletes was never ours.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use afterimage_adopt::{Do, Kind, Options, Outcome, Plan, Reach, Request, Written, carry_out, forget, survey};
use afterimage_cdn::{By, CloudFront, Config as Outer, Kind as OuterKind, Layer, Pace};
use afterimage_identity::{Clock, Forecast, Invalidate};
use afterimage_setup::{MachineClock, Settings, Source};
use afterimage_store::inherited::{Inherited, InheritedFolder};
use indicatif::ProgressBar;

use crate::cli::{Adopt, Common, Scope};
use crate::exit::Exit;
use crate::instance::{canonical, settings};
use crate::printing;

/// How often an outer cache is told before it is left to the next run.
const TELLS: u32 = 5;
/// How long it is left alone between two.
const PAUSE: Duration = Duration::from_secs(10);

fn failed(error: impl std::fmt::Display) -> Exit {
    Exit::Failed(error.to_string())
}

/// Looks, or carries out `confirmed`.
pub fn adopt(common: &Common, options: &Adopt, confirmed: Option<&Path>, json: bool) -> Result<(), Exit> {
    let settings = settings(common, Vec::new())?;
    let source = settings.root_source().ok_or_else(|| {
        Exit::Usage("which place? Name it with --source s3://BUCKET/PREFIX, or --source DIR".to_owned())
    })?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.map_err(failed)?.block_on(async {
        let (name, place) = open(&settings, &source, options.profile.clone()).await?;
        match (confirmed, &options.plan) {
            (None, Some(path)) => look(options, &name, place, path, json).await,
            (Some(path), None) => carry(&settings, options, &name, place, path, json).await,
            _ => Err(Exit::Usage(
                "write --plan FILE to look, or --confirm FILE to carry out what was written".to_owned(),
            )),
        }
    })
}

/// The place, and what plans call it.
async fn open(
    settings: &Settings,
    source: &Source,
    profile: Option<String>,
) -> Result<(String, Arc<dyn Inherited>), Exit> {
    match source {
        Source::Directory(path) => {
            let path = canonical(path)?;
            let folder = InheritedFolder::open(&path, Arc::new(MachineClock)).map_err(failed)?;
            Ok((path.display().to_string(), Arc::new(folder)))
        }
        Source::Bucket(url) => {
            let mut config = settings.bucket_at(url).map_err(Exit::Usage)?;
            config.profile = profile.or(config.profile);
            let name = config.place.to_string();
            Ok((name, bucket(&config).await?))
        }
        Source::Url(url) => {
            Err(Exit::Usage(format!("{url}: nothing can be deleted there; name the bucket, or a folder")))
        }
    }
}

#[cfg(feature = "s3")]
async fn bucket(config: &afterimage_store::bucket::Config) -> Result<Arc<dyn Inherited>, Exit> {
    let opened = afterimage_store::inherited::InheritedBucket::open(config).await;
    Ok(Arc::new(opened.map_err(failed)?))
}

#[cfg(not(feature = "s3"))]
async fn bucket(config: &afterimage_store::bucket::Config) -> Result<Arc<dyn Inherited>, Exit> {
    let words = "this build speaks to no buckets; build it with the feature s3";
    Err(Exit::Configuration(format!("{}: {words}", config.place)))
}

fn spinner() -> ProgressBar {
    let spinner = ProgressBar::no_length();
    if std::io::stderr().is_terminal() {
        spinner.enable_steady_tick(Duration::from_millis(100));
    } else {
        spinner.set_draw_target(indicatif::ProgressDrawTarget::hidden());
    }
    spinner
}

async fn look(options: &Adopt, name: &str, place: Arc<dyn Inherited>, path: &Path, json: bool) -> Result<(), Exit> {
    if path.exists() {
        return Err(Exit::Usage(format!("{} is there already; choose another name", path.display())));
    }
    let written = match options.cache_control.as_deref() {
        None => Written::default(),
        Some("") => Written { cache_control: None },
        Some(value) => Written { cache_control: Some(value.to_owned()) },
    };
    let at = MachineClock.wall().duration_since(UNIX_EPOCH).unwrap_or_default();
    let at_ms = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
    let request = Request { place: name.to_owned(), at_ms, written, orphans: options.orphans };
    let spinner = spinner();
    let told = |keys: usize, read: usize, of: usize| spinner.set_message(format!("{keys} keys, {read} of {of} read"));
    let plan = survey(place, &request, &told).await;
    spinner.finish_and_clear();
    let plan = plan.map_err(failed)?;
    let digest = plan.write(path).map_err(|error| failed(format!("{}: {error}", path.display())))?;
    if json {
        return print_json(&serde_json::json!({ "digest": digest, "header": plan.header, "doomed": plan.doomed() }));
    }
    print!("{}", summary(&plan));
    println!("\nread {}, then delete what it says with\n", path.display());
    println!("  afterimage reconcile --adopt dims --source {name} --confirm {} --digest {digest}", path.display());
    Ok(())
}

fn print_json(value: &serde_json::Value) -> Result<(), Exit> {
    println!("{}", serde_json::to_string_pretty(value).map_err(failed)?);
    Ok(())
}

/// What a plan comes to.
fn summary(plan: &Plan) -> String {
    use std::fmt::Write as _;
    let header = &plan.header;
    let mut text = format!("{}: {} keys, {} originals with derivatives\n", header.place, header.keys, header.originals);
    for (kind, act, words) in [
        (Kind::Derivative, Do::Delete, "derivatives whose original is there: they go"),
        (Kind::Derivative, Do::Keep, "derivatives that stay, because the plan was changed"),
        (Kind::Orphan, Do::Delete, "orphans, with no original behind them: they go"),
        (Kind::Orphan, Do::Keep, "orphans, with no original behind them: they stay, unless --orphans is given"),
        (Kind::Unclear, Do::Delete, "unclear: they go, because the plan was changed"),
        (Kind::Unclear, Do::Keep, "unclear: called like derivatives, and something speaks against it; they stay"),
    ] {
        let (count, bytes) = plan.count(kind, act);
        if count > 0 {
            let _ = writeln!(text, "  {count:>9} {words} ({bytes} bytes)");
        }
    }
    for line in plan.lines.iter().filter(|line| line.act == Do::Keep).take(5) {
        let _ = writeln!(text, "  stays: {} ({})", line.key, line.why.join("; "));
    }
    // us-east-1, standard storage; deletions cost nothing.
    let dollars = (header.lists as f64 * 0.005 + header.reads as f64 * 0.0004) / 1_000.0;
    let _ = writeln!(text, "it cost {} listings and {} reads; in S3 ${dollars:.4}", header.lists, header.reads);
    text
}

async fn carry(
    settings: &Settings,
    options: &Adopt,
    name: &str,
    place: Arc<dyn Inherited>,
    path: &Path,
    json: bool,
) -> Result<(), Exit> {
    let (plan, digest) = Plan::read(path).map_err(|error| Exit::Usage(format!("{}: {error}", path.display())))?;
    if plan.header.place != name {
        return Err(Exit::Usage(format!("{} is about {}, not about {name}", path.display(), plan.header.place)));
    }
    if options.digest.as_deref() != Some(digest.as_str()) {
        let why = match &options.digest {
            Some(_) => "the plan is not the one whose digest was given",
            None => "nothing is deleted without the plan's digest",
        };
        return Err(Exit::Refused(format!("{why}. It comes to:\n{}  --digest {digest}", summary(&plan))));
    }
    let beside = |what: &str| PathBuf::from(format!("{}.{what}", path.display()));
    let spinner = spinner();
    let told = |of: u64, done: u64| spinner.set_message(format!("{done} of {of} deleted"));
    let allowed = Options { unconditional: options.unconditional };
    let outcome = carry_out(&plan, &digest, place, &beside("results"), allowed, &told).await;
    spinner.finish_and_clear();
    let outcome = outcome.map_err(failed)?;
    if json {
        print_json(&serde_json::to_value(&outcome).map_err(failed)?)?;
    } else {
        print!("{}", report(&outcome, &beside("results")));
    }
    if let (Some(scope), true) = (options.invalidate, outcome.refused + outcome.failed == 0) {
        tell(settings, &plan, &digest, reach(scope)).await?;
    } else if !json {
        foresee(settings, &plan, &digest).await;
    }
    if outcome.is_complete() { Ok(()) } else { Err(Exit::Failed("not everything that was to go is gone".to_owned())) }
}

fn report(outcome: &Outcome, results: &Path) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for (count, words) in [
        (outcome.before, "were gone already, by an earlier run"),
        (outcome.deleted, "deleted"),
        (outcome.gone, "were not there any more"),
        (outcome.changed, "have changed since they were looked at, and stay"),
        (outcome.refused, "may not be deleted"),
        (outcome.failed, "failed; run it again"),
    ] {
        if count > 0 {
            let _ = writeln!(text, "  {count:>9} {words}");
        }
    }
    for left in &outcome.left {
        let _ = writeln!(text, "  stays: {left}");
    }
    let _ = writeln!(text, "of {} that were to go; each is in {}", outcome.doomed, results.display());
    text
}

fn reach(scope: Scope) -> Reach {
    match scope {
        Scope::Keys => Reach::Keys,
        Scope::Folders => Reach::Folders,
        Scope::All => Reach::All,
    }
}

/// A distribution without tags, for what CloudFront would take where none is configured. It is never asked.
fn imagined() -> Outer {
    let kind = OuterKind::CloudFront(CloudFront {
        distribution: "none".to_owned(),
        endpoint: None,
        region: None,
        profile: None,
        credentials: None,
        by: Some(By::Wildcards),
    });
    Outer { name: "cloudfront".to_owned(), pace: Pace::of(&kind), kind, over_purge: 0 }
}

/// Prints what the caches in front would be told, in each reach. Nothing is sent.
async fn foresee(settings: &Settings, plan: &Plan, digest: &str) {
    let (outer, told) = match settings.cdn.0.as_slice() {
        [] => (vec![imagined()], "no [[cdn]] is configured; this is what CloudFront would take"),
        some => (some.to_vec(), "nothing was sent; send one of these with --invalidate keys, folders or all"),
    };
    println!("caches in front still have what they had ({told}):");
    for config in &outer {
        for (word, reach) in [("keys", Reach::Keys), ("folders", Reach::Folders), ("all", Reach::All)] {
            match forecast(config, plan, digest, reach).await {
                Ok(forecast) => {
                    // Ten are enough to see what it is about.
                    let some = forecast.items.iter().take(10).cloned().collect();
                    let planned = afterimage_control::Planned::Told(Forecast { items: some, ..forecast });
                    print!("{word}: {}", printing::planned(&[planned]));
                }
                Err(why) => println!("{word}: {}: cannot say: {why}", config.name),
            }
        }
    }
}

async fn forecast(config: &Outer, plan: &Plan, digest: &str, reach: Reach) -> Result<Forecast, String> {
    let layer = Layer::open(config, None, Arc::new(MachineClock))?;
    layer.forecast(&forget(plan, digest, reach)).await.map_err(|error| error.to_string())
}

/// Tells every cache in front, and waits until each has said that it has forgotten. Killed meanwhile, it tells them again: it
/// costs a little and harms nothing.
async fn tell(settings: &Settings, plan: &Plan, digest: &str, reach: Reach) -> Result<(), Exit> {
    if settings.cdn.0.is_empty() {
        return Err(Exit::Configuration("no cache in front is configured ([[cdn]]): nobody can be told".to_owned()));
    }
    for config in &settings.cdn.0 {
        let invalidations = forget(plan, digest, reach);
        let opened = Layer::open(config, None, Arc::new(MachineClock));
        let layer = Arc::new(opened.map_err(|why| failed(format!("{}: {why}", config.name)))?);
        let forecast = layer.forecast(&invalidations).await.map_err(failed)?;
        eprint!(
            "{}",
            printing::planned(&[afterimage_control::Planned::Told(Forecast { items: Vec::new(), ..forecast })])
        );
        let mut tasks = tokio::task::JoinSet::new();
        for what in invalidations {
            let layer = layer.clone();
            tasks.spawn(async move {
                for _ in 1..TELLS {
                    match layer.invalidate(&what).await {
                        Err(error) if error.retry => {
                            tracing::warn!(why = error.why, "an outer cache has to be told again");
                            tokio::time::sleep(PAUSE).await;
                        }
                        other => return other,
                    }
                }
                layer.invalidate(&what).await
            });
        }
        for told in tasks.join_all().await {
            told.map_err(|error| failed(format!("{}: {error}; run it again", config.name)))?;
        }
        println!("{} has forgotten", config.name);
    }
    Ok(())
}
