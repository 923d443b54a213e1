//! The first trigger: who asks for what, and may they? Nothing here touches a cache, a source or a store.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use afterimage_identity::{Clock, Original};
use afterimage_variant::{
    Change, Format, Grant, Refusal, RefusalKind, Resolution, Signature, Space, Wanted, canonical_path, resolve, verify,
};
use http::header::{ACCEPT, HeaderMap};
use http::{Method, request};

use crate::config::{Door, Live, OriginalsMode};
use crate::memo::Asked;
use crate::{Failure, Rewrite, host};

/// A request that policy and signature allow. Only [`enter`] makes one, and every later stage wants one.
pub(crate) struct Authorised {
    pub(crate) original: Original,
    pub(crate) wanted: Wanted,
    /// The canonical path, which is the cache key.
    pub(crate) path: String,
    pub(crate) remarks: Remarks,
    _only_here: (),
}

impl Authorised {
    /// The same request for another format of the same variant: allowed if this one was.
    pub(crate) fn in_format(&self, format: afterimage_variant::Format) -> Option<Self> {
        let Wanted::Variant(variant) = &self.wanted else { return None };
        let wanted = Wanted::Variant(Box::new(variant.with_format(format)));
        let path = canonical_path(&self.original.key, &wanted);
        Some(Self { original: self.original.clone(), wanted, path, remarks: self.remarks.clone(), _only_here: () })
    }
}

/// What the viewer is told about how its URL was understood.
#[derive(Clone, Debug, Default)]
pub(crate) struct Remarks {
    pub(crate) vary_accept: bool,
    pub(crate) changed: Vec<Change>,
    pub(crate) ignored: Vec<String>,
    /// Until when the signature allows this, in seconds from now.
    pub(crate) expires_in_s: Option<u64>,
}

/// What becomes of a request at the door.
pub(crate) enum Entered {
    Authorised(Arc<Authorised>),
    /// OPTIONS.
    Preflight,
    /// A method that nothing here answers.
    Method,
    Refused(Failure),
}

/// Resolves the URL and authorises it, or remembers that it was.
pub(crate) fn enter(live: &Live, door: Door, request: &request::Parts, clock: &dyn Clock) -> Entered {
    match request.method {
        Method::GET | Method::HEAD => {}
        Method::OPTIONS => return Entered::Preflight,
        _ => return Entered::Method,
    }
    let target = request.uri.path_and_query().map_or("/", |target| target.as_str());
    let space = match host::space(live, request) {
        Ok(space) => space,
        Err(refusal) => return Entered::Refused(Failure::Refused(refusal)),
    };
    let accept = accept(&request.headers);
    let asked = Asked { target, accept: accept.as_deref(), door, prefix: space.map(Space::prefix) };
    if let Some(authorised) = live.memo.get(&asked) {
        return Entered::Authorised(authorised);
    }
    match authorise(live, &asked, space, clock.wall()) {
        Ok(authorised) => {
            let authorised = Arc::new(authorised);
            live.memo.keep(&asked, &authorised);
            Entered::Authorised(authorised)
        }
        Err(refusal) => Entered::Refused(Failure::Refused(refusal)),
    }
}

/// Several `Accept` lines are one list (RFC 9110, 5.3). Nearly everybody sends one.
pub(crate) fn accept(headers: &HeaderMap) -> Option<Cow<'_, str>> {
    let mut lines = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let first = Cow::Borrowed(lines.next()?);
    Some(lines.fold(first, |list, line| Cow::Owned(format!("{list}, {line}"))))
}

/// What the listener and the signature together allow.
pub(crate) fn grant(live: &Live, door: Door, target: &str, wall: SystemTime) -> Result<(Grant, Option<u64>), Refusal> {
    let now_unix_s = wall.duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs());
    Ok(match (verify(&live.config.rules, target, now_unix_s)?, door) {
        (Signature::Valid { expires_unix_s, .. }, _) => {
            (Grant::Signed, expires_unix_s.map(|at| at.saturating_sub(now_unix_s)))
        }
        (Signature::Absent, Door::Public) => (Grant::Public, None),
        (Signature::Absent, Door::Open) => (Grant::Open, None),
        (Signature::Absent, Door::Trusted) => (Grant::Trusted, None),
    })
}

fn authorise(live: &Live, asked: &Asked<'_>, space: Option<&Space>, wall: SystemTime) -> Result<Authorised, Refusal> {
    let Asked { target, accept, door, .. } = *asked;
    let (grant, expires_in_s) = grant(live, door, target, wall)?;
    let resolution = live.config.hosts.place(space, resolve(&live.config.rules, target, accept, grant)?)?;
    permit(live, grant, &resolution)?;
    let Resolution { key, wanted, canonical_path, vary_accept, changed, ignored, .. } = resolution;
    let path = rewritten(live, space, target, &wanted).unwrap_or(canonical_path);
    Ok(Authorised {
        original: Original::new(live.config.source.clone(), key),
        wanted,
        path,
        remarks: Remarks { vary_accept, changed, ignored, expires_in_s },
        _only_here: (),
    })
}

/// The key that a behaviour with `rewrite = "dims"` gives a picture that was asked for by `d` and nothing else; `None`
/// where the canonical path is the key.
pub(crate) fn rewritten(live: &Live, space: Option<&Space>, target: &str, wanted: &Wanted) -> Option<String> {
    let pass = live.config.pass.as_ref()?;
    // What a host has to itself is named with its prefix, or two hosts would share a key.
    let target = space.map_or(Cow::Borrowed(target), |space| Cow::Owned(space.whole_target(target)));
    let (path, query) = target.split_once('?')?;
    let route = pass.route(path).filter(|route| route.rewrite == Rewrite::Dims)?;
    let Wanted::Variant(variant) = wanted else { return None };
    // Anything beside it would make another picture of the same size.
    if !query.starts_with("d=") || query.contains('&') {
        return None;
    }
    let (folder, name) = path.rsplit_once('/')?;
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    let format = match variant.format() {
        Format::Same => ending,
        Format::Compatible | Format::AutoAvif => return None,
        made if made.extension().eq_ignore_ascii_case(ending) => ending,
        made => made.extension(),
    };
    let (width, height) = (variant.width()?, variant.height()?);
    Some(route.behaviour.path(&format!("{folder}/{width}x{height}/{format}/{name}"), Some(query)))
}

/// What resolution alone cannot refuse: it depends on the edge's own settings.
pub(crate) fn permit(live: &Live, grant: Grant, resolution: &Resolution) -> Result<(), Refusal> {
    let refuse = |kind, help: &str| Err(Refusal { kind, parameter: None, value: None, help: help.into() });
    if resolution.needs_signature {
        return refuse(
            RefusalKind::Forbidden,
            "this server answers signed URLs only: sign it with `afterimage sign URL`",
        );
    }
    if resolution.key.is_hidden() {
        return refuse(RefusalKind::NotFound, "names that begin with a dot are never served");
    }
    let bare = matches!(resolution.wanted, Wanted::Original);
    if bare && live.config.originals == OriginalsMode::Deny && grant == Grant::Public {
        return refuse(
            RefusalKind::Forbidden,
            "originals are not served without parameters here: ask for a size, or sign",
        );
    }
    Ok(())
}
