//! What a request that changed something makes of what is stored (RFC 9111, 4.4).

use http::header::{CONTENT_LOCATION, HeaderMap, LOCATION};
use http::uri::{Authority, PathAndQuery};
use http::{Method, StatusCode, Uri};

/// The targets whose stored responses no longer hold: the request's own, and those of `Location` and `Content-Location`
/// when they are on one of `hosts`. Nothing after a safe method or a failure.
pub fn invalidated(
    method: &Method,
    target: &PathAndQuery,
    hosts: &[Authority],
    status: StatusCode,
    response: &HeaderMap,
) -> Vec<PathAndQuery> {
    // A method that nobody knows may change anything.
    let safe = [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE].contains(method);
    if safe || !(status.is_success() || status.is_redirection()) {
        return Vec::new();
    }
    let mut targets = vec![target.clone()];
    for name in [LOCATION, CONTENT_LOCATION] {
        let reference = response.get(name).and_then(|value| value.to_str().ok());
        if let Some(other) = reference.and_then(|reference| resolved(target, hosts, reference.trim()))
            && !targets.contains(&other)
        {
            targets.push(other);
        }
    }
    targets
}

/// A reference in the context of a target (RFC 3986, 5.2), without its fragment; `None` when it is elsewhere.
fn resolved(target: &PathAndQuery, hosts: &[Authority], reference: &str) -> Option<PathAndQuery> {
    let reference = reference.split('#').next().unwrap_or_default();
    if reference.is_empty() {
        return Some(target.clone());
    }
    let path = reference.split('?').next().unwrap_or_default();
    let is_elsewhere = reference.starts_with("//") || path.split('/').next().is_some_and(|first| first.contains(':'));
    if is_elsewhere {
        let absolute = if reference.starts_with("//") { format!("http:{reference}") } else { reference.to_owned() };
        let uri: Uri = absolute.parse().ok()?;
        let here = uri.authority().is_some_and(|authority| hosts.iter().any(|host| host == authority));
        return here.then(|| uri.path_and_query().cloned()).flatten();
    }
    let query = reference.split_once('?').map(|(_, query)| query);
    let path = match path {
        "" => target.path().to_owned(),
        path if path.starts_with('/') => without_dots(path),
        path => {
            let folder = target.path().rsplit_once('/').map_or("", |(folder, _)| folder);
            without_dots(&format!("{folder}/{path}"))
        }
    };
    match query {
        Some(query) => format!("{path}?{query}").parse().ok(),
        None => path.parse().ok(),
    }
}

fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut ends_in_folder = false;
    for segment in path.split('/').skip(1) {
        ends_in_folder = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    if ends_in_folder {
        kept.push("");
    }
    format!("/{}", kept.join("/"))
}
