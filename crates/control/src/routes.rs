//! The routes. Each parses, calls, encodes.

use std::sync::Arc;

use afterimage_edge::{Door, Edge, Explanation};
use afterimage_events::Webhook;
use afterimage_identity::{Absence, Forecast, OriginalKey, Receipt};
use afterimage_purge::{Filter, Mode, Order, OrderOf, Purger, Report};
use afterimage_store::{Error, Page, Read, Refusal};
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router, middleware};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::{Deserialize, Serialize};

use crate::cloudfront::{self, Api};
use crate::door::{Guard, guard};
use crate::invalidate::Invalidations;
use crate::meters::Meters;
use crate::metrics::{Purges, Sample};
use crate::{events, page, purge_method};

/// How many pictures the index page shows.
const PICTURES_MAX: usize = 500;
/// How many receipts one answer holds.
const RECEIPTS_MAX: usize = 10_000;

/// What the routes speak to.
pub struct Control {
    /// The read story.
    pub edge: Arc<Edge>,
    /// The write story.
    pub purger: Arc<Purger>,
    /// The originals, for the index page's list.
    pub originals: Arc<dyn Read>,
    /// The sources on other machines, by the prefixes of their keys, and whether they can prove absence.
    pub absences: Box<dyn Fn() -> Vec<(String, Absence)> + Send + Sync>,
    /// Where events of buckets are delivered, if any bucket is named.
    pub events: Option<Arc<Webhook>>,
    /// What makes this edge's caches forget.
    pub invalidations: Arc<Invalidations>,
    /// Whom the listener of pictures speaks to; URLs are explained as it would understand them.
    pub door: Door,
    /// Where pictures are served, `http://address:port` or the same with https.
    pub base: String,
    /// The promise in force, in one line.
    pub promise: String,
    /// The ladder.
    pub ladder: Vec<u32>,
    /// The qualities that unsigned requests may have.
    pub qualities: Vec<u8>,
    /// What others count.
    pub meters: Meters,
}

/// All routes behind a guard.
pub fn router(control: Arc<Control>, door: Guard) -> Router {
    let domain = control.base.split_once("://").unwrap_or_default().1.into();
    let api = Api { invalidations: control.invalidations.clone(), domain };
    Router::new()
        .route("/", get(index))
        .route("/page.js", get(async || page::script()))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/api/site", get(site))
        .route("/api/explain", get(explain))
        .route("/api/receipts", get(receipts))
        .route("/api/purge", post(purge))
        .route("/api/purge/plan", post(purge_plan))
        .route("/api/reconcile", post(reconcile))
        .route(events::PATH, post(events::deliver).head(events::probe))
        .route("/2020-05-31/{*rest}", any(cloudfront::handle).with_state(api))
        .layer(middleware::from_fn_with_state(control.invalidations.clone(), purge_method::purge))
        .layer(middleware::from_fn_with_state(door, guard))
        .with_state(control)
}

pub(crate) type Shared = State<Arc<Control>>;

async fn index(State(control): Shared) -> Response {
    page::html(&control.base)
}

/// Ready to serve; a hold is said, because a person has to end it, but pictures are served all the same.
async fn ready(State(control): Shared) -> Response {
    let mut buts = match control.purger.health().held {
        0 => Vec::new(),
        held => vec![format!("{held} purges wait for `afterimage reconcile --confirm`")],
    };
    for (prefix, absence) in (control.absences)() {
        if let Absence::Unproven(why) = absence {
            buts.push(format!("the source below /{prefix} cannot prove absence: {why}"));
        }
    }
    let workers = control.edge.renderer().load().workers.unwrap_or_default();
    buts.extend(workers.lacking.iter().map(|lack| format!("worker processes lack {lack}")));
    match buts.as_slice() {
        [] => "ready\n".into_response(),
        buts => format!("ready, but {}\n", buts.join("; ")).into_response(),
    }
}

async fn metrics(State(control): Shared) -> Response {
    let health = control.purger.health();
    let sample = Sample {
        edge: control.edge.metrics().snapshot(),
        cache: control.edge.cache().usage(),
        renders: control.edge.renderer().load(),
        purges: Purges {
            open: health.open as u64,
            held: health.held as u64,
            parked: health.parked as u64,
            waiting: health.queue as u64,
            oldest_s: health.oldest.as_secs(),
            is_unwritten: health.journal_error.is_some(),
        },
        invalidations: control.invalidations.counts(),
        absences: (control.absences)(),
        listeners: (control.meters.listeners)(),
        origins: (control.meters.origins)(),
        crowded: (control.meters.crowded)(),
        events: control.events.as_ref().map(|events| events.intake().counters().counts()).unwrap_or_default(),
    };
    ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], sample.text()).into_response()
}

#[derive(Serialize)]
struct Site<'a> {
    base: &'a str,
    promise: &'a str,
    ladder: &'a [u32],
    qualities: &'a [u8],
    pictures: Vec<Shown>,
}

/// A picture of the index page.
#[derive(Serialize)]
struct Shown {
    key: String,
    /// Another host that it is served on, and there alone; and what it is called there.
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    name: String,
}

async fn site(State(control): Shared) -> Result<Response, Problem> {
    // A source that cannot be listed has no pictures to show here; it serves them all the same.
    let page = match control.originals.list("", None, PICTURES_MAX).await {
        Err(Error::Refused { why: Refusal::NotListed }) => Page::default(),
        page => page.map_err(Problem::of_source)?,
    };
    let shown = [".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif"];
    let is_picture = |key: &String| shown.iter().any(|ending| key.to_ascii_lowercase().ends_with(ending));
    let shown_as = |key: String| match control.edge.host_of(&key) {
        Some((host, name)) => Shown { host: Some(host), name, key },
        None => Shown { host: None, name: key.clone(), key },
    };
    let site = Site {
        base: &control.base,
        promise: &control.promise,
        ladder: &control.ladder,
        qualities: &control.qualities,
        pictures: page.entries.into_iter().map(|listed| listed.key).filter(is_picture).map(shown_as).collect(),
    };
    Ok(Json(site).into_response())
}

#[derive(Deserialize)]
struct ExplainQuery {
    url: String,
    /// The host that was asked; none is a host that has nothing to itself.
    host: Option<String>,
    accept: Option<String>,
}

async fn explain(State(control): Shared, Query(query): Query<ExplainQuery>) -> Json<Explanation> {
    let ExplainQuery { url, host, accept } = &query;
    Json(control.edge.explain(control.door, host.as_deref(), url, accept.as_deref()).await)
}

#[derive(Deserialize)]
struct ReceiptsQuery {
    key: Option<String>,
    #[serde(default)]
    limit: Option<usize>,
}

async fn receipts(State(control): Shared, Query(query): Query<ReceiptsQuery>) -> Result<Json<Vec<Receipt>>, Problem> {
    let key = query.key.as_deref().map(key_of).transpose()?;
    let limit = query.limit.unwrap_or(100).min(RECEIPTS_MAX);
    Ok(Json(control.purger.receipts(&Filter { key, limit, ..Filter::default() })))
}

/// What to purge. Exactly one of `key`, `prefix` and `all`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PurgeRequest {
    /// One original.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Every original whose key begins so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Everything.
    #[serde(default)]
    pub all: bool,
    /// Answer only when every layer is done.
    #[serde(default)]
    pub wait: bool,
}

fn selector_of(request: &PurgeRequest) -> Result<OrderOf, Problem> {
    Ok(match (&request.key, &request.prefix, request.all) {
        (Some(key), None, false) => OrderOf::Key(key_of(key)?),
        (None, Some(prefix), false) if !prefix.is_empty() => OrderOf::Prefix(prefix.clone()),
        (None, None, true) => OrderOf::All,
        _ => return Err(Problem::bad("say exactly one of key, prefix (not empty) and all")),
    })
}

/// What a purge would take at one outer cache.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Planned {
    /// What it would be told, and what that costs.
    Told(Forecast),
    /// Why it cannot say.
    Unknown {
        /// The layer's name.
        layer: String,
        /// Why, in words.
        why: String,
    },
}

async fn purge_plan(State(control): Shared, Json(request): Json<PurgeRequest>) -> Result<Json<Vec<Planned>>, Problem> {
    let forecasts = control.purger.forecast(selector_of(&request)?).await;
    let planned =
        forecasts.map_err(|error| Problem::ours(error.to_string()))?.into_iter().map(|forecast| match forecast {
            Ok(forecast) => Planned::Told(forecast),
            Err((layer, error)) => Planned::Unknown { layer, why: error.why },
        });
    Ok(Json(planned.collect()))
}

async fn purge(State(control): Shared, Json(request): Json<PurgeRequest>) -> Result<Json<Vec<Receipt>>, Problem> {
    let order = Order { selector: selector_of(&request)?, wait: request.wait };
    let ids = control.purger.purge(order).await.map_err(|error| Problem::ours(error.to_string()))?;
    let filter = Filter { limit: RECEIPTS_MAX, ..Filter::default() };
    let receipts = control.purger.receipts(&filter);
    Ok(Json(receipts.into_iter().filter(|receipt| ids.contains(&receipt.id)).collect()))
}

fn key_of(text: &str) -> Result<OriginalKey, Problem> {
    OriginalKey::new(text).map_err(|error| Problem::bad(format!("`{text}` is not the key of an original: {error}")))
}

/// What a reconciliation may do.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReconcileRequest {
    /// Only say what would be done.
    #[serde(default)]
    pub dry_run: bool,
    /// Let held deletions go on.
    #[serde(default)]
    pub confirm: bool,
}

async fn reconcile(State(control): Shared, Json(request): Json<ReconcileRequest>) -> Result<Json<Report>, Problem> {
    let mode = match (request.dry_run, request.confirm) {
        (true, false) => Mode::DryRun,
        (false, true) => Mode::Confirm,
        (false, false) => Mode::Run,
        (true, true) => return Err(Problem::bad("dry_run and confirm exclude each other")),
    };
    let progress = |progress: afterimage_purge::Progress| tracing::info!(?progress, "reconciling");
    let report = control.purger.reconcile(mode, &progress).await.map_err(|error| Problem::ours(error.to_string()))?;
    for id in &report.receipts {
        // Whoever asked wants to see it done.
        control.purger.wait(*id).await;
    }
    Ok(Json(report))
}

/// A refusal in words.
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) detail: String,
}

impl Problem {
    fn bad(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, detail: detail.into() }
    }

    fn ours(detail: String) -> Self {
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, detail }
    }

    fn of_source(error: afterimage_store::Error) -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, detail: format!("the originals cannot be listed: {error}") }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let document = serde_json::json!({
            "type": "about:blank",
            "title": self.status.canonical_reason(),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        (self.status, [(CONTENT_TYPE, "application/problem+json")], format!("{document}\n")).into_response()
    }
}
