//! From the environment to an edge that answers, or to words about why there is none.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use afterimage_edge::{Door, Edge};
use afterimage_identity::{Event, Notice};
use afterimage_setup::{LogFormat, Mistake, Settings, Sources, Trust, locations, wire_function};
use lambda_runtime_api_client::{PooledClient, body::Body, build_request};

use crate::clock::MachineClock;

/// Joins the parts as the settings say. Nothing is asked of any bucket yet.
///
/// # Errors
/// What is wrong, in words.
pub fn start() -> Result<(Arc<Edge>, Door), String> {
    let environment: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let settings = settings(&environment)?;
    log(&settings);
    settings.fit_a_function().map_err(|mistakes| list(&mistakes))?;
    let source = settings.root_source().ok_or("no source is named")?;
    // What would lie in folders is not opened here.
    let locations = locations(&source, &environment)?;
    let wiring =
        settings.wiring(&source, &locations, &|path| std::fs::read(path)).map_err(|mistakes| list(&mistakes))?;
    let megabytes: u64 =
        environment.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE").and_then(|text| text.parse().ok()).unwrap_or(128);
    let edge = wire_function(&wiring.for_function(megabytes << 20), Arc::new(MachineClock), Arc::new(Said))
        .map_err(|error| error.to_string())?;
    let door = match settings.server.trust {
        Trust::Canonical => Door::Trusted,
        Trust::Public if settings.policy.open => Door::Open,
        Trust::Public => Door::Public,
    };
    Ok((edge, door))
}

/// Settings are read from the environment, and from a file that lies beside the bootstrap where one is named.
fn settings(environment: &BTreeMap<String, String>) -> Result<Settings, String> {
    let file = match environment.get("AFTERIMAGE_CONFIG").filter(|path| !path.is_empty()) {
        Some(path) => {
            let root = environment.get("LAMBDA_TASK_ROOT").map(PathBuf::from).unwrap_or_default();
            let path = root.join(path);
            let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            Some((path, text))
        }
        None => None,
    };
    let read_secret = |path: &std::path::Path| std::fs::read_to_string(path);
    let sources = Sources { file, environment: environment.clone(), overrides: Vec::new(), read_secret: &read_secret };
    Settings::load(&sources).map_err(|mistakes| list(&mistakes))
}

fn list(mistakes: &[Mistake]) -> String {
    let lines: Vec<_> = mistakes.iter().map(|mistake| format!("  {mistake}")).collect();
    format!("the configuration has {} mistake(s):\n{}", mistakes.len(), lines.join("\n"))
}

fn log(settings: &Settings) {
    let filter = tracing_subscriber::EnvFilter::new(settings.log.level.as_str());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match settings.log.format {
        LogFormat::Text => builder.with_target(false).with_ansi(false).init(),
        LogFormat::Json => builder.json().init(),
    }
}

/// Hears that an original is gone or changed while something of it is stored. The purge function is told by the bucket itself; where
/// that was lost, the reconciler finds what is left. No viewer's request does the write story's work.
struct Said;

impl Notice for Said {
    fn notice(&self, event: Event) {
        tracing::warn!(?event, "a request found what no event may have told; the reconciler removes what is left");
    }
}

/// Tells the service why this process takes no events, and ends.
pub async fn refuse(words: &str) -> ExitCode {
    eprintln!("{words}");
    let error = serde_json::json!({ "errorType": "Afterimage.Configuration", "errorMessage": words, "stackTrace": [] });
    let request = build_request()
        .method("POST")
        .uri("/2018-06-01/runtime/init/error")
        .header("lambda-runtime-function-error-type", "Afterimage.Configuration")
        .body(Body::from(error.to_string()));
    if let Ok(request) = request
        && let Err(error) = PooledClient::builder().build().call(request).await
    {
        eprintln!("the service could not be told: {error}");
    }
    ExitCode::FAILURE
}
