//! Why a URL is not served: which parameter, which value, and what would help. It names no HTTP status; the edge has
//! the one table that does.

use std::fmt;

use serde::Serialize;

use crate::Name;

/// The longest piece of a viewer's text that a refusal repeats, in characters.
const REPEATED_CHARS_MAX: usize = 100;

/// What kind of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalKind {
    /// The URL says something that cannot be done.
    BadRequest,
    /// It could be done, but not for this viewer.
    Forbidden,
    /// There is nothing of this name, or nothing that this viewer may know of.
    NotFound,
    /// The signature was good until a moment that has passed.
    Expired,
    /// The URL is longer than any that we serve.
    UriTooLong,
}

impl fmt::Display for RefusalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadRequest => "the URL cannot be understood",
            Self::Forbidden => "this needs permission",
            Self::NotFound => "there is nothing here",
            Self::Expired => "the URL has expired",
            Self::UriTooLong => "the URL is too long",
        })
    }
}

/// A URL that is not served, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
pub struct Refusal {
    /// What kind.
    pub kind: RefusalKind,
    /// The parameter at fault, if it is one's.
    pub parameter: Option<String>,
    /// What it was set to, shortened.
    pub value: Option<String>,
    /// What is wrong and what would be right, in a sentence.
    pub help: String,
}

impl Refusal {
    /// A refusal that no parameter is to blame for.
    pub(crate) fn new(kind: RefusalKind, help: impl Into<String>) -> Self {
        Self { kind, parameter: None, value: None, help: help.into() }
    }

    /// Blames this parameter and value, whatever they were.
    pub(crate) fn blaming(self, parameter: &str, value: &str) -> Self {
        Self { parameter: Some(shortened(parameter)), value: Some(shortened(value)), ..self }
    }

    /// A value outside its parameter's range.
    pub(crate) fn value(name: Name, value: &str) -> Self {
        let parameter = name.parameter();
        let help = format!("`{}` takes {}", parameter.name, parameter.range);
        Self::new(RefusalKind::BadRequest, help).blaming(parameter.name, value)
    }

    /// A value that is wrong for a reason that its range does not tell.
    pub(crate) fn because(name: Name, value: &str, help: impl Into<String>) -> Self {
        Self::new(RefusalKind::BadRequest, help).blaming(name.parameter().name, value)
    }

    /// Something that this viewer may not ask for.
    pub(crate) fn forbidden(name: Name, value: &str, help: impl Into<String>) -> Self {
        Self::new(RefusalKind::Forbidden, help).blaming(name.parameter().name, value)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.kind)?;
        if let Some(parameter) = &self.parameter {
            write!(f, "{parameter}={}: ", self.value.as_deref().unwrap_or_default())?;
        }
        f.write_str(&self.help)
    }
}

fn shortened(text: &str) -> String {
    let mut shortened: String =
        text.chars().take(REPEATED_CHARS_MAX).map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect();
    if text.chars().nth(REPEATED_CHARS_MAX).is_some() {
        shortened.push('…');
    }
    shortened
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_parameter_value_and_range() {
        let refusal = Refusal::value(Name::Quality, "101");
        assert_eq!(refusal.to_string(), "the URL cannot be understood: q=101: `q` takes 1 to 100, or auto");
    }

    #[test]
    fn repeated_text_is_short_and_printable() {
        assert_eq!(shortened(&"x".repeat(100)), "x".repeat(100));
        assert_eq!(shortened(&"x".repeat(101)), format!("{}…", "x".repeat(100)));
        assert_eq!(shortened("a\r\nb"), "a\u{FFFD}\u{FFFD}b");
    }
}
