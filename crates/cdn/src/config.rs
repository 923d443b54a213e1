//! What an operator says about one outer cache, and the way to it that follows.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use afterimage_identity::Clock;

use crate::far::Far;
use crate::limits::{Limits, Plan};
use crate::rate::Rate;
use crate::reach::By;

/// How things go on in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How long what is wanted is collected before it is sent.
    pub window: Duration,
    /// The first pause between two looks whether it is complete; each next one is twice as long.
    pub look_min: Duration,
    /// The longest pause between two looks.
    pub look_max: Duration,
    /// The first pause after a failure; each next one is twice as long.
    pub backoff_min: Duration,
    /// The longest pause after a failure.
    pub backoff_max: Duration,
    /// After so many failures in a row, and again after as many, whoever waits is told.
    pub failures_told: u32,
    /// Whoever waits is told when a batch is not complete after this long.
    pub patience: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            window: Duration::from_millis(500),
            look_min: Duration::from_millis(200),
            look_max: Duration::from_secs(15),
            backoff_min: Duration::from_millis(500),
            backoff_max: Duration::from_secs(60),
            failures_told: 4,
            patience: Duration::from_secs(1800),
        }
    }
}

impl Pace {
    /// What suits a kind of outer cache.
    pub fn of(kind: &Kind) -> Self {
        match kind {
            // It takes some seconds at least, and counts every call.
            Kind::CloudFront(_) => Self { look_min: Duration::from_secs(4), ..Self::default() },
            _ => Self::default(),
        }
    }
}

/// An access key.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Its id; public.
    pub id: String,
    /// What its holder signs with.
    pub secret: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({}, …)", self.id)
    }
}

/// A distribution of CloudFront, or of whoever speaks its API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloudFront {
    /// Its id.
    pub distribution: String,
    /// The URL of the API, where it is not CloudFront's own.
    pub endpoint: Option<String>,
    /// The region that requests are signed for; `us-east-1` unless said otherwise.
    pub region: Option<String>,
    /// The profile of the usual credential chain.
    pub profile: Option<String>,
    /// An access key, instead of the chain.
    pub credentials: Option<Credentials>,
    /// How things are named. Without it, by tag where the distribution has a tag header, else by wildcard.
    pub by: Option<By>,
}

/// A zone of Cloudflare.
#[derive(Clone, PartialEq, Eq)]
pub struct Cloudflare {
    /// Its id.
    pub zone: String,
    /// An API token that may purge it.
    pub token: String,
    /// The account's plan, for its limits.
    pub plan: Plan,
    /// The names under which pictures are served, for prefixes.
    pub hosts: Vec<String>,
    /// The URL of the API.
    pub endpoint: Option<String>,
}

/// A Varnish whose VCL is `examples/varnish.vcl`, or speaks as it does.
#[derive(Clone, PartialEq, Eq)]
pub struct Varnish {
    /// Where it listens.
    pub url: String,
    /// What it wants to see in `Authorization: Bearer`, beside the right address.
    pub token: Option<String>,
    /// The longest that one of its fetches may take.
    pub fetch: Duration,
}

/// Somebody's own URL.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    /// The URL.
    pub url: String,
    /// What requests are signed with.
    pub secret: String,
}

/// A kind of outer cache.
#[derive(Clone, PartialEq, Eq)]
pub enum Kind {
    /// CloudFront.
    CloudFront(CloudFront),
    /// Another afterimage edge, through its CloudFront API.
    Edge(CloudFront),
    /// Cloudflare.
    Cloudflare(Cloudflare),
    /// Varnish.
    Varnish(Varnish),
    /// A signed webhook.
    Webhook(Webhook),
}

/// One outer cache.
#[derive(Clone, PartialEq, Eq)]
pub struct Config {
    /// The layer's name in receipts.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// How many folders up a wildcard may be widened when more wait than may be in progress; 0 never widens.
    pub over_purge: u32,
    /// How things go on in time.
    pub pace: Pace,
}

// No token or secret is ever shown.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("name", &self.name).field("kind", &self.kind.word()).finish_non_exhaustive()
    }
}

impl Kind {
    /// The word in settings.
    pub fn word(&self) -> &'static str {
        match self {
            Self::CloudFront(_) => "cloudfront",
            Self::Edge(_) => "edge",
            Self::Cloudflare(_) => "cloudflare",
            Self::Varnish(_) => "varnish",
            Self::Webhook(_) => "webhook",
        }
    }

    /// What it allows and costs.
    pub fn limits(&self) -> Limits {
        match self {
            Self::Cloudflare(cloudflare) => cloudflare.plan.limits(),
            other => Limits::of(other.word()),
        }
    }
}

impl Config {
    /// Whether this build can reach it.
    ///
    /// # Errors
    /// In words, what of the configuration cannot be.
    pub fn check(&self) -> Result<(), String> {
        match &self.kind {
            Kind::CloudFront(_) | Kind::Edge(_) if cfg!(feature = "cloudfront") => Ok(()),
            Kind::CloudFront(_) | Kind::Edge(_) => Err(NO_CLOUDFRONT.to_owned()),
            Kind::Cloudflare(config) => crate::cloudflare::address(config).map(drop),
            Kind::Varnish(config) => crate::call::uri(&config.url).map(drop),
            Kind::Webhook(config) => crate::call::uri(&config.url).map(drop),
        }
    }

    /// The way to it.
    pub(crate) fn far(&self, clock: Arc<dyn Clock>) -> Result<(Arc<dyn Far>, Limits), String> {
        let limits = self.kind.limits();
        let rate = Rate::new(limits.calls_burst, limits.calls_per_min);
        let far: Arc<dyn Far> = match &self.kind {
            Kind::CloudFront(config) | Kind::Edge(config) => cloudfront(config, rate)?,
            Kind::Cloudflare(config) => Arc::new(crate::cloudflare::Cloudflare::new(config.clone(), rate)?),
            Kind::Varnish(config) => Arc::new(crate::varnish::Varnish::new(config.clone(), rate)?),
            Kind::Webhook(config) => Arc::new(crate::webhook::Webhook::new(config.clone(), rate, clock)?),
        };
        Ok((far, limits))
    }
}

const NO_CLOUDFRONT: &str = "this build cannot speak CloudFront's API; take one with the feature \"cloudfront\"";

#[cfg(feature = "cloudfront")]
fn cloudfront(config: &CloudFront, rate: Rate) -> Result<Arc<dyn Far>, String> {
    Ok(Arc::new(crate::cloudfront::CloudFront::new(config.clone(), rate)))
}

#[cfg(not(feature = "cloudfront"))]
fn cloudfront(_: &CloudFront, _: Rate) -> Result<Arc<dyn Far>, String> {
    Err(NO_CLOUDFRONT.to_owned())
}
