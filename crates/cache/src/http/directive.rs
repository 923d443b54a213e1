//! Cache-Control and its relatives, read so that a doubt never keeps a response longer: of two values the smaller holds,
//! a number that is none is zero, and a field that does not end forbids storing.

use http::header::{CACHE_CONTROL, HeaderMap, HeaderName};
use sfv::{BareItem, Dictionary, ListEntry, Parser};

/// The longest time that is told apart from another, in seconds: what RFC 9111 says to take for anything larger.
const SECONDS_MAX: u32 = 1 << 31;

/// RFC 9213's field for every CDN cache.
const CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");
/// Its elder, which origins made for Varnish, Fastly and Akamai still send.
const SURROGATE_CONTROL: HeaderName = HeaderName::from_static("surrogate-control");
/// How this cache is addressed in `Surrogate-Control`.
const SURROGATE_NAME: &str = "afterimage";
/// What it announces itself as.
pub(crate) const SURROGATE_CAPABILITY: &str = "afterimage=\"Surrogate/1.0\"";

/// Whether a directive is there, and whether for the whole message or for some fields only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Listed {
    /// It is not there.
    #[default]
    No,
    /// It is there with a list of fields.
    Fields(Vec<HeaderName>),
    /// It is there for the whole message.
    All,
}

impl Listed {
    fn add(&mut self, value: Option<&str>) {
        let mut fields = match (std::mem::take(self), value) {
            (Self::All, _) | (_, None) => {
                *self = Self::All;
                return;
            }
            (Self::Fields(fields), Some(_)) => fields,
            (Self::No, Some(_)) => Vec::new(),
        };
        for name in value.unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty()) {
            match HeaderName::from_bytes(name.as_bytes()) {
                Ok(name) => fields.push(name),
                // A list that cannot be read may have named anything.
                Err(_) => {
                    *self = Self::All;
                    return;
                }
            }
        }
        *self = if fields.is_empty() { Self::All } else { Self::Fields(fields) };
    }

    /// Whether it holds for the whole message.
    pub fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }

    /// The fields it holds for, when only for some.
    pub fn fields(&self) -> &[HeaderName] {
        match self {
            Self::Fields(fields) => fields,
            _ => &[],
        }
    }
}

/// How stale a response a request accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxStale {
    /// However stale.
    Any,
    /// Up to so many seconds.
    Seconds(u32),
}

/// The directives of a request or a response. Times are in seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directives {
    /// `no-store`.
    pub no_store: bool,
    /// `no-cache`, or `no-cache="field"`.
    pub no_cache: Listed,
    /// `private`, or `private="field"`.
    pub private: Listed,
    /// `public`.
    pub public: bool,
    /// `must-revalidate`.
    pub must_revalidate: bool,
    /// `proxy-revalidate`.
    pub proxy_revalidate: bool,
    /// `must-understand`.
    pub must_understand: bool,
    /// `only-if-cached`.
    pub only_if_cached: bool,
    /// `max-age`.
    pub max_age: Option<u32>,
    /// `s-maxage`.
    pub s_maxage: Option<u32>,
    /// `min-fresh`.
    pub min_fresh: Option<u32>,
    /// `max-stale`.
    pub max_stale: Option<MaxStale>,
    /// `stale-while-revalidate` (RFC 5861).
    pub stale_while_revalidate: Option<u32>,
    /// `stale-if-error` (RFC 5861).
    pub stale_if_error: Option<u32>,
}

impl Directives {
    /// Those of `Cache-Control` alone, over all its lines.
    pub fn of_cache_control(headers: &HeaderMap) -> Self {
        let mut directives = Self::default();
        for line in headers.get_all(CACHE_CONTROL) {
            directives.read_line(line.as_bytes());
        }
        directives
    }

    /// Those of one line.
    pub(crate) fn of_text(line: &str) -> Self {
        let mut directives = Self::default();
        directives.read_line(line.as_bytes());
        directives
    }

    /// Those that hold for this cache, and whether a targeted field brought them; then `Cache-Control` and `Expires` are
    /// not for it (RFC 9213, 2.2). A targeted field that is empty or cannot be parsed is as if it were not there.
    pub fn of_response(headers: &HeaderMap) -> (Self, bool) {
        let targeted = if headers.contains_key(CDN_CACHE_CONTROL) { structured(headers) } else { None };
        let targeted = targeted.or_else(|| surrogate(headers));
        match targeted {
            Some(directives) => (directives, true),
            None => (Self::of_cache_control(headers), false),
        }
    }

    fn read_line(&mut self, line: &[u8]) {
        for member in Members(line) {
            match member {
                Some(member) => self.read(&String::from_utf8_lossy(member)),
                None => self.no_store = true,
            }
        }
    }

    fn read(&mut self, member: &str) {
        let member = member.trim_matches([' ', '\t']);
        let (name, value) = match member.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (member, None),
        };
        // A quoted value and a token mean the same; whitespace around the `=` is neither, and no number.
        let value = value.map(|value| value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value));
        let value = if name.ends_with([' ', '\t']) { value.map(|_| " ") } else { value };
        self.set(name.trim().to_ascii_lowercase().as_str(), value);
    }

    fn set(&mut self, name: &str, value: Option<&str>) {
        let seconds = || value.map_or(0, seconds);
        match name {
            "no-store" => self.no_store = true,
            "no-cache" => self.no_cache.add(value),
            "private" => self.private.add(value),
            "public" => self.public = true,
            "must-revalidate" => self.must_revalidate = true,
            "proxy-revalidate" => self.proxy_revalidate = true,
            "must-understand" => self.must_understand = true,
            "only-if-cached" => self.only_if_cached = true,
            "max-age" => lower(&mut self.max_age, seconds()),
            "s-maxage" => lower(&mut self.s_maxage, seconds()),
            // The larger one asks for more freshness.
            "min-fresh" => {
                self.min_fresh = Some(self.min_fresh.unwrap_or(0).max(value.map_or(SECONDS_MAX, seconds_or_max)))
            }
            "max-stale" => {
                self.max_stale = match (self.max_stale, value) {
                    (None, None) | (Some(MaxStale::Any), None) => Some(MaxStale::Any),
                    (Some(MaxStale::Seconds(one)), None) => Some(MaxStale::Seconds(one)),
                    (Some(MaxStale::Seconds(one)), Some(other)) => {
                        Some(MaxStale::Seconds(one.min(self::seconds(other))))
                    }
                    (None | Some(MaxStale::Any), Some(other)) => Some(MaxStale::Seconds(self::seconds(other))),
                }
            }
            "stale-while-revalidate" => lower(&mut self.stale_while_revalidate, seconds()),
            "stale-if-error" => lower(&mut self.stale_if_error, seconds()),
            _ => {}
        }
    }
}

fn lower(known: &mut Option<u32>, seconds: u32) {
    *known = Some(known.map_or(seconds, |known| known.min(seconds)));
}

/// Digits, saturating; anything else is zero.
fn seconds(text: &str) -> u32 {
    number(text).unwrap_or(0)
}

fn seconds_or_max(text: &str) -> u32 {
    number(text).unwrap_or(SECONDS_MAX)
}

/// Delta-seconds (RFC 9111, 1.2.2).
pub(crate) fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().map_or(SECONDS_MAX, |number: u32| number.min(SECONDS_MAX)))
}

/// The members of a comma-separated list with quoted strings; `None` where a quoted string does not end.
pub(crate) struct Members<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Members<'a> {
    type Item = Option<&'a [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let (mut quoted, mut escaped) = (false, false);
        for (at, byte) in self.0.iter().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                b',' if !quoted => {
                    let member = &self.0[..at];
                    self.0 = &self.0[at + 1..];
                    return Some(Some(member));
                }
                _ => {}
            }
        }
        let member = std::mem::take(&mut self.0);
        Some((!quoted).then_some(member))
    }
}

/// A targeted field is a Structured Fields dictionary whose directives mean what they mean in `Cache-Control`.
fn structured(headers: &HeaderMap) -> Option<Directives> {
    let lines: Vec<_> = headers.get_all(CDN_CACHE_CONTROL).iter().map(http::HeaderValue::as_bytes).collect();
    let dictionary: Dictionary = Parser::new(&lines.join(&b", "[..])).parse().ok()?;
    if dictionary.is_empty() {
        return None;
    }
    let mut directives = Directives::default();
    for (name, entry) in &dictionary {
        let item = match entry {
            ListEntry::Item(item) => &item.bare_item,
            // No directive has a list; one that has is set as if its number were none.
            ListEntry::InnerList(_) => {
                directives.set(name.as_str(), Some("("));
                continue;
            }
        };
        match item {
            BareItem::Boolean(false) => {}
            BareItem::Boolean(true) => directives.set(name.as_str(), None),
            BareItem::Integer(number) => directives.set(name.as_str(), Some(&i64::from(*number).to_string())),
            BareItem::String(text) => directives.set(name.as_str(), Some(text.as_str())),
            BareItem::Token(text) => directives.set(name.as_str(), Some(text.as_str())),
            _ => directives.set(name.as_str(), Some("?")),
        }
    }
    Some(directives)
}

/// `Surrogate-Control`: members may name the surrogate that they are for, `max-age=60;afterimage`.
fn surrogate(headers: &HeaderMap) -> Option<Directives> {
    let mut directives = None;
    for line in headers.get_all(SURROGATE_CONTROL) {
        for member in Members(line.as_bytes()) {
            let Some(member) = member else {
                return Some(Directives { no_store: true, ..Directives::default() });
            };
            let text = String::from_utf8_lossy(member);
            let mut parts = text.split(';');
            let directive = parts.next().unwrap_or_default();
            let targets: Vec<_> = parts.map(str::trim).filter(|target| !target.is_empty()).collect();
            let ours = targets.is_empty() || targets.iter().any(|target| target.eq_ignore_ascii_case(SURROGATE_NAME));
            if ours && !directive.trim().is_empty() {
                directives.get_or_insert_with(Directives::default).read(directive);
            }
        }
    }
    directives
}
