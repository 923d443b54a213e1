//! Whom a request is for: the one function that says which host was asked, and which part of the keys that host has.

use afterimage_variant::{Refusal, RefusalKind, Space, host_name};
use http::header::HOST;
use http::{Version, request};

use crate::config::Live;

/// The host that the viewer asked, where a peer that is believed says that it was another than the request names. Only a listener
/// that knows its peer may put this into a request's extensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardedHost(pub String);

/// The authority that a request is for, as it was sent: what a trusted peer says, else the target's own (RFC 9112, 3.2.2; in
/// HTTP/2 `:authority`), else `Host`. `None` where the request names none, as HTTP/1.0 may.
///
/// # Errors
/// `BadRequest`: several hosts, or one that cannot be read.
pub fn asked_host(request: &request::Parts) -> Result<Option<&str>, Refusal> {
    let bad = |help: &str| {
        Err(Refusal { kind: RefusalKind::BadRequest, parameter: None, value: None, help: help.to_owned() })
    };
    if let Some(ForwardedHost(host)) = request.extensions.get() {
        return Ok(Some(host));
    }
    let mut lines = request.headers.get_all(HOST).iter();
    let (line, more) = (lines.next(), lines.next());
    if more.is_some() {
        return bad("a request has one Host header");
    }
    let named = match line.map(|line| line.to_str()) {
        Some(Err(_)) => return bad("the Host header holds bytes that no host's name has"),
        Some(Ok(named)) => Some(named),
        None => None,
    };
    match (request.uri.authority().map(|authority| authority.as_str()), named) {
        // RFC 9113, 8.3.1. In HTTP/1.1 the target's authority simply stands over the header.
        (Some(target), Some(named)) if request.version == Version::HTTP_2 && !target.eq_ignore_ascii_case(named) => {
            bad("`:authority` and Host name different hosts")
        }
        (Some(host), _) | (None, Some(host)) => Ok(Some(host).filter(|host| !host.is_empty())),
        (None, None) => Ok(None),
    }
}

/// The part of the keys that the asked host has to itself; `None`: what is nobody's.
pub(crate) fn space<'a>(live: &'a Live, request: &request::Parts) -> Result<Option<&'a Space>, Refusal> {
    if live.config.hosts.is_empty() {
        return Ok(None);
    }
    match asked_host(request)? {
        Some(host) => space_of(live, host),
        None => Ok(None),
    }
}

/// Whether what is no picture may go to the origin that answers for all hosts: not what a host has to itself, whether it is asked
/// there or by a path that would share its cache keys.
pub(crate) fn may_pass(live: &Live, request: &request::Parts) -> bool {
    matches!(space(live, request), Ok(None)) && !live.config.hosts.have_path(request.uri.path())
}

/// As [`space`], of a host that is named.
pub(crate) fn space_of<'a>(live: &'a Live, host: &str) -> Result<Option<&'a Space>, Refusal> {
    if live.config.hosts.is_empty() {
        return Ok(None);
    }
    match host_name(host) {
        Some(name) => Ok(live.config.hosts.space(&name)),
        None => Err(Refusal {
            kind: RefusalKind::BadRequest,
            parameter: None,
            value: None,
            help: "the Host header names no host".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn check(version: Version, target: &str, hosts: &[&str], forwarded: Option<&str>, expected: Option<Option<&str>>) {
        let mut request = Request::builder().version(version).uri(target);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        parts.extensions.extend(
            forwarded
                .map(|host| {
                    let mut one = http::Extensions::new();
                    one.insert(ForwardedHost(host.to_owned()));
                    one
                })
                .unwrap_or_default(),
        );
        assert_eq!(asked_host(&parts).ok(), expected, "{version:?} {target} {hosts:?} {forwarded:?}");
    }

    #[test]
    fn the_target_stands_over_the_header_and_a_believed_peer_over_both() {
        let (one, two) = (Version::HTTP_11, Version::HTTP_2);
        check(one, "/a", &["h.example:80"], None, Some(Some("h.example:80")));
        check(one, "http://t.example:8080/a", &["h.example"], None, Some(Some("t.example:8080")));
        check(one, "/a", &["h.example"], Some("f.example"), Some(Some("f.example")));
        check(one, "/a", &["h.example", "h.example"], None, None);
        check(one, "http://t.example/a", &["h.example", "i.example"], None, None);
        check(one, "/a", &["h\u{e9}.example"], None, None);
        check(one, "/a", &[""], None, Some(None));
        check(Version::HTTP_10, "/a", &[], None, Some(None));
        check(two, "https://t.example/a", &[], None, Some(Some("t.example")));
        check(two, "https://t.example/a", &["T.example"], None, Some(Some("t.example")));
        check(two, "https://t.example/a", &["h.example"], None, None);
    }
}
