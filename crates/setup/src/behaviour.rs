//! Behaviours: what holds for the paths of one pattern. Tables in the file; elsewhere one text, in which each begins with
//! its `path=`.

use std::time::Duration;

use afterimage_cache::http::{Behaviour, ErrorTtl, KeyParts, Pattern, Ttl};
use afterimage_edge::{Rewrite, Route, Serves};
use http::{HeaderName, StatusCode};

use crate::choice::unknown_word;
use crate::define::Kind;
use crate::duration::display;
use crate::value::{Raw, Setting};

/// CloudFront has 25 per distribution; more than this is a mistake.
const BEHAVIOURS_MAX: usize = 100;
/// Names of parameters, fields or cookies in one list.
const NAMES_MAX: usize = 64;

/// The behaviours, in the order in which they are tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Behaviours(pub Vec<Route>);

/// The fields of a behaviour, as they are written.
const FIELDS: [&str; 12] = [
    "path",
    "serves",
    "rewrite",
    "ttl_min",
    "ttl_default",
    "ttl_max",
    "query",
    "query_except",
    "headers",
    "cookies",
    "cookies_except",
    "errors",
];

const SERVES: [(&str, Serves); 3] =
    [("either", Serves::Either), ("pictures", Serves::Pictures), ("origin", Serves::Origin)];
const REWRITES: [(&str, Rewrite); 2] = [("none", Rewrite::None), ("dims", Rewrite::Dims)];

impl Setting for Behaviours {
    fn read(raw: &Raw, _: &Kind) -> Result<Self, String> {
        let tables = match raw {
            Raw::List(tables) => tables.clone(),
            Raw::Text(text) => from_text(text)?,
            _ => return Err("not a list; write [[behaviours]] and below it path = \"/files/*\"".into()),
        };
        if tables.len() > BEHAVIOURS_MAX {
            return Err(format!("{} behaviours; the most is {BEHAVIOURS_MAX}", tables.len()));
        }
        let mut routes: Vec<Route> = Vec::new();
        for table in &tables {
            let Raw::Table(fields) = table else {
                return Err("a behaviour is a table; write [[behaviours]] and below it path = \"/files/*\"".into());
            };
            let route = route(fields)?;
            if routes.iter().any(|other| other.behaviour.pattern == route.behaviour.pattern) {
                let pattern = route.behaviour.pattern.as_str();
                return Err(format!("\"{pattern}\" is there twice, and the second would never hold; remove one"));
            }
            routes.push(route);
        }
        Ok(Self(routes))
    }

    fn text(&self) -> String {
        self.0.iter().map(route_text).collect::<Vec<_>>().join(" ")
    }
}

/// Pairs of name and value, without spaces inside; a further `path=` begins a further behaviour.
fn from_text(text: &str) -> Result<Vec<Raw>, String> {
    let mut tables: Vec<Vec<(String, Raw)>> = Vec::new();
    for pair in text.split_whitespace() {
        let (name, value) = pair.split_once('=').ok_or_else(|| format!("\"{pair}\" is no NAME=VALUE"))?;
        let value = Raw::Text(value.to_owned());
        match tables.last_mut() {
            Some(table) if name != "path" => table.push((name.to_owned(), value)),
            None if name != "path" => {
                return Err(format!("\"{pair}\" stands before any path=; begin with path=/files/*"));
            }
            _ => tables.push(vec![(name.to_owned(), value)]),
        }
    }
    Ok(tables.into_iter().map(Raw::Table).collect())
}

fn route(fields: &[(String, Raw)]) -> Result<Route, String> {
    if let Some((name, _)) = fields.iter().find(|(name, _)| !FIELDS.contains(&name.as_str())) {
        return Err(format!("\"{name}\" is {}", unknown_word(name, &FIELDS)));
    }
    let field = |name: &str| fields.iter().find(|(known, _)| known == name).map(|(_, value)| value);
    let pattern = match field("path") {
        Some(Raw::Text(text)) => Pattern::new(text).ok_or_else(|| {
            format!(
                "\"{text}\" is no pattern: 1 to {} visible ASCII characters, * and ? among them",
                Pattern::BYTES_MAX
            )
        })?,
        _ => return Err("a behaviour has no path; write path = \"/files/*\"".into()),
    };
    let at = |remedy: String| format!("\"{}\": {remedy}", pattern.as_str());
    let default = Ttl::default();
    let ttl = Ttl {
        min: time(field("ttl_min"), default.min).map_err(at)?,
        default: time(field("ttl_default"), default.default).map_err(at)?,
        max: time(field("ttl_max"), default.max).map_err(at)?,
    };
    if ttl.min > ttl.max {
        return Err(at(format!("ttl_min ({}) is more than ttl_max ({})", display(ttl.min), display(ttl.max))));
    }
    let behaviour = Behaviour {
        ttl,
        errors: errors(field("errors")).map_err(at)?,
        query: parts(field("query"), field("query_except"), KeyParts::All, "query").map_err(at)?,
        headers: headers(field("headers")).map_err(at)?,
        cookies: parts(field("cookies"), field("cookies_except"), KeyParts::Only(Vec::new()), "cookies").map_err(at)?,
        pattern: pattern.clone(),
    };
    let serves = word(field("serves"), &SERVES).map_err(|remedy| at(format!("serves is {remedy}")))?;
    let rewrite = word(field("rewrite"), &REWRITES).map_err(|remedy| at(format!("rewrite is {remedy}")))?;
    if rewrite == Rewrite::Dims && serves == Serves::Origin {
        return Err(at("rewrite = \"dims\" names pictures; leave it out where serves is \"origin\"".into()));
    }
    Ok(Route { behaviour, serves, rewrite })
}

fn word<T: Copy + Default>(raw: Option<&Raw>, words: &[(&str, T)]) -> Result<T, String> {
    let Some(raw) = raw else { return Ok(T::default()) };
    let wanted = match raw {
        Raw::Text(text) => text.as_str(),
        _ => "",
    };
    let names: Vec<_> = words.iter().map(|(name, _)| *name).collect();
    words.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value).ok_or_else(|| unknown_word(wanted, &names))
}

fn time(raw: Option<&Raw>, default: Duration) -> Result<Duration, String> {
    let kind = Kind::Duration { min: Duration::ZERO, max: Duration::from_secs(10 * 365 * 86_400) };
    raw.map_or(Ok(default), |raw| Duration::read(raw, &kind))
}

/// Names in a list, or one text with commas.
fn names(raw: &Raw) -> Result<Vec<String>, String> {
    let names: Vec<String> = match raw {
        Raw::Text(text) => text.split(',').map(|name| name.trim().to_owned()).collect(),
        Raw::List(items) => {
            let text = |item: &Raw| match item {
                Raw::Text(text) => Ok(text.clone()),
                _ => Err(format!("{item} is no name")),
            };
            items.iter().map(text).collect::<Result<_, _>>()?
        }
        _ => return Err(format!("{raw} is no list of names")),
    };
    let fits = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && !b"&=;,".contains(&b));
    match names.iter().find(|name| !fits(name)) {
        Some(wrong) => Err(format!("\"{wrong}\" is no name: visible ASCII without & = ; and comma")),
        None if names.len() > NAMES_MAX => Err(format!("{} names; the most is {NAMES_MAX}", names.len())),
        None => Ok(names),
    }
}

fn parts(only: Option<&Raw>, except: Option<&Raw>, default: KeyParts, name: &str) -> Result<KeyParts, String> {
    match (only, except) {
        (Some(_), Some(_)) => Err(format!("{name} and {name}_except are both there; keep one")),
        (None, None) => Ok(default),
        (None, Some(except)) => Ok(KeyParts::Except(names(except)?)),
        (Some(Raw::Text(word)), None) if word == "all" => Ok(KeyParts::All),
        (Some(Raw::Text(word)), None) if word == "none" => Ok(KeyParts::Only(Vec::new())),
        (Some(only), None) => Ok(KeyParts::Only(names(only)?)),
    }
}

fn headers(raw: Option<&Raw>) -> Result<Vec<HeaderName>, String> {
    let Some(raw) = raw else { return Ok(Vec::new()) };
    let header = |name: &String| {
        HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("\"{name}\" is no name of a header field"))
    };
    names(raw)?.iter().map(header).collect()
}

/// `404:10s`, several with commas or in a list.
fn errors(raw: Option<&Raw>) -> Result<Vec<ErrorTtl>, String> {
    let Some(raw) = raw else { return Ok(Vec::new()) };
    let mut errors: Vec<ErrorTtl> = Vec::new();
    for text in names(raw)? {
        let wrong = || format!("\"{text}\" is no status and time; write 404:10s");
        let (status, ttl) = text.split_once(':').ok_or_else(wrong)?;
        let status = status.parse().ok().filter(|status| (400..600).contains(status)).ok_or_else(wrong)?;
        let status = StatusCode::from_u16(status).map_err(|_| wrong())?;
        let ttl = time(Some(&Raw::Text(ttl.to_owned())), Duration::ZERO)?;
        if errors.iter().any(|error| error.status == status) {
            return Err(format!("{} is there twice in errors; keep one", status.as_u16()));
        }
        errors.push(ErrorTtl { status, ttl });
    }
    Ok(errors)
}

/// What differs from the default, as [`from_text`] reads it.
fn route_text(route: &Route) -> String {
    let Route { behaviour, serves, rewrite } = route;
    let mut text = format!("path={}", behaviour.pattern.as_str());
    let mut add = |name: &str, value: String| text.push_str(&format!(" {name}={value}"));
    for (_, (name, _)) in SERVES.iter().map(|known| (known.1, known)).filter(|(known, _)| *known == *serves) {
        if *serves != Serves::default() {
            add("serves", (*name).to_owned());
        }
    }
    if *rewrite == Rewrite::Dims {
        add("rewrite", "dims".to_owned());
    }
    let default = Ttl::default();
    let ttl = behaviour.ttl;
    for (name, value, default) in [
        ("ttl_min", ttl.min, default.min),
        ("ttl_default", ttl.default, default.default),
        ("ttl_max", ttl.max, default.max),
    ] {
        if value != default {
            add(name, display(value));
        }
    }
    let mut add_parts = |name: &str, parts: &KeyParts, default: &KeyParts| match parts {
        _ if parts == default => {}
        KeyParts::All => add(name, "all".to_owned()),
        KeyParts::Only(names) if names.is_empty() => add(name, "none".to_owned()),
        KeyParts::Only(names) => add(name, names.join(",")),
        KeyParts::Except(names) => add(&format!("{name}_except"), names.join(",")),
    };
    add_parts("query", &behaviour.query, &KeyParts::All);
    add_parts("cookies", &behaviour.cookies, &KeyParts::Only(Vec::new()));
    if !behaviour.headers.is_empty() {
        add("headers", behaviour.headers.iter().map(HeaderName::as_str).collect::<Vec<_>>().join(","));
    }
    if !behaviour.errors.is_empty() {
        let error = |error: &ErrorTtl| format!("{}:{}", error.status.as_u16(), display(error.ttl));
        add("errors", behaviour.errors.iter().map(error).collect::<Vec<_>>().join(","));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Behaviours, String> {
        Behaviours::read(&Raw::Text(text.to_owned()), &Kind::Behaviours)
    }

    #[test]
    fn behaviours_read_and_read_back() {
        for text in [
            "",
            "path=/a/*",
            "path=/a/* serves=origin ttl_min=1m ttl_default=1d ttl_max=30d query=d,e headers=accept cookies=none",
            "path=/image/* rewrite=dims query=d path=* query_except=utm cookies_except=x errors=404:10s,503:5s",
            "path=*.php serves=origin query=none cookies=all",
        ] {
            let behaviours = read(text).unwrap();
            assert_eq!(read(&behaviours.text()), Ok(behaviours), "{text}");
        }
        let both = read("path=/a* query=d path=/b").unwrap();
        assert_eq!(both.0.len(), 2);
        assert_eq!(both.0[0].behaviour.query, KeyParts::Only(vec!["d".into()]));
    }

    #[test]
    fn tables_say_the_same() {
        let text = |text: &str| Raw::Text(text.to_owned());
        let table = Raw::Table(vec![
            ("path".into(), text("/a/*")),
            ("query".into(), Raw::List(vec![text("d"), text("e")])),
            ("errors".into(), Raw::List(vec![text("404:10s")])),
        ]);
        let found = Behaviours::read(&Raw::List(vec![table]), &Kind::Behaviours);
        assert_eq!(found, read("path=/a/* query=d,e errors=404:10s"));
    }

    #[test]
    fn each_mistake_is_said() {
        for (text, words) in [
            ("query=d", "before any path="),
            ("path=", "no pattern"),
            ("path=/a path=/a", "twice"),
            ("path=/a nonsense=1", "not one of"),
            ("path=/a serves=origins", "did you mean \"origin\""),
            ("path=/a serves=origin rewrite=dims", "names pictures"),
            ("path=/a ttl_min=2d ttl_max=1d", "more than ttl_max"),
            ("path=/a ttl_min=5", "unit"),
            ("path=/a query=d query_except=e", "keep one"),
            ("path=/a query=a&b", "no name"),
            ("path=/a headers=a:b", "no name of a header"),
            ("path=/a errors=200:5s", "404:10s"),
            ("path=/a errors=404:1s,404:2s", "twice"),
            ("path=/a errors=404", "404:10s"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
        let many = |count: usize| (0..count).map(|n| format!("path=/{n} ")).collect::<String>();
        assert!(read(&many(100)).is_ok());
        assert!(read(&many(101)).unwrap_err().contains("the most is 100"));
    }
}
