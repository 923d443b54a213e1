//! Who asked, as far as it is believed, and what of it an origin is told. What could change an answer and is told is in the
//! key: nobody else gets an answer that was made for another scheme or name.

use std::net::IpAddr;

use http::header::{FORWARDED, HeaderMap, HeaderName, HeaderValue};
use http::uri::Authority;

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Who asked. A request that carries one as its extension tells its origin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Viewer {
    /// Its address, where that is known.
    pub address: Option<IpAddr>,
    /// Whether it asked over TLS.
    pub is_https: bool,
    /// The name it asked for, where a proxy asked us by another.
    pub host: Option<Authority>,
    /// The proxies between it and us, the nearest to us last.
    pub through: Vec<IpAddr>,
}

/// What one origin is told of a viewer.
pub(super) struct Told {
    viewer: Viewer,
    /// The name, where it is in the behaviour's key.
    host: Option<Authority>,
}

impl Told {
    /// `asked` is the name in the request; a name is told where `names` says that it is in the key.
    pub(super) fn new(viewer: Viewer, asked: Option<&Authority>, names: bool) -> Self {
        let host = viewer.host.as_ref().or(asked).filter(|_| names).cloned();
        Self { viewer, host }
    }

    /// What tells answers apart.
    pub(super) fn key(&self) -> String {
        let mut key = String::new();
        if self.viewer.is_https {
            key.push_str("https;");
        }
        if let Some(host) = &self.host {
            let host = host.as_str().to_ascii_lowercase();
            key.push_str(&format!("told={}:{host};", host.len()));
        }
        key
    }

    /// Says it in both spellings. The address is in no key: an origin that answers by it has to say that its answer is
    /// private.
    pub(super) fn say(&self, headers: &mut HeaderMap) {
        let Viewer { address, is_https, through, host: _ } = &self.viewer;
        let scheme = if *is_https { "https" } else { "http" };
        headers.insert(PROTO, HeaderValue::from_static(scheme));
        let first = address.map_or_else(|| "unknown".to_owned(), node);
        let mut forwarded = format!("for={first};proto={scheme}");
        if let Some(host) = &self.host {
            forwarded.push_str(&format!(";host=\"{host}\""));
            insert(headers, HOST, host.as_str());
        }
        through.iter().for_each(|address| forwarded.push_str(&format!(", for={}", node(*address))));
        insert(headers, FORWARDED, &forwarded);
        if let Some(address) = address {
            let path: Vec<_> = std::iter::once(address).chain(through).map(IpAddr::to_string).collect();
            insert(headers, FOR, &path.join(", "));
        }
    }
}

/// An address as RFC 7239 writes it: colons and brackets only in quotes.
fn node(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("\"[{address}]\""),
    }
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    // Addresses and authorities are visible ASCII.
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_say_the_same_and_the_key_what_an_answer_may_depend_on() {
        let at = |text: &str| text.parse::<IpAddr>().unwrap();
        let name = Authority::from_static("Www.Example:8443");
        for (viewer, names, proto, host, plain, forwarded, key) in [
            (
                Viewer::default(),
                true,
                "http",
                "Www.Example:8443",
                "",
                "for=unknown;proto=http;host=\"Www.Example:8443\"",
                "told=16:www.example:8443;",
            ),
            (
                Viewer { address: Some(at("192.0.2.1")), ..Viewer::default() },
                false,
                "http",
                "",
                "192.0.2.1",
                "for=192.0.2.1;proto=http",
                "",
            ),
            (
                Viewer {
                    address: Some(at("2001:db8::1")),
                    is_https: true,
                    host: Some(Authority::from_static("told.example")),
                    through: vec![at("10.0.0.1"), at("fd00::2")],
                },
                true,
                "https",
                "told.example",
                "2001:db8::1, 10.0.0.1, fd00::2",
                "for=\"[2001:db8::1]\";proto=https;host=\"told.example\", for=10.0.0.1, for=\"[fd00::2]\"",
                "https;told=12:told.example;",
            ),
        ] {
            let told = Told::new(viewer, Some(&name), names);
            let mut headers = HeaderMap::new();
            told.say(&mut headers);
            let text = |name| headers.get(name).map_or("", |value: &HeaderValue| value.to_str().unwrap());
            assert_eq!((text(PROTO), text(HOST), text(FOR), text(FORWARDED)), (proto, host, plain, forwarded));
            assert_eq!(told.key(), key);
        }
    }
}
