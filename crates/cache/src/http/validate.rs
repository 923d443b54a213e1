//! Asking an origin whether a stored response still holds, and what its answer makes of it (RFC 9111, 4.3).

use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, DATE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MATCH,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED, RANGE,
};

use super::behaviour::Behaviour;
use super::fields::forwardable_response;
use super::freshness::{Policy, Times};
use super::stored::Stored;

/// Fields that describe the stored bytes; an answer without bytes does not change them (RFC 9111, 3.2).
const OF_THE_BYTES: [HeaderName; 4] =
    [CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, HeaderName::from_static("content-md5")];

/// Makes a request ask about the stored response: its validators take the place of the viewer's conditions and range,
/// which are judged here once the answer is known.
pub fn with_validators(request: &mut HeaderMap, stored: &Stored) {
    for name in [IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE] {
        request.remove(name);
    }
    if let Some(tag) = stored.headers.get(ETAG) {
        request.insert(IF_NONE_MATCH, tag.clone());
    }
    if let Some(date) = stored.headers.get(LAST_MODIFIED) {
        request.insert(IF_MODIFIED_SINCE, date.clone());
    }
}

/// What an answer without a body made of a stored response.
#[derive(Debug)]
pub enum Freshened {
    /// It holds, with these fields.
    Holds(Box<Stored>),
    /// The answer is about another response: nothing may be updated by it.
    Other,
}

/// Takes in a 304 to a request that carried the validators of `stored`.
pub fn freshen(
    stored: &Stored,
    request: &HeaderMap,
    answer: &HeaderMap,
    behaviour: &Behaviour,
    times: Times,
) -> Freshened {
    if is_of_another(stored, answer) {
        return Freshened::Other;
    }
    Freshened::Holds(Box::new(updated(stored, request, answer, behaviour, times)))
}

/// Takes in a successful answer to HEAD: it describes what GET would bring (RFC 9111, 4.3.5).
pub fn head_says(
    stored: &Stored,
    request: &HeaderMap,
    answer: &HeaderMap,
    behaviour: &Behaviour,
    times: Times,
) -> Freshened {
    let bytes = answer.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let other_length = bytes.is_some_and(|bytes| bytes.parse() != Ok(stored.body.len()));
    if is_of_another(stored, answer) || other_length {
        return Freshened::Other;
    }
    Freshened::Holds(Box::new(updated(stored, request, answer, behaviour, times)))
}

/// A strong validator that differs names another representation; a weak one, or a date, that differs as well.
fn is_of_another(stored: &Stored, answer: &HeaderMap) -> bool {
    let differs = |name: HeaderName| {
        let strip = |value: &HeaderValue| {
            let bytes = value.as_bytes().trim_ascii();
            bytes.strip_prefix(b"W/").unwrap_or(bytes).to_owned()
        };
        answer.get(&name).is_some_and(|value| stored.headers.get(&name).map(strip) != Some(strip(value)))
    };
    if answer.contains_key(ETAG) { differs(ETAG) } else { differs(LAST_MODIFIED) }
}

fn updated(stored: &Stored, request: &HeaderMap, answer: &HeaderMap, behaviour: &Behaviour, times: Times) -> Stored {
    let mut headers = stored.headers.clone();
    headers.remove(DATE);
    let fields = forwardable_response(answer);
    for name in fields.keys().filter(|name| !OF_THE_BYTES.contains(name)) {
        headers.remove(name);
        for value in fields.get_all(name) {
            headers.append(name, value.clone());
        }
    }
    let policy = Policy::of(&headers, times.received_wall);
    let keep = behaviour.keep(stored.status, &policy);
    Stored::new(request, (stored.status, &headers, stored.body.clone()), policy, keep, times)
}
