//! Who asked, where a proxy stands in front: what `Forwarded` (RFC 7239) or `X-Forwarded-*` say is believed as far back as
//! trusted proxies wrote it. Such a list is read from its end, which the proxy next to us wrote: the first address that is
//! no trusted proxy is the viewer, and whatever stands before it is the viewer's own invention.

use std::net::{IpAddr, SocketAddr};

use afterimage_edge::Viewer;
use afterimage_origin::Cidr;
use afterimage_setup::ForwardedBy;
use http::header::{FORWARDED, HeaderMap, HeaderName};
use http::uri::Authority;

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Proxies one behind the other; further back nobody is believed.
const HOPS_MAX: usize = 32;

/// Whose word is taken, and where it stands.
#[derive(Clone, Debug)]
pub struct Trusted {
    pub proxies: Vec<Cidr>,
    pub by: ForwardedBy,
}

/// What one proxy says of whoever asked it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Hop {
    /// `None`: it does not say, hides it, or cannot be understood.
    address: Option<IpAddr>,
    is_https: Option<bool>,
    host: Option<Authority>,
}

impl Trusted {
    fn trusts(&self, address: IpAddr) -> bool {
        self.proxies.iter().any(|range| range.contains(address))
    }

    /// Who asks over a connection from `peer`.
    pub fn viewer(&self, peer: Option<IpAddr>, is_https: bool, headers: &HeaderMap) -> Viewer {
        let peer = peer.map(|peer| peer.to_canonical());
        let mut viewer = Viewer { address: peer, is_https, ..Viewer::default() };
        let Some(mut nearest) = peer.filter(|peer| self.trusts(*peer)) else { return viewer };
        let hops = match self.by {
            ForwardedBy::Forwarded => forwarded(headers),
            ForwardedBy::XForwarded => x_forwarded(headers),
        };
        for hop in hops.into_iter().take(HOPS_MAX) {
            viewer.is_https = hop.is_https.unwrap_or(viewer.is_https);
            viewer.host = hop.host.or(viewer.host);
            // Where a proxy cannot say whom it serves, it stands for them.
            let Some(address) = hop.address else { break };
            viewer.through.push(nearest);
            viewer.address = Some(address);
            if !self.trusts(address) {
                break;
            }
            nearest = address;
        }
        viewer.through.reverse();
        viewer
    }
}

/// The hops of `Forwarded`, the nearest to us first.
fn forwarded(headers: &HeaderMap) -> Vec<Hop> {
    let lines = headers.get_all(FORWARDED).iter().rev();
    let elements = lines.flat_map(|line| split_from_end(line.to_str().unwrap_or("?"), ','));
    elements.take(HOPS_MAX).map(element).collect()
}

fn element(text: &str) -> Hop {
    let mut hop = Hop::default();
    let mut known = Vec::new();
    for pair in split_from_end(text, ';') {
        let Some((name, value)) = pair.split_once('=') else { return Hop::default() };
        let name = name.to_ascii_lowercase();
        // RFC 7239, 4: each parameter at most once. Two are a guess too many.
        let Some(value) = unquoted(value).filter(|_| !known.contains(&name)) else { return Hop::default() };
        match name.as_str() {
            "for" => hop.address = address(&value),
            "proto" => hop.is_https = scheme(&value),
            "host" => hop.host = authority(&value),
            _ => {}
        }
        known.push(name);
    }
    hop
}

/// The parts between separators outside of quotes, the last first. Quotes are counted from the end, which a trusted proxy
/// wrote: one that a viewer opened and did not close reaches no further than what the viewer wrote.
fn split_from_end(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut end, mut is_quoted) = (Vec::new(), text.len(), false);
    for (at, character) in text.char_indices().rev() {
        let is_escaped = is_quoted && text[..at].ends_with('\\');
        match character {
            '"' if !is_escaped => is_quoted = !is_quoted,
            _ if character == separator && !is_quoted => {
                parts.push(text[at + 1..end].trim());
                end = at;
            }
            _ => {}
        }
    }
    parts.push(text[..end].trim());
    parts
}

/// A token or a quoted string, as the text it stands for.
fn unquoted(value: &str) -> Option<String> {
    let Some(inner) = value.strip_prefix('"') else {
        return Some(value.to_owned()).filter(|value| !value.is_empty() && !value.contains(['"', ' ', '\t']));
    };
    let (inner, mut text, mut escaped) = (inner.strip_suffix('"')?, String::new(), false);
    for character in inner.chars() {
        match character {
            '\\' if !escaped => escaped = true,
            '"' if !escaped => return None,
            _ => {
                text.push(character);
                escaped = false;
            }
        }
    }
    (!escaped).then_some(text)
}

/// The hops of `X-Forwarded-For`, the nearest to us first, each with the scheme and name at its place from the end. A list
/// that is shorter was begun further in: its first member holds for all before it.
fn x_forwarded(headers: &HeaderMap) -> Vec<Hop> {
    let (protos, hosts) = (members(headers, &PROTO), members(headers, &HOST));
    let at = |list: &[String], place: usize| list.get(place).or(list.last()).cloned();
    let hop = |place: usize, address| Hop {
        address,
        is_https: at(&protos, place).and_then(|proto| scheme(&proto)),
        host: at(&hosts, place).and_then(|host| authority(&host)),
    };
    let addresses = members(headers, &FOR);
    // A proxy may say how it was asked without saying by whom.
    let unnamed = addresses.is_empty().then(|| hop(0, None));
    addresses.iter().enumerate().map(|(place, text)| hop(place, address(text))).chain(unnamed).collect()
}

/// The members of a list, the last first.
fn members(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let lines = headers.get_all(name).iter().rev();
    let members = lines.flat_map(|line| line.to_str().unwrap_or("?").rsplit(','));
    members.take(HOPS_MAX).map(|member| member.trim().to_owned()).collect()
}

/// An address with or without a port, in brackets or not. Names, `unknown` and `_hidden` are none.
fn address(text: &str) -> Option<IpAddr> {
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    // RFC 7239, 6: a port may be hidden too, `192.0.2.1:_x`.
    let hidden = || {
        let (node, port) = text.rsplit_once(":_")?;
        let is_hidden =
            !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        node.parse()
            .ok()
            .map(IpAddr::V4)
            .or_else(|| node.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6))
            .filter(|_| is_hidden)
    };
    let found = text.parse().ok().or_else(bracketed).or_else(|| text.parse().ok().map(|at: SocketAddr| at.ip()));
    found.or_else(hidden).map(|address| address.to_canonical())
}

fn scheme(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("https") {
        Some(true)
    } else if text.eq_ignore_ascii_case("http") {
        Some(false)
    } else {
        None
    }
}

fn authority(text: &str) -> Option<Authority> {
    text.parse().ok().filter(|_| !text.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trusted(by: ForwardedBy) -> Trusted {
        let proxies = ["10.0.0.0/8", "fd00::/8"].map(|range| range.parse().unwrap()).to_vec();
        Trusted { proxies, by }
    }

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    /// From a trusted peer, `address` is the viewer, after `through`.
    fn check(by: ForwardedBy, lines: &[(&'static str, &str)], address: &str, through: &[&str]) {
        let viewer = trusted(by).viewer("10.0.0.1".parse().ok(), false, &headers(lines));
        let path: Vec<IpAddr> = through.iter().map(|address| address.parse().unwrap()).collect();
        assert_eq!((viewer.address, viewer.through), (address.parse().ok(), path), "{lines:?}");
    }

    #[test]
    fn a_list_is_believed_from_its_end_until_somebody_who_is_not_trusted() {
        let hundred = vec!["10.0.0.2"; 100].join(", ");
        let long = format!("192.0.2.9, {hundred}");
        let path = vec!["10.0.0.2"; 31].into_iter().chain(["10.0.0.1"]).collect::<Vec<_>>();
        for (list, address, through) in [
            ("192.0.2.1", "192.0.2.1", &["10.0.0.1"][..]),
            ("198.51.100.7, 192.0.2.1", "192.0.2.1", &["10.0.0.1"]),
            ("192.0.2.1, 10.0.0.2", "192.0.2.1", &["10.0.0.2", "10.0.0.1"]),
            ("10.9.9.9, 192.0.2.1, 10.0.0.3, 10.0.0.2", "192.0.2.1", &["10.0.0.3", "10.0.0.2", "10.0.0.1"]),
            // All are ours: the farthest asked.
            ("10.0.0.3,10.0.0.2", "10.0.0.3", &["10.0.0.2", "10.0.0.1"]),
            ("192.0.2.1:4711", "192.0.2.1", &["10.0.0.1"]),
            ("2001:db8::1", "2001:db8::1", &["10.0.0.1"]),
            ("[2001:db8::1]", "2001:db8::1", &["10.0.0.1"]),
            ("[2001:db8::1]:4711", "2001:db8::1", &["10.0.0.1"]),
            ("192.0.2.1, fd00::2", "192.0.2.1", &["fd00::2", "10.0.0.1"]),
            ("::ffff:192.0.2.1, ::ffff:10.0.0.2", "192.0.2.1", &["10.0.0.2", "10.0.0.1"]),
            // What cannot be read ends it: the last proxy that is known stands for whoever asked.
            ("unknown", "10.0.0.1", &[]),
            ("192.0.2.1, _hidden, 10.0.0.2", "10.0.0.2", &["10.0.0.1"]),
            ("192.0.2.1, ", "10.0.0.1", &[]),
            ("192.0.2.1 10.0.0.2", "10.0.0.1", &[]),
            ("192.0.2.1;10.0.0.2", "10.0.0.1", &[]),
            ("192.0.2.01", "10.0.0.1", &[]),
            ("'192.0.2.1'", "10.0.0.1", &[]),
            ("<script>", "10.0.0.1", &[]),
            ("", "10.0.0.1", &[]),
            (&long, "10.0.0.2", &path),
        ] {
            check(ForwardedBy::XForwarded, &[("x-forwarded-for", list)], address, through);
        }
        // Lines follow one another.
        let lines = [("x-forwarded-for", "192.0.2.9, 192.0.2.1"), ("x-forwarded-for", "10.0.0.2")];
        check(ForwardedBy::XForwarded, &lines, "192.0.2.1", &["10.0.0.2", "10.0.0.1"]);
        check(ForwardedBy::XForwarded, &[], "10.0.0.1", &[]);
    }

    #[test]
    fn forwarded_is_read_as_rfc_7239_writes_it() {
        for (list, address, through) in [
            ("for=192.0.2.1", "192.0.2.1", &["10.0.0.1"][..]),
            ("For=\"192.0.2.1:4711\";proto=http;by=203.0.113.43", "192.0.2.1", &["10.0.0.1"]),
            ("for=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17", &["10.0.0.1"]),
            ("for=\"[2001:db8::1]\", for=10.0.0.2", "2001:db8::1", &["10.0.0.2", "10.0.0.1"]),
            ("for=192.0.2.9, for=192.0.2.1;proto=https , for=\"10.0.0.2\"", "192.0.2.1", &["10.0.0.2", "10.0.0.1"]),
            ("for=\"192.0.2.1:_port\"", "192.0.2.1", &["10.0.0.1"]),
            ("for=\"192.0.2\\.1\"", "192.0.2.1", &["10.0.0.1"]),
            ("for=192.0.2.1;host=\"a,b;c\"", "192.0.2.1", &["10.0.0.1"]),
            // What a viewer opened and did not close ends with what the viewer wrote.
            ("for=\"x, for=192.0.2.1", "192.0.2.1", &["10.0.0.1"]),
            ("for=\"x\\, for=\"[2001:db8::1]\"", "2001:db8::1", &["10.0.0.1"]),
            ("for=unknown", "10.0.0.1", &[]),
            ("for=_SEVKISEK", "10.0.0.1", &[]),
            ("for=192.0.2.1;for=192.0.2.2", "10.0.0.1", &[]),
            ("for=192.0.2.1\"", "10.0.0.1", &[]),
            ("for=", "10.0.0.1", &[]),
            ("for", "10.0.0.1", &[]),
            ("proto=https", "10.0.0.1", &[]),
            ("192.0.2.1", "10.0.0.1", &[]),
            ("for=[2001:db8::1", "10.0.0.1", &[]),
            (",,;;==\"\\", "10.0.0.1", &[]),
        ] {
            check(ForwardedBy::Forwarded, &[("forwarded", list)], address, through);
        }
        let lines = [("forwarded", "for=192.0.2.9"), ("forwarded", "for=192.0.2.1")];
        check(ForwardedBy::Forwarded, &lines, "192.0.2.1", &["10.0.0.1"]);
    }

    #[test]
    fn only_the_header_that_was_chosen_is_read_and_only_from_proxies() {
        let both = [("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=192.0.2.2;proto=https")];
        check(ForwardedBy::XForwarded, &both, "192.0.2.1", &["10.0.0.1"]);
        check(ForwardedBy::Forwarded, &both, "192.0.2.2", &["10.0.0.1"]);
        for peer in ["192.0.2.7", "127.0.0.1", "::1", "11.0.0.1", "fe80::1"] {
            for by in [ForwardedBy::XForwarded, ForwardedBy::Forwarded] {
                let peer = peer.parse().ok();
                let expected = Viewer { address: peer, ..Viewer::default() };
                assert_eq!(trusted(by).viewer(peer, false, &headers(&both)), expected);
            }
        }
        let mapped = "::ffff:10.0.0.1".parse().ok();
        let viewer = trusted(ForwardedBy::XForwarded).viewer(mapped, false, &headers(&both));
        assert_eq!(viewer.address, "192.0.2.1".parse().ok());
        assert_eq!(trusted(ForwardedBy::XForwarded).viewer(None, true, &headers(&both)).address, None);
    }

    #[test]
    fn scheme_and_name_are_those_that_the_viewer_used() {
        let check = |by, lines: &[(&'static str, &str)], is_https: bool, host: Option<&str>| {
            let viewer = trusted(by).viewer("10.0.0.1".parse().ok(), true, &headers(lines));
            assert_eq!((viewer.is_https, viewer.host.as_ref().map(Authority::as_str)), (is_https, host), "{lines:?}");
        };
        let x = |list, protos, hosts| {
            [("x-forwarded-for", list), ("x-forwarded-proto", protos), ("x-forwarded-host", hosts)]
        };
        use ForwardedBy::{Forwarded, XForwarded};
        check(XForwarded, &x("192.0.2.1", "http", "a.example"), false, Some("a.example"));
        check(XForwarded, &x("192.0.2.1", "HTTPS", "a.example:8443"), true, Some("a.example:8443"));
        check(XForwarded, &x("192.0.2.1, 10.0.0.2", "http", "a.example"), false, Some("a.example"));
        check(XForwarded, &x("192.0.2.1, 10.0.0.2", "http, https", "a.example, inner"), false, Some("a.example"));
        // What the viewer wrote before is not looked at.
        check(XForwarded, &x("9.9.9.9, 192.0.2.1", "http, https", "evil, a.example"), true, Some("a.example"));
        check(XForwarded, &x("192.0.2.1", "gopher", "user@a.example"), true, None);
        check(XForwarded, &[("x-forwarded-proto", "http")], false, None);
        check(Forwarded, &[("forwarded", "for=192.0.2.1;proto=http;host=a.example")], false, Some("a.example"));
        check(Forwarded, &[("forwarded", "for=192.0.2.9;proto=https, for=192.0.2.1;proto=http")], false, None);
        check(Forwarded, &[("forwarded", "for=192.0.2.1;proto=http, for=10.0.0.2;proto=https")], false, None);
        check(Forwarded, &[("forwarded", "for=192.0.2.1;host=\"a b\"")], true, None);
    }
}
