//! From a raw request target to what is wanted, under which name, and what policy made of it. Pure: the same target, rules
//! and `Accept` always come to the same; nothing is looked up and nobody is asked.

use std::borrow::Cow;

use afterimage_identity::OriginalKey;
use serde::Serialize;

use crate::name::{SEPARATOR, canonical_path, key_from_escaped};
use crate::query::Query;
use crate::rules::TARGET_BYTES_MAX;
use crate::target::Target;
use crate::variant::{Quality, Variant, Wanted};
use crate::wish::{Wish, misplaced, overlay};
use crate::{Change, Format, Name, Policy, Refusal, RefusalKind, Rules, Why, limits, negotiate};

/// What the one who asks may have. Whoever calls [`resolve`] has checked it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Grant {
    /// What the policy allows everybody.
    Public,
    /// Anything inside the limits: a key has signed the target, see [`crate::verify`]. Unknown names are refused.
    Signed,
    /// Anything inside the limits: the operator has lifted the ladder, for experiments.
    Open,
    /// Any canonical path inside the limits: the policy was applied in front of this listener. A target with a query, or
    /// without a canonical path, is [`Grant::Public`]'s.
    Trusted,
}

/// What a target comes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Resolution {
    /// The original.
    pub key: OriginalKey,
    /// What is wanted of it.
    pub wanted: Wanted,
    /// The one path for this: the cache key, and what an invalidation names.
    pub canonical_path: String,
    /// Whether `Accept` had a say, so that the answer varies by it.
    pub vary_accept: bool,
    /// What is not as it was asked for.
    pub changed: Vec<Change>,
    /// Unknown names, and hints that are not understood (`crop=faces`), as they were spelled, in safe letters.
    pub ignored: Vec<String>,
    /// Only signed requests are served, and this is not one.
    pub needs_signature: bool,
}

/// Resolves a raw origin-form request target: a natural path with a query, or a canonical path.
///
/// ```
/// use afterimage_variant::{Grant, Rules, resolve};
/// let of = |target| resolve(&Rules::default(), target, Some("image/webp"), Grant::Public).unwrap().canonical_path;
/// assert_eq!(of("/p/a.jpg?d=100&auto=format"), "/p/a.jpg/-/w100-h100-crop.webp");
/// assert_eq!(of("/p/a.jpg?fm=webp&height=100&fit=cover&width=100"), "/p/a.jpg/-/w100-h100-crop.webp");
/// assert_eq!(of("/p/a.jpg"), "/p/a.jpg");
/// ```
///
/// # Errors
/// `BadRequest` names parameter, value and range; `Forbidden` says how to be allowed; `NotFound` is a path that names no
/// picture, or a canonical path that this grant may not know of; `UriTooLong`.
pub fn resolve(rules: &Rules, target: &str, accept: Option<&str>, grant: Grant) -> Result<Resolution, Refusal> {
    let raw = Target::new(target, TARGET_BYTES_MAX)?;
    if let Some((front, rest)) = rules.imgproxy.as_ref().and_then(|front| Some((front, front.claims(target)?))) {
        let translated = front.translate(rest)?;
        let mut resolution =
            in_primary_grammar(rules, Target::new(&translated.target, TARGET_BYTES_MAX)?, accept, grant)?;
        resolution.ignored.extend(translated.ignored);
        return Ok(resolution);
    }
    in_primary_grammar(rules, raw, accept, grant)
}

fn in_primary_grammar(
    rules: &Rules,
    target: Target<'_>,
    accept: Option<&str>,
    grant: Grant,
) -> Result<Resolution, Refusal> {
    let query = Query::new(target.query.unwrap_or_default())?;
    if let (Grant::Signed, Some(unknown)) = (grant, query.unknown.first()) {
        let help = format!("`{unknown}` is not a parameter; in a signed URL every name must be known");
        return Err(Refusal::new(RefusalKind::BadRequest, help).blaming(unknown, ""));
    }
    let trusted = grant == Grant::Trusted && target.query.is_none();
    let mut resolution = if trusted || target.path.contains(SEPARATOR) {
        canonical(rules, target.path, &query, grant)?
    } else {
        natural(rules, target, &query, accept, grant)?
    };
    if grant != Grant::Signed && query.get(Name::Expires).is_some() {
        resolution.ignored.push(Name::Expires.parameter().name.to_owned());
    }
    resolution.ignored.splice(0..0, query.unknown.iter().cloned());
    resolution.needs_signature = rules.require_signature && grant == Grant::Public;
    Ok(resolution)
}

/// Reads a canonical path, which names everything itself.
fn canonical(rules: &Rules, path: &str, query: &Query, grant: Grant) -> Result<Resolution, Refusal> {
    let unneeded = |name: Name| matches!(name, Name::Expires | Name::Signature | Name::Library);
    if let Some((name, text)) = query.pairs.iter().find(|(name, _)| !unneeded(*name)) {
        return Err(misplaced(*name, text, "a canonical path says everything itself and takes no parameters"));
    }
    // One answer for a name that means nothing and for one that may not be asked for.
    let nothing = || {
        Refusal::new(RefusalKind::NotFound, "the path is not the canonical name of anything that may be asked for here")
    };
    let path = path.strip_prefix('/').ok_or_else(nothing)?;
    let (escaped_key, wanted) = match path.split_once(SEPARATOR) {
        Some((escaped_key, name)) => {
            let variant = Variant::from_name(name).ok_or_else(nothing)?;
            (escaped_key, limits::check(rules, variant).map_err(|_| nothing())?.wanted())
        }
        None => (path, Wanted::Original),
    };
    if escaped_key.starts_with("=.") {
        // Whatever the digest is of, and whether there is such a key, the answer is the same.
        let help = "the path holds a digest in place of a key that is too long to be spelled; it names what is cached and stored, but not back to the original: ask by the original's own path";
        return Err(Refusal::new(RefusalKind::NotFound, help));
    }
    let key = key_from_escaped(escaped_key).ok_or_else(nothing)?;
    let allowed = match (&wanted, grant) {
        (Wanted::Variant(variant), Grant::Public) => rules.permits(variant),
        // With a query it was not the function in front of this listener that wrote it.
        (Wanted::Variant(variant), Grant::Trusted) if !query.pairs.is_empty() || !query.unknown.is_empty() => {
            rules.permits(variant)
        }
        _ => true,
    };
    if !allowed {
        return Err(nothing());
    }
    Ok(Resolution {
        canonical_path: canonical_path(&key, &wanted),
        key,
        wanted,
        vary_accept: false,
        changed: Vec::new(),
        ignored: Vec::new(),
        needs_signature: false,
    })
}

/// Reads a natural path and what its query asks for.
fn natural(
    rules: &Rules,
    target: Target<'_>,
    query: &Query,
    accept: Option<&str>,
    grant: Grant,
) -> Result<Resolution, Refusal> {
    let key = target.key()?;
    let public = matches!(grant, Grant::Public | Grant::Trusted);
    let (mut changed, mut ignored) = (Vec::new(), Vec::new());
    if public {
        rules.refuse_private_names(query)?;
    }
    let mut pairs = Cow::Borrowed(query.pairs.as_slice());
    let mut squared = false;
    if public && matches!(rules.policy, Policy::Dims { .. }) {
        squared = settle_dims(rules, pairs.to_mut(), &mut changed);
    }
    let preset = match query.get(Name::Preset) {
        None => None,
        Some(name) => Some(preset_named(rules, name)?),
    };
    if let Some(preset) = &preset {
        pairs = Cow::Owned(overlay(preset, &pairs));
    }
    let wish = Wish::new(&pairs, rules.dpr_max, &mut ignored)?;
    if wish.ratio_is_unused() {
        let text = pairs.iter().find(|(name, _)| *name == Name::Ratio).map_or("", |(_, text)| text);
        changed.push(Change::new(Name::Ratio, text, "", Why::Unused));
    }
    let mut dpr = wish.dpr.unwrap_or(100);
    if public && preset.is_some() && query.get(Name::Dpr).is_some() {
        dpr = rules.snap_preset_dpr(dpr, &mut changed);
    }
    let mut draft = wish.draft(dpr);
    if public && preset.is_none() && rules.policy == Policy::Ladder {
        draft = rules.snap_box(draft, &mut changed)?;
    } else if dpr > 100 {
        draft = limits::shrink(rules, draft, &mut changed);
    }
    let (format, vary_accept) = if squared && wish.format.is_none() && !wish.auto_format {
        // The published functions answered WebP to whoever takes it, and otherwise the original's format.
        (if negotiate::takes_webp(accept) { Format::Webp } else { Format::Same }, true)
    } else {
        wish.format(accept)
    };
    draft.quality = wish.named_quality();
    if let (Some(Quality::Of(quality)), true) = (draft.quality, query.get(Name::Quality).is_some())
        && public
        && format.takes_quality()
    {
        draft.quality = Some(Quality::Of(rules.snap_quality(quality, &mut changed)));
    }
    draft.format = format;
    if let (Some(quality), false) = (wish.quality, format.takes_quality()) {
        changed.push(Change::new(Name::Quality, quality, "", Why::Unused));
    }
    let variant = draft.canonical();
    // The policy's own boxes are inside the limits already; whatever else there is has to be.
    let wanted = limits::check(rules, variant)?.wanted();
    Ok(Resolution {
        canonical_path: canonical_path(&key, &wanted),
        key,
        wanted,
        vary_accept,
        changed,
        ignored,
        needs_signature: false,
    })
}

fn preset_named(rules: &Rules, name: &str) -> Result<Query, Refusal> {
    let Some(text) = rules.presets.get(name) else {
        let names: Vec<&str> = rules.presets.keys().map(String::as_str).take(50).collect();
        let help = if names.is_empty() {
            "this server has no presets".to_owned()
        } else {
            format!("there is no such preset; there are {}", names.join(", "))
        };
        return Err(Refusal::because(Name::Preset, name, help));
    };
    Query::new(text)
}

/// Replaces `d` by the square that the published functions' policy makes of it; whether there is one.
fn settle_dims(rules: &Rules, pairs: &mut Vec<(Name, String)>, changed: &mut Vec<Change>) -> bool {
    let Some(at) = pairs.iter().position(|(name, _)| *name == Name::Dimensions) else { return false };
    match rules.dims_square(&pairs[at].1, changed) {
        Some(square) => {
            pairs[at].1 = square.to_string();
            true
        }
        None => {
            pairs.remove(at);
            false
        }
    }
}
