//! What would become of a URL, in words: nothing is rendered, nothing is stored, nothing is cached.

use std::sync::Arc;

use afterimage_identity::Original;
use afterimage_imaging as imaging;
use afterimage_variant::{Quality, Wanted, canonical_path, derivative_key, resolve};
use serde::{Deserialize, Serialize};

use crate::edge::Edge;
use crate::host::space_of;
use crate::viewer_request::{grant, permit, rewritten};
use crate::{Door, Failure};

/// How a URL is understood.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Explanation {
    /// The URL's path and query.
    pub target: String,
    /// The host that was asked, where it has originals of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// What policy says: `allowed`, or why not.
    pub verdict: String,
    /// The status a refusal would have.
    pub status: Option<u16>,
    /// The original's key.
    pub original: Option<String>,
    /// Whether the source has it now: its version, `gone`, or why nobody knows.
    pub source_says: Option<String>,
    /// The canonical path.
    pub canonical_path: Option<String>,
    /// That path as the host is asked for it, where it has originals of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canonical_path_on_host: Option<String>,
    /// What is to be known about that path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canonical_path_note: Option<String>,
    /// The cache key: the canonical path, unless a behaviour rewrites it.
    pub cache_key: Option<String>,
    /// The cache tags: the original's own first, then its folders'.
    pub tags: Vec<String>,
    /// The key of the stored derivative.
    pub derivative_key: Option<String>,
    /// Whether that derivative is stored.
    pub stored: Option<bool>,
    /// What the picture's quality is, where its format has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<String>,
    /// Whether the answer depends on `Accept`.
    pub vary_accept: bool,
    /// What policy changed.
    pub changed: Vec<String>,
    /// What was ignored.
    pub ignored: Vec<String>,
}

impl Edge {
    /// Explains what `target` (path and query, as in a request) means at `door` to whoever asks `host` with this `Accept`.
    pub async fn explain(
        self: &Arc<Self>,
        door: Door,
        host: Option<&str>,
        target: &str,
        accept: Option<&str>,
    ) -> Explanation {
        let live = self.live.load_full();
        let mut explanation = Explanation::of(target);
        let space = match host.map_or(Ok(None), |host| space_of(&live, host)) {
            Ok(space) => space,
            Err(refusal) => return explanation.refused(Failure::Refused(refusal)),
        };
        explanation.host = space.and(host).map(str::to_owned);
        let resolved = grant(&live, door, target, self.clock.wall()).and_then(|(grant, _)| {
            let resolution = resolve(&live.config.rules, target, accept, grant)?;
            Ok((grant, live.config.hosts.place(space, resolution)?))
        });
        let (grant, resolution) = match resolved {
            Ok(resolved) => resolved,
            Err(refusal) => return explanation.refused(Failure::Refused(refusal)),
        };
        if let Err(refusal) = permit(&live, grant, &resolution) {
            explanation = explanation.refused(Failure::Refused(refusal));
        }
        let original = Original::new(live.config.source.clone(), resolution.key.clone());
        explanation.original = Some(original.key.to_string());
        let rewritten = rewritten(&live, space, target, &resolution.wanted);
        explanation.cache_key = Some(rewritten.unwrap_or_else(|| resolution.canonical_path.clone()));
        let there = || canonical_path(&live.config.hosts.outward(&resolution.key), &resolution.wanted);
        explanation.canonical_path_on_host = space.map(|_| there());
        explanation.canonical_path = Some(resolution.canonical_path);
        explanation.canonical_path_note = original.key.escaped().is_digest().then(|| {
            "the key is too long to be spelled there, so its digest stands for it: this path is for caches and purges, and \
             is not answered itself"
                .to_owned()
        });
        explanation.tags = original.tags().iter().map(ToString::to_string).collect();
        explanation.quality = quality(&live.settings, &resolution.wanted);
        explanation.vary_accept = resolution.vary_accept;
        explanation.changed = resolution.changed.iter().map(ToString::to_string).collect();
        explanation.ignored = resolution.ignored;
        match self.originals.stat(original.key.as_str()).await {
            Ok(stat) => {
                let key = derivative_key(&original.key, &resolution.wanted, &stat.version, &live.revision);
                let passes = matches!(resolution.wanted, Wanted::Original)
                    && crate::origin_request::passes_as_is(&live, &resolution.wanted);
                explanation.source_says = Some(format!("present, version {}", stat.version));
                explanation.stored = Some(!passes && self.derivatives.stat(&key).await.is_ok());
                explanation.derivative_key = (!passes).then_some(key);
            }
            Err(error) => explanation.source_says = Some(Failure::from(error).detail()),
        }
        explanation
    }
}

/// What is to be said of the quality of what is wanted.
fn quality(settings: &imaging::Settings, wanted: &Wanted) -> Option<String> {
    let Wanted::Variant(variant) = wanted else { return None };
    if !variant.format().takes_quality() {
        return None;
    }
    let imaging::QualityDefaults { jpeg, webp, avif } = settings.quality_default;
    Some(match variant.quality() {
        Some(Quality::Auto) => {
            format!(
                "auto: the least that is expected to reach SSIMULACRA2 {}, told from each picture",
                settings.auto_score
            )
        }
        Some(Quality::Of(quality)) => quality.to_string(),
        None if jpeg == webp && webp == avif => format!("{jpeg}, the default"),
        None => format!("the default: JPEG {jpeg}, WebP {webp}, AVIF {avif}"),
    })
}

impl Explanation {
    fn of(target: &str) -> Self {
        Self {
            target: target.to_owned(),
            host: None,
            verdict: "allowed".to_owned(),
            status: None,
            original: None,
            source_says: None,
            canonical_path: None,
            canonical_path_on_host: None,
            canonical_path_note: None,
            cache_key: None,
            tags: Vec::new(),
            derivative_key: None,
            stored: None,
            quality: None,
            vary_accept: false,
            changed: Vec::new(),
            ignored: Vec::new(),
        }
    }

    fn refused(self, failure: Failure) -> Self {
        Self { verdict: failure.detail(), status: Some(failure.verdict().status.as_u16()), ..self }
    }
}
