//! CloudFront's cache behaviours: for paths of one pattern, how long answers are kept whatever their origin says, and what
//! of a request is in the cache key.

use std::time::Duration;

use http::StatusCode;
use http::header::{COOKIE, HeaderMap, HeaderName};

use super::freshness::Policy;
use super::storing::is_cacheable_by_default;

/// A path pattern: `*` is any text, `?` any one character, everything else itself, case included. A leading `/` may be
/// left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// The longest pattern, in bytes (CloudFront's limit).
    pub const BYTES_MAX: usize = 255;

    /// Takes a pattern; `None` when it is empty or too long, or has a control character or a space.
    pub fn new(text: &str) -> Option<Self> {
        let fits = (1..=Self::BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self(text.to_owned()))
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a path, without query, is of it.
    pub fn matches(&self, path: &str) -> bool {
        let pattern = self.0.as_bytes();
        let path = path.as_bytes();
        if pattern.first().is_some_and(|first| matches!(first, b'/' | b'*')) {
            return glob(pattern, path);
        }
        glob(pattern, path) || path.strip_prefix(b"/").is_some_and(|path| glob(pattern, path))
    }
}

/// Goes back to the last `*` where the rest does not fit: never more than pattern times text steps.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(wanted) if *wanted == b'?' || *wanted == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// Bounds on how long answers are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ttl {
    /// At least so long. Above zero it overrules `no-store`, `no-cache` and `private`.
    pub min: Duration,
    /// So long where the origin says nothing.
    pub default: Duration,
    /// At most so long.
    pub max: Duration,
}

impl Default for Ttl {
    /// As the origin says, a year at most.
    fn default() -> Self {
        Self { min: Duration::ZERO, default: Duration::ZERO, max: Duration::from_secs(365 * 86_400) }
    }
}

/// How long answers of one error status are kept at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorTtl {
    /// 400 to 599.
    pub status: StatusCode,
    /// So long, or as long as the origin says if that is longer.
    pub ttl: Duration,
}

/// Which of the named parts of a request are in the key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum KeyParts {
    /// All of them.
    #[default]
    All,
    /// Those with these names, in the order that the request has them.
    Only(Vec<String>),
    /// Those with other names.
    Except(Vec<String>),
}

impl KeyParts {
    fn has(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.iter().any(|known| known == name),
            Self::Except(names) => !names.iter().any(|known| known == name),
        }
    }
}

/// What holds for the paths of one pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behaviour {
    /// Which paths.
    pub pattern: Pattern,
    /// How long.
    pub ttl: Ttl,
    /// How long errors are kept.
    pub errors: Vec<ErrorTtl>,
    /// Which query parameters are in the key, and go to the origin.
    pub query: KeyParts,
    /// Which fields are in the key, beside those of `Vary`.
    pub headers: Vec<HeaderName>,
    /// Which cookies are in the key.
    pub cookies: KeyParts,
}

impl Default for Behaviour {
    /// Any path, as HTTP has it: the whole query is in the key, and nothing is kept beyond what its origin says.
    fn default() -> Self {
        Self {
            pattern: Pattern("*".into()),
            ttl: Ttl::default(),
            errors: Vec::new(),
            query: KeyParts::All,
            headers: Vec::new(),
            cookies: KeyParts::Only(Vec::new()),
        }
    }
}

/// How long an answer is kept, and whether against its origin's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// So long; `None` when nobody says.
    pub lifetime: Option<Duration>,
    /// The operator overrules `no-store`, `no-cache` and `private`.
    pub forced: bool,
}

impl Behaviour {
    /// How long an answer with this status and policy is kept.
    pub fn keep(&self, status: StatusCode, policy: &Policy) -> Keep {
        let said = policy.lifetime;
        if let Some(error) = self.errors.iter().find(|error| error.status == status) {
            return Keep { lifetime: Some(said.unwrap_or_default().max(error.ttl)), forced: true };
        }
        let directives = &policy.directives;
        let forbids = directives.no_store || directives.no_cache.is_all() || directives.private.is_all();
        let bounded = status.as_u16() < 400;
        let Ttl { min, default, max } = self.ttl;
        let lifetime = match said {
            _ if forbids && bounded && min > Duration::ZERO => return Keep { lifetime: Some(min), forced: true },
            _ if forbids => said,
            Some(said) if bounded => Some(said.clamp(min, max.max(min))),
            Some(said) => Some(said.min(max)),
            None if bounded && is_cacheable_by_default(status) => Some(default.max(min)).filter(|ttl| !ttl.is_zero()),
            None => None,
        };
        Keep { lifetime, forced: false }
    }

    /// What a request is looked up by: path and the keyed part of the query, which is what invalidation names.
    pub fn path(&self, path: &str, query: Option<&str>) -> String {
        match self.query_kept(query) {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        }
    }

    /// The part of the query that is in the key; `None` when there is none.
    pub fn query_kept(&self, query: Option<&str>) -> Option<String> {
        let query = query?;
        if self.query == KeyParts::All {
            return Some(query.to_owned());
        }
        let kept: Vec<_> = query
            .split('&')
            .filter(|pair| !pair.is_empty() && self.query.has(pair.split('=').next().unwrap_or_default()))
            .collect();
        (!kept.is_empty()).then(|| kept.join("&"))
    }

    /// What further tells requests apart: the keyed fields and cookies. Empty when there are none.
    pub fn beside(&self, request: &HeaderMap) -> String {
        let mut key = super::secondary(&self.headers, request);
        if self.cookies == KeyParts::Only(Vec::new()) {
            return key;
        }
        let lines = request.get_all(COOKIE).iter().map(|line| line.as_bytes().escape_ascii().to_string());
        for line in lines.collect::<Vec<_>>() {
            for cookie in line.split(';').map(str::trim) {
                if self.cookies.has(cookie.split('=').next().unwrap_or_default()) {
                    key.push_str(&format!("cookie={}:{cookie};", cookie.len()));
                }
            }
        }
        key
    }
}
