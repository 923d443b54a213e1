//! The query: form-decoded pairs, each known name at most once under any of its spellings. It knows names, not values.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::parameter::{LACKING, parameter};
use crate::target::percent_decode;
use crate::{Name, Refusal, RefusalKind};

/// What a query says, in the order it was said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    /// The known names with their values.
    pub(crate) pairs: Vec<(Name, String)>,
    /// The unknown names.
    pub(crate) unknown: Vec<String>,
}

impl Query {
    /// Reads the text after the `?`. Empty pieces are skipped; a piece without `=` has an empty value.
    pub(crate) fn new(text: &str) -> Result<Self, Refusal> {
        let mut query = Self::default();
        for piece in text.split('&').filter(|piece| !piece.is_empty()) {
            let (raw_name, raw_value) = piece.split_once('=').unwrap_or((piece, ""));
            let Some(name) = form_decode(raw_name) else {
                return Err(undecodable(raw_name, raw_value));
            };
            let (plain, is_base64) = match parameter(&name) {
                Some(_) => (&*name, false),
                None => name.strip_suffix("64").map_or((&*name, false), |plain| (plain, true)),
            };
            let Some(known) = parameter(plain) else {
                if LACKING.contains(&plain) {
                    let help =
                        format!("`{plain}` would change the picture's geometry and is not supported; leave it out");
                    return Err(Refusal::new(RefusalKind::BadRequest, help).blaming(&name, raw_value));
                }
                // Header-safe and of bounded number, whatever a viewer makes up.
                query.unknown.push(name.chars().take(40).map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect());
                continue;
            };
            if query.get(known.id).is_some() {
                let help = format!("`{}` is named twice, under this or another of its names", known.name);
                return Err(Refusal::new(RefusalKind::BadRequest, help).blaming(&name, raw_value));
            }
            let value = if is_base64 { base64_decode(raw_value) } else { form_decode(raw_value).map(Cow::into_owned) };
            query.pairs.push((known.id, value.ok_or_else(|| undecodable(&name, raw_value))?));
        }
        Ok(query)
    }

    /// The value of a known name.
    pub(crate) fn get(&self, name: Name) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }
}

/// `application/x-www-form-urlencoded`: `+` is a space, `%XX` a byte, the whole UTF-8.
fn form_decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.bytes().any(|byte| matches!(byte, b'+' | b'%')) {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    percent_decode(&text.replace('+', " "), &mut bytes).ok()?;
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

/// RFC 4648, section 5, without padding, as imgix's clients write it.
fn base64_decode(text: &str) -> Option<String> {
    String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

fn undecodable(name: &str, value: &str) -> Refusal {
    Refusal::new(RefusalKind::BadRequest, "this does not decode to UTF-8; check its `%` escapes or its base64url")
        .blaming(name, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_decoded() {
        let query = Query::new("w=400&&bg=%23ff0&ixlib=js-3.8.0&crop64=dG9wLGxlZnQ&utm_x=1&p=a+b%2Bc&flag").unwrap();
        let expected = [
            (Name::Width, "400"),
            (Name::Background, "#ff0"),
            (Name::Library, "js-3.8.0"),
            (Name::Crop, "top,left"),
            (Name::Preset, "a b+c"),
        ];
        assert_eq!(query.pairs, expected.map(|(name, value)| (name, value.to_owned())));
        assert_eq!(query.unknown, ["utm_x", "flag"]);
    }

    #[test]
    fn doubt_is_refused() {
        for bad in [
            "w=1&w=1",
            "w=1&width=2",
            "w=1&w64=MQ",
            "fm=jpg&format=png",
            "w=%",
            "w=%zz",
            "w=%ff",
            "%=1",
            "w64=M",
            "w64=MR",
            "w64=MQ==",
            "w64=_w",
            "fp-z=2",
            "fp-z64=Mg",
            "orient=3",
            "trim-tol=4",
            "s=1&s=1",
        ] {
            assert_eq!(Query::new(bad).unwrap_err().kind, RefusalKind::BadRequest, "{bad}");
        }
    }

    #[test]
    fn unknown_names_are_reported_in_safe_letters() {
        let query = Query::new("%0d%0aX=1&W=2&a%C3%A9=3").unwrap();
        assert_eq!(query.unknown, ["??X", "W", "a?"]);
    }
}
