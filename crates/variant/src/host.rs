//! Names of hosts: as requests bring them and as operators write them, in the one form that they are compared in.

use core::net::Ipv6Addr;
use std::borrow::Cow;

/// The longest name of a host, in bytes, and of one of its labels (RFC 1035, section 2.3.4).
const NAME_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

/// The name of the host in an authority (`Img.Example.com.:8080` is `img.example.com`), or `None` where there is none that two
/// readers would agree on. Names are compared as ASCII: one in another script has to come in its `xn--` form.
pub fn host_name(authority: &str) -> Option<Cow<'_, str>> {
    let (name, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, after) = rest.split_once(']')?;
            let address: Ipv6Addr = address.parse().ok()?;
            let port = if after.is_empty() { "" } else { after.strip_prefix(':')? };
            (Cow::Owned(format!("[{address}]")), port)
        }
        None => {
            let (name, port) = authority.split_once(':').unwrap_or((authority, ""));
            (Cow::Borrowed(domain(name)?), port)
        }
    };
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let is_folded = !name.bytes().any(|byte| byte.is_ascii_uppercase());
    Some(if is_folded { name } else { Cow::Owned(name.to_ascii_lowercase()) })
}

/// A name of one or more labels, without the dot that may end it.
fn domain(name: &str) -> Option<&str> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let fits = |label: &str| {
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    (name.len() <= NAME_BYTES_MAX && name.split('.').all(fits)).then_some(name)
}

/// A host as an operator names it, in the form that it is compared in: `img.example.com`, or `*.cdn.example`, whose `*` is any
/// one label.
///
/// # Errors
/// The remedy.
pub fn host_pattern(text: &str) -> Result<String, &'static str> {
    if !text.is_ascii() {
        return Err("write its name as DNS has it: in ASCII, each label beginning with xn--");
    }
    let (star, name) = text.strip_prefix("*.").map_or(("", text), |rest| ("*.", rest));
    if name.contains('*') {
        return Err("`*` is the whole first label and nothing else: \"*.cdn.example\"");
    }
    if name.contains(':') && !name.starts_with('[') {
        return Err("name the host without scheme and port");
    }
    let name = host_name(name).ok_or("write a host's name alone, such as \"img.example.com\" or \"*.cdn.example\"")?;
    if !star.is_empty() && (!name.contains('.') || name.starts_with('[')) {
        return Err("a `*` before a top-level name would be everybody's; write \"*.cdn.example\"");
    }
    Ok(format!("{star}{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_host_has_many_spellings() {
        for (authority, name) in [
            ("img.example.com", Some("img.example.com")),
            ("IMG.Example.com.:8080", Some("img.example.com")),
            ("localhost:", Some("localhost")),
            ("127.0.0.1:80", Some("127.0.0.1")),
            ("[::1]:80", Some("[::1]")),
            ("[0:0::1]", Some("[::1]")),
            ("xn--bcher-kva.example", Some("xn--bcher-kva.example")),
            ("a_b.example", Some("a_b.example")),
            ("", None),
            (".", None),
            ("a..b", None),
            (".a", None),
            ("a..", None),
            ("a:b", None),
            ("a:1:2", None),
            ("user@a", None),
            ("a/b", None),
            ("a%2eb", None),
            ("bücher.example", None),
            ("[::1", None),
            ("[::1]x", None),
            ("[a]", None),
            ("a b", None),
        ] {
            assert_eq!(host_name(authority).as_deref(), name, "{authority}");
        }
        let label = |bytes: usize| "a".repeat(bytes);
        assert!(host_name(&label(63)).is_some() && host_name(&label(64)).is_none());
        let long = [label(63), label(63), label(63), label(61)].join(".");
        assert!(host_name(&long).is_some_and(|name| name.len() == 253) && host_name(&format!("{long}a")).is_none());
    }

    #[test]
    fn patterns_are_hosts_or_one_star_before_one() {
        for (text, pattern) in [("IMG.example.com.", "img.example.com"), ("*.CDN.example", "*.cdn.example")] {
            assert_eq!(host_pattern(text).as_deref(), Ok(pattern));
        }
        for (wrong, words) in [
            ("bücher.example", "xn--"),
            ("*", "whole first label"),
            ("*a.example", "whole first label"),
            ("a.*.example", "whole first label"),
            ("*.*.example", "whole first label"),
            ("*.example", "top-level"),
            ("*.[::1]", "top-level"),
            ("a.example:80", "port"),
            ("https://a.example", "scheme"),
            ("", "name alone"),
            ("a b", "name alone"),
        ] {
            assert!(host_pattern(wrong).unwrap_err().contains(words), "{wrong}");
        }
    }
}
