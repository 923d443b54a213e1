//! The edge's settings as plain values, and what is computed from them once per reload.

use std::time::Duration;

use afterimage_identity::{Revision, SourceId};
use afterimage_imaging as imaging;
use afterimage_variant::{Hosts, Mistake, Rules};
use bytes::Bytes;
use http::HeaderValue;

use crate::PassThrough;
use crate::heads::Heads;
use crate::memo::Memo;

/// What is answered when a bare original is asked for, without any parameter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OriginalsMode {
    /// Without GPS and personal metadata, not re-encoded, stored like a derivative.
    #[default]
    Sanitised,
    /// As it is.
    AsIs,
    /// Refused unless signed.
    Deny,
}

/// Whom a listener speaks to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Door {
    /// Anybody: policy and signatures decide.
    #[default]
    Public,
    /// A person trying things out on loopback: any size within the hard limits.
    Open,
    /// Our own function or CDN, which has checked already: canonical paths within the hard limits.
    Trusted,
}

/// Which origins may read answers from a script (the Fetch standard's CORS protocol).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// `*`, or exact origins such as `https://example.com`. Empty: none.
    pub origins: Vec<String>,
    /// How long a browser may keep the answer to a preflight, in seconds.
    pub max_age_s: u32,
}

/// A picture the operator wants shown where there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// Its media type.
    pub media_type: String,
    /// Its bytes.
    pub body: Bytes,
}

/// The edge's settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// The source all keys are of.
    pub source: SourceId,
    /// Hosts that have a part of the keys to themselves. Decided at start: a reload leaves it.
    pub hosts: Hosts,
    /// What a bare original gets.
    pub originals: OriginalsMode,
    /// How long an entry may still be served when its source cannot say whether the original is there, beyond the
    /// validation window. `None`: not at all (503).
    pub stale_when_unprovable: Option<Duration>,
    /// The most bytes of an original that are read.
    pub source_bytes_max: u64,
    /// The most bytes of originals that are in memory at once, read and not yet made into something. Decided at start.
    pub originals_bytes_max: u64,
    /// `max-age`: how long a browser may keep a picture, in seconds. No purge reaches a browser.
    pub browser_age_s: u32,
    /// `s-maxage`: how long a CDN may keep a picture, in seconds.
    pub shared_age_s: u32,
    /// How long errors may be kept, here and elsewhere, in seconds.
    pub error_age_s: u32,
    /// How long anybody may keep the WebP that stands in for an AVIF still being made, in seconds.
    pub pending_age_s: u32,
    /// How long a request for `auto` waits for its AVIF before it takes WebP instead.
    pub pending_wait: Duration,
    /// The longest time from the first question to the source until a derivative is stored.
    pub fill_time_max: Duration,
    /// Whether each derivative is written once more under its canonical path, for a CDN that asks the place of derivatives itself.
    /// Nobody proves there that the original still exists: see [`Edge`](crate::Edge)'s crate on copies.
    pub copies: bool,
    /// Whether `Cache-Status` carries the cache key.
    pub show_cache_key: bool,
    /// Whether answers say what their render chose, and why.
    pub show_chosen: bool,
    /// Who may read pixels from a script.
    pub cors: Cors,
    /// `Cross-Origin-Resource-Policy`; empty: not sent.
    pub cross_origin_resource_policy: String,
    /// `Timing-Allow-Origin`; empty: not sent.
    pub timing_allow_origin: String,
    /// The picture shown instead of a 404, 415 or 422.
    pub fallback: Option<Fallback>,
    /// Passing through, where that is on.
    pub pass: Option<PassThrough>,
    /// URL language and policy.
    pub rules: Rules,
    /// Rendering.
    pub imaging: imaging::Settings,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            source: SourceId::default(),
            hosts: Hosts::default(),
            originals: OriginalsMode::default(),
            stale_when_unprovable: None,
            source_bytes_max: 64 << 20,
            originals_bytes_max: 256 << 20,
            browser_age_s: 60,
            shared_age_s: 86_400,
            error_age_s: 10,
            pending_age_s: 5,
            pending_wait: Duration::from_millis(50),
            fill_time_max: Duration::from_secs(60),
            copies: false,
            show_cache_key: false,
            show_chosen: false,
            cors: Cors { origins: vec!["*".into()], max_age_s: 86_400 },
            cross_origin_resource_policy: "cross-origin".into(),
            timing_allow_origin: "*".into(),
            fallback: None,
            pass: None,
            rules: Rules::default(),
            imaging: imaging::Settings::default(),
        }
    }
}

impl Config {
    /// What keys and cached pictures mean under these settings, in words that nobody reads: under others, one key may name
    /// another answer, and what was cached must not be taken for it.
    pub fn meaning(&self) -> String {
        let routes = self.pass.as_ref().map(|pass| &pass.routes);
        format!("{:?} {} {:?} {routes:?}", self.source, self.imaging.revision(), self.originals)
    }

    /// Finds what cannot work.
    ///
    /// # Errors
    /// Every mistake, with its remedy.
    pub fn validate(&self) -> Result<(), Vec<Mistake>> {
        let mut mistakes = self.rules.validate().err().unwrap_or_default();
        let mut header = |key: &str, value: &str| {
            if HeaderValue::from_str(value).is_err() {
                mistakes.push(Mistake {
                    key: key.into(),
                    value: value.into(),
                    remedy: "use visible ASCII characters only".into(),
                });
            }
        };
        self.cors.origins.iter().for_each(|origin| header("http.cors_origins", origin));
        header("http.cross_origin_resource_policy", &self.cross_origin_resource_policy);
        header("http.timing_allow_origin", &self.timing_allow_origin);
        if mistakes.is_empty() { Ok(()) } else { Err(mistakes) }
    }
}

/// One set of settings in force, with what was computed from it.
pub(crate) struct Live {
    pub(crate) config: Config,
    pub(crate) settings: std::sync::Arc<imaging::Settings>,
    pub(crate) revision: Revision,
    /// The fields that are known before any request.
    pub(crate) heads: Heads,
    /// What targets came to under these settings.
    pub(crate) memo: Memo,
}

/// How long others may keep a picture: long at the CDN, which can be purged, short in browsers, which cannot.
#[derive(Clone)]
pub(crate) struct Ages {
    pub(crate) cache_control: HeaderValue,
    pub(crate) cdn_cache_control: HeaderValue,
}

impl Ages {
    /// The ages of the settings, but none beyond `bound_s`.
    pub(crate) fn new(config: &Config, bound_s: u32) -> Self {
        let (browser, shared) = (config.browser_age_s.min(bound_s), config.shared_age_s.min(bound_s));
        // Digits and letters are a header's value always.
        let value = |text: String| HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("no-store"));
        Self {
            cache_control: value(format!("public, max-age={browser}, s-maxage={shared}")),
            cdn_cache_control: value(format!("max-age={shared}")),
        }
    }
}

impl Live {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            settings: std::sync::Arc::new(config.imaging.clone()),
            revision: config.imaging.revision(),
            heads: Heads::new(&config),
            memo: Memo::new(),
            config,
        }
    }
}
