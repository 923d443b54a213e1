//! A request that is passed through: what it is looked up by, and what of it goes to the origin.

use afterimage_cache::http::{Behaviour, Stored, as_its_own_method, forwardable_request, secondary, with_validators};
use afterimage_origin::Body;
use http::header::HOST;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, HeaderName, Method, Request, Uri, request};

use super::PassThrough;
use super::viewer::{Told, Viewer};
use crate::{Failure, asked_host};

/// One request.
pub(super) struct Asked {
    pub(super) method: Method,
    /// The viewer's own fields.
    pub(super) headers: HeaderMap,
    /// Path and query as the origin gets them.
    pub(super) target: PathAndQuery,
    /// Path and the keyed part of the query: what a fence names.
    pub(super) url: String,
    /// The first key: the URL, and the fields and cookies that the behaviour puts beside it.
    pub(super) key: String,
    pub(super) behaviour: Behaviour,
    /// The name that the viewer asked for.
    pub(super) host: Option<Authority>,
    /// What the origin is told of the viewer, where it is told anything.
    told: Option<Told>,
}

impl Asked {
    pub(super) fn new(pass: &PassThrough, parts: request::Parts) -> Result<Self, Failure> {
        let broken = |why: &str| Failure::Upstream(afterimage_origin::Error::Request(why.to_owned()));
        // What cannot be read is no host that a `Location` could name.
        let host: Option<Authority> = asked_host(&parts).ok().flatten().and_then(|host| host.parse().ok());
        let request::Parts { method, uri, headers, mut extensions, .. } = parts;
        if method == Method::CONNECT {
            return Err(broken("nobody can be connected to through this server"));
        }
        let path = uri.path();
        let behaviour = pass.behaviour(path);
        let query = behaviour.query_kept(uri.query());
        let target = match &query {
            Some(query) => format!("{path}?{query}").parse(),
            None => path.parse(),
        };
        let target = target.map_err(|_| broken("its target is no path"))?;
        let url = behaviour.path(path, uri.query());
        let names = behaviour.headers.contains(&HOST);
        let told = extensions.remove::<Viewer>().map(|viewer| Told::new(viewer, host.as_ref(), names));
        let mut beside = behaviour.beside(&headers);
        beside.extend(told.as_ref().map(Told::key));
        let key = if beside.is_empty() { url.clone() } else { format!("{url}\n{beside}") };
        Ok(Self { method, headers, target, url, key, behaviour, host, told })
    }

    /// The key of the answer that these fields select.
    pub(super) fn key_with(&self, names: &[HeaderName]) -> String {
        if names.is_empty() {
            return self.key.clone();
        }
        let selected = secondary(names, &self.headers);
        if self.key.len() == self.url.len() {
            format!("{}\n{selected}", self.url)
        } else {
            format!("{}{selected}", self.key)
        }
    }

    /// What goes to the origin: a question about `stored` where there is one.
    pub(super) fn request(&self, method: &Method, stored: Option<&Stored>, body: Body) -> Request<Body> {
        let mut headers = forwardable_request(&self.headers);
        if method.is_safe() {
            as_its_own_method(&mut headers);
        }
        if let Some(told) = &self.told {
            told.say(&mut headers);
        }
        if let Some(stored) = stored {
            with_validators(&mut headers, stored);
        }
        let mut request = Request::new(body);
        *request.method_mut() = method.clone();
        *request.uri_mut() = Uri::from(self.target.clone());
        *request.headers_mut() = headers;
        request
    }
}
