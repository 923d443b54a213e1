//! Which requests one stored response answers: `Vary` as a list over all its lines, and the selecting fields brought to
//! one form where the standard says that a difference means nothing (RFC 9111, 4.1).

use http::header::{
    ACCEPT, ACCEPT_CHARSET, ACCEPT_ENCODING, ACCEPT_LANGUAGE, COOKIE, HeaderMap, HeaderName, REFERER, USER_AGENT, VARY,
};

use super::directive::Members;

/// More selecting fields than this are not told apart any more: such a response is not kept.
const NAMES_MAX: usize = 16;

/// What `Vary` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Varies {
    /// On these fields, sorted; none at all when there are none.
    On(Vec<HeaderName>),
    /// On something that no request shows: it answers nobody else.
    Unknowable,
}

/// The fields that a response was selected by. One `*` anywhere in the list, or what is no field name, makes it unknowable.
pub fn selecting(headers: &HeaderMap) -> Varies {
    let mut names = Vec::new();
    for member in headers.get_all(VARY).iter().flat_map(|line| Members(line.as_bytes())) {
        let Some(member) = member else { return Varies::Unknowable };
        let member = member.trim_ascii();
        if member.is_empty() {
            continue;
        }
        match HeaderName::from_bytes(member) {
            Ok(name) if name != "*" => names.push(name),
            _ => return Varies::Unknowable,
        }
    }
    names.sort_by(|one, other| one.as_str().cmp(other.as_str()));
    names.dedup();
    if names.len() > NAMES_MAX { Varies::Unknowable } else { Varies::On(names) }
}

/// The secondary key: equal for two requests exactly when a response selected by `names` for one answers the other. Each
/// part says its length, so that no value can pretend to be two.
pub fn secondary(names: &[HeaderName], request: &HeaderMap) -> String {
    let mut key = String::new();
    for name in names {
        let value = normalised(name, request);
        match value {
            Some(value) => key.push_str(&format!("{name}={}:{value};", value.len())),
            None => key.push_str(&format!("{name};")),
        }
    }
    key
}

fn normalised(name: &HeaderName, request: &HeaderMap) -> Option<String> {
    let lines: Vec<&[u8]> = request.get_all(name).iter().map(http::HeaderValue::as_bytes).collect();
    if lines.is_empty() {
        return None;
    }
    // Bytes beyond ASCII are written out, so that two of them never become one replacement character.
    let text = |bytes: &[u8]| bytes.trim_ascii().escape_ascii().to_string();
    if [USER_AGENT, COOKIE, REFERER].contains(name) {
        return Some(lines.iter().map(|line| text(line)).collect::<Vec<_>>().join(", "));
    }
    let members = lines.iter().flat_map(|line| Members(line));
    let mut members: Vec<String> = members.map(|member| member.map_or_else(|| "\"".to_owned(), text)).collect();
    if [ACCEPT, ACCEPT_CHARSET, ACCEPT_ENCODING, ACCEPT_LANGUAGE].contains(name) {
        // The order of equally wanted things means nothing, nor does case.
        members = members.iter().map(|member| preference(member)).collect();
        members.retain(|member| !member.is_empty());
        members.sort();
        members.dedup();
    }
    Some(members.join(", "))
}

/// One preference: lower case, no whitespace around `;`, a full weight left out.
fn preference(member: &str) -> String {
    let lower = member.to_ascii_lowercase();
    let parts = lower.split(';').map(str::trim);
    let is_full = |part: &&str| part.strip_prefix("q=").is_some_and(|q| q.parse() == Ok(1.0_f32));
    let parts: Vec<_> = parts.filter(|part| !is_full(part)).collect();
    parts.join(";")
}
