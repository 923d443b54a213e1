//! What the server says of a request on a public listener, as far as it says so before any cache: `edge::viewer_request`, whose
//! own words the test `cloudfront_function` of the command holds this to.

use afterimage_identity::OriginalKey;
use afterimage_rewrite::EdgePolicy;
use afterimage_variant::{
    Grant, Refusal, RefusalKind, Resolution, Signature, Wanted, host_name, natural_path, resolve, verify,
};

use crate::requests::Request;

/// Path and origin, or status and reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    GoesOn { path: String, origin: Option<String> },
    Refused { status: u16, reason: &'static str },
}

pub fn verdict(policy: &EdgePolicy, request: &Request) -> Verdict {
    match request.method {
        "GET" | "HEAD" => {}
        // Answered by what is behind the function, whatever it is about.
        "OPTIONS" => return Verdict::GoesOn { path: request.path.clone(), origin: None },
        _ => return Verdict::Refused { status: 405, reason: "method" },
    }
    match decided(policy, request) {
        Ok((path, origin)) => Verdict::GoesOn { path, origin },
        Err(kind) => {
            let (status, reason) = match kind {
                RefusalKind::BadRequest => (400, "bad-request"),
                RefusalKind::Forbidden => (403, "forbidden"),
                RefusalKind::NotFound => (404, "not-found"),
                RefusalKind::Expired => (403, "expired"),
                RefusalKind::UriTooLong => (414, "uri-too-long"),
            };
            Verdict::Refused { status, reason }
        }
    }
}

fn decided(policy: &EdgePolicy, request: &Request) -> Result<(String, Option<String>), RefusalKind> {
    let kind = |refusal: Refusal| refusal.kind;
    let rules = &policy.rules;
    let target = request.target();
    let space = match &request.host {
        Some(host) if !policy.hosts.is_empty() && !host.is_empty() => {
            policy.hosts.space(&host_name(host).ok_or(RefusalKind::BadRequest)?)
        }
        _ => None,
    };
    let grant = match verify(rules, &target, request.now_unix_s).map_err(kind)? {
        Signature::Valid { .. } => Grant::Signed,
        Signature::Absent => Grant::Public,
    };
    // Lines that are no visible ASCII are none, and several are one list.
    let lines: Vec<&str> = request
        .accept
        .iter()
        .map(String::as_str)
        .filter(|line| line.bytes().all(|b| b == b'\t' || (32..127).contains(&b)))
        .collect();
    let accept = (!lines.is_empty()).then(|| lines.join(", "));
    let resolution = resolve(rules, &target, accept.as_deref(), grant).map_err(kind)?;
    // Said on the function's page: canonical paths are CloudFront's names there, and no viewer's.
    if request.path.contains("/-/") {
        return Err(RefusalKind::NotFound);
    }
    let resolution = policy.hosts.place(space, resolution).map_err(kind)?;
    let Resolution { key, wanted, canonical_path, needs_signature, .. } = resolution;
    if needs_signature {
        return Err(RefusalKind::Forbidden);
    }
    if key.is_hidden() {
        return Err(RefusalKind::NotFound);
    }
    if wanted == Wanted::Original && policy.denies_originals && grant == Grant::Public {
        return Err(RefusalKind::Forbidden);
    }
    Ok(match (&policy.originals_origin, wanted) {
        (Some(origin), Wanted::Original) => (path_in_bucket(&key), Some(origin.clone())),
        _ => (canonical_path, None),
    })
}

fn path_in_bucket(key: &OriginalKey) -> String {
    // S3 decodes a path once, and `~` means itself.
    natural_path(key)
}
