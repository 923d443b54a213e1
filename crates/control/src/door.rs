//! Who may come in: the `Host` must be one we answer to (a web page elsewhere could otherwise rebind its name to our
//! address), and outside loopback a bearer token is wanted.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{AUTHORIZATION, HOST, WWW_AUTHENTICATE};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::purge_method::is_purge;

/// What a caller has to show.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    /// SHA-256 of the bearer token; `None` on loopback and on the socket, where the file system guards.
    token_sha256: Option<[u8; 32]>,
    /// SHA-256 of a token that opens the route for events alone.
    events_token_sha256: Option<[u8; 32]>,
    /// Host names answered to beside loopback's own; `None`: no check (the socket).
    hosts: Option<Vec<String>>,
}

impl Guard {
    /// For a listener: `hosts` are answered to beside `localhost` and loopback addresses, and a token, if given, is wanted.
    pub fn listener(token: Option<&str>, hosts: Vec<String>) -> Self {
        Self { token_sha256: token.map(digest), events_token_sha256: None, hosts: Some(hosts) }
    }

    /// With a token that opens the route for events and nothing else.
    #[must_use]
    pub fn with_events_token(self, token: Option<&str>) -> Self {
        Self { events_token_sha256: token.map(digest), ..self }
    }

    /// For the socket that the command line speaks through: its file permissions guard it.
    pub fn socket() -> Self {
        Self::default()
    }

    fn knows_host(&self, host: Option<&str>) -> bool {
        let Some(hosts) = &self.hosts else { return true };
        let Some(host) = host else { return false };
        let name = without_port(host);
        let loopback = name == "localhost"
            || name.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        loopback || hosts.iter().any(|known| known.eq_ignore_ascii_case(name) || known.eq_ignore_ascii_case(host))
    }

    fn knows_token(&self, authorization: Option<&str>) -> bool {
        self.token_sha256.as_ref().is_none_or(|expected| shows(authorization, expected))
    }

    /// Whether whoever delivers events showed one of the tokens that open their route, or none is wanted.
    fn lets_events_in(&self, authorization: Option<&str>) -> bool {
        let mut wanted = self.token_sha256.iter().chain(&self.events_token_sha256).peekable();
        wanted.peek().is_none() || wanted.any(|expected| shows(authorization, expected))
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// Digests are compared, so that neither length nor content of the token shows in the time it takes.
fn shows(authorization: Option<&str>, expected: &[u8; 32]) -> bool {
    let token = authorization.and_then(|value| value.strip_prefix("Bearer "));
    token.is_some_and(|token| bool::from(digest(token).ct_eq(expected)))
}

/// Whether a delivery of events showed a token; its route decides, because topics of SNS cannot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShownIn(pub(crate) bool);

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // `[::1]` has colons of its own; a port comes after the bracket.
        Some((name, port))
            if port.bytes().all(|b| b.is_ascii_digit()) && (!name.contains(':') || name.ends_with(']')) =>
        {
            name
        }
        _ => host,
    }
}

/// The layer in front of every route.
pub(crate) async fn guard(State(guard): State<Guard>, mut request: Request<Body>, next: Next) -> Response {
    if let Some(refusal) = guard.refuses(&request) {
        return refusal;
    }
    let authorization = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let shown_in = ShownIn(guard.lets_events_in(authorization));
    request.extensions_mut().insert(shown_in);
    next.run(request).await
}

impl Guard {
    fn refuses(&self, request: &Request<Body>) -> Option<Response> {
        let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
        let authority = request.uri().authority().map(|authority| authority.as_str());
        if !self.knows_host(header(HOST).or(authority)) {
            let words = "this Host is not answered to; add it to admin.hosts\n";
            return Some((StatusCode::MISDIRECTED_REQUEST, words).into_response());
        }
        // Health is asked by machines that have no token, and says nothing else. CloudFront's clients sign instead.
        let path = request.uri().path();
        // Deliveries of events are let in or refused by their route.
        let open =
            matches!(path, "/healthz" | "/readyz" | crate::events::PATH) || path.starts_with(crate::cloudfront::ROOT);
        // PURGE is about any path, and about tags whatever the path is.
        let open = open && !is_purge(request.method());
        if open || self.knows_token(header(AUTHORIZATION)) {
            return None;
        }
        let mut refusal = (StatusCode::UNAUTHORIZED, "a bearer token is wanted\n").into_response();
        refusal.headers_mut().insert(WWW_AUTHENTICATE, http::HeaderValue::from_static("Bearer"));
        Some(refusal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_and_listed_hosts_are_known() {
        let guard = Guard::listener(None, vec!["images.example".into()]);
        for good in
            ["localhost", "localhost:8081", "127.0.0.1:8081", "[::1]:8081", "[::1]", "127.9.9.9", "IMAGES.example:1"]
        {
            assert!(guard.knows_host(Some(good)), "{good}");
        }
        for bad in ["evil.example", "localhost.evil.example:8081", "10.0.0.1:8081", "", "127.0.0.1.evil.example"] {
            assert!(!guard.knows_host(Some(bad)), "{bad}");
        }
        assert!(!guard.knows_host(None));
        assert!(Guard::socket().knows_host(None));
    }

    #[test]
    fn only_the_token_opens() {
        let guard = Guard::listener(Some("secret"), Vec::new());
        assert!(guard.knows_token(Some("Bearer secret")));
        for bad in [None, Some("secret"), Some("Bearer"), Some("Bearer "), Some("Bearer secre"), Some("Bearer secret2")]
        {
            assert!(!guard.knows_token(bad), "{bad:?}");
        }
        assert!(Guard::listener(None, Vec::new()).knows_token(None));
    }

    #[test]
    fn events_have_a_token_of_their_own() {
        let guard = |admin, events| Guard::listener(admin, Vec::new()).with_events_token(events);
        let (admin, events) = (Some("Bearer admin"), Some("Bearer events"));
        for (guard, authorization, lets_in) in [
            (guard(None, None), None, true),
            (guard(None, Some("events")), None, false),
            (guard(None, Some("events")), events, true),
            (guard(Some("admin"), None), None, false),
            (guard(Some("admin"), None), admin, true),
            (guard(Some("admin"), Some("events")), admin, true),
            (guard(Some("admin"), Some("events")), events, true),
            (guard(Some("admin"), Some("events")), Some("Bearer x"), false),
        ] {
            assert_eq!(guard.lets_events_in(authorization), lets_in, "{guard:?} {authorization:?}");
        }
        assert!(!guard(Some("admin"), Some("events")).knows_token(events), "it opens nothing else");
    }
}
