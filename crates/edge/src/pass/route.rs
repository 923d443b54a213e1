//! The operator's settings for passing through: which requests are for pictures, which go to the origin, and how each
//! path's answers are cached.

use std::time::Duration;

use afterimage_cache::http::Behaviour;
use http::uri::Authority;
use http::{Method, request};

/// Who answers the paths of a behaviour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Serves {
    /// Pictures where the path has a picture's ending, else the origin.
    #[default]
    Either,
    /// Pictures only.
    Pictures,
    /// The origin only.
    Origin,
}

/// What becomes of a picture's URL before it is looked up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rewrite {
    /// The canonical path: original first, no query.
    #[default]
    None,
    /// What the published edge functions make of it, `/image/100x100/jpg/test.jpg`, with the keyed part of the query behind
    /// it. For set-ups that grew around those keys: no exact path without that query, and no single wildcard, names all
    /// sizes of an original.
    Dims,
}

/// One behaviour, who answers its paths, and how they are rewritten.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// How the answers are cached.
    pub behaviour: Behaviour,
    /// Who answers.
    pub serves: Serves,
    /// What pictures are looked up by.
    pub rewrite: Rewrite,
}

/// Passing through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassThrough {
    /// In order; the first whose pattern fits holds.
    pub routes: Vec<Route>,
    /// How long a stale answer stands in for a failing origin, where the answer itself does not say.
    pub stale_if_error: Duration,
    /// How long a request waits for another's fetch of the same key before it asks for itself.
    pub collapse_wait: Duration,
    /// The most bytes of a request's body.
    pub request_bytes_max: u64,
    /// The largest answer that is kept.
    pub item_bytes_max: u64,
    /// All answers that are on their way into the cache, in bytes; beyond it further ones are passed on and not kept.
    pub collect_bytes_max: u64,
    /// The names that the origin and this edge are reached by: `Location` and `Content-Location` on other hosts
    /// invalidate nothing.
    pub hosts: Vec<Authority>,
}

impl Default for PassThrough {
    fn default() -> Self {
        Self {
            routes: Vec::new(),
            stale_if_error: Duration::ZERO,
            collapse_wait: Duration::from_secs(5),
            request_bytes_max: 16 << 20,
            item_bytes_max: 32 << 20,
            collect_bytes_max: 64 << 20,
            hosts: Vec::new(),
        }
    }
}

/// What pictures are called.
const ENDINGS: [&str; 10] = ["jpg", "jpeg", "jpe", "jfif", "png", "gif", "webp", "avif", "svg", "bmp"];

impl PassThrough {
    /// Whether a request is for a picture: its behaviour says so, or it looks up a path with a picture's ending, or one
    /// of our canonical paths.
    pub fn is_for_pictures(&self, request: &request::Parts) -> bool {
        let path = request.uri.path();
        match self.route(path).map(|route| route.serves) {
            Some(Serves::Pictures) => true,
            Some(Serves::Origin) => false,
            Some(Serves::Either) | None => {
                let looks_up = [Method::GET, Method::HEAD, Method::OPTIONS].contains(&request.method);
                looks_up && (has_ending(path) || path.contains("/-/"))
            }
        }
    }

    /// The behaviour of a path.
    pub(crate) fn behaviour(&self, path: &str) -> Behaviour {
        self.route(path).map_or_else(Behaviour::default, |route| route.behaviour.clone())
    }

    /// The first route whose pattern a path fits.
    pub(crate) fn route(&self, path: &str) -> Option<&Route> {
        self.routes.iter().find(|route| route.behaviour.pattern.matches(path))
    }
}

fn has_ending(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.rsplit_once('.').is_some_and(|(_, ending)| ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}
