//! A setting's value before it has a type: what a file, a variable or a flag said. Turning it into a type is each type's
//! own business, behind [`Setting`]; nothing here knows a setting by name.

use crate::define::Kind;
use std::fmt;

/// A value as written. Environment and command line only know [`Raw::Text`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Raw {
    Text(String),
    Integer(i64),
    Bool(bool),
    List(Vec<Raw>),
    Table(Vec<(String, Raw)>),
    /// A TOML value that no setting takes (a float, a date, an integer beyond 64 bits), as it was written.
    Other(String),
}

impl fmt::Display for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{}", quoted(text)),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Bool(yes) => write!(f, "{yes}"),
            Self::Other(text) => f.write_str(text),
            Self::List(items) => {
                let items: Vec<String> = items.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", items.join(", "))
            }
            Self::Table(fields) => {
                let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name} = {value}")).collect();
                write!(f, "{{ {} }}", fields.join(", "))
            }
        }
    }
}

/// `text` as a TOML basic string.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            letter if letter.is_control() => quoted.push_str(&format!("\\u{:04X}", letter as u32)),
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

/// A type that a setting can have.
pub(crate) trait Setting: Sized + PartialEq {
    /// Reads a value; the error is the remedy: what is wrong and what to write.
    fn read(raw: &Raw, kind: &Kind) -> Result<Self, String>;
    /// The value in the one form that environment and command line take; reading it back gives the same value.
    fn text(&self) -> String;
}

impl Setting for bool {
    fn read(raw: &Raw, _: &Kind) -> Result<Self, String> {
        match raw {
            Raw::Bool(yes) => Ok(*yes),
            Raw::Text(text) if text == "true" => Ok(true),
            Raw::Text(text) if text == "false" => Ok(false),
            _ => Err("neither true nor false; write true or false".into()),
        }
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

/// An empty text means: not set.
impl<T: Setting> Setting for Option<T> {
    fn read(raw: &Raw, kind: &Kind) -> Result<Self, String> {
        if matches!(raw, Raw::Text(text) if text.is_empty()) {
            return Ok(None);
        }
        T::read(raw, kind).map(Some)
    }

    fn text(&self) -> String {
        self.as_ref().map(T::text).unwrap_or_default()
    }
}

impl Setting for String {
    fn read(raw: &Raw, _: &Kind) -> Result<Self, String> {
        match raw {
            Raw::Text(text) => Ok(text.trim().to_owned()),
            _ => Err("not a text; write it in quotes".into()),
        }
    }

    fn text(&self) -> String {
        self.clone()
    }
}

impl Setting for std::path::PathBuf {
    fn read(raw: &Raw, _: &Kind) -> Result<Self, String> {
        match raw {
            Raw::Text(text) if text.is_empty() => Err("empty; name a path".into()),
            Raw::Text(text) if text.contains('\0') => Err("no path may contain a NUL byte".into()),
            Raw::Text(text) if text == "~" || text.starts_with("~/") => {
                Err("`~` is not expanded here; write the whole path".into())
            }
            Raw::Text(text) => Ok(text.into()),
            _ => Err("not a path; write it in quotes".into()),
        }
    }

    fn text(&self) -> String {
        self.to_string_lossy().into_owned()
    }
}

impl Setting for std::net::SocketAddr {
    fn read(raw: &Raw, _: &Kind) -> Result<Self, String> {
        let Raw::Text(text) = raw else {
            return Err("not an address and port; try \"127.0.0.1:8080\"".into());
        };
        if let Ok(address) = text.parse() {
            return Ok(address);
        }
        // The three spellings that people carry over from other servers.
        let port = text.rsplit(':').next().and_then(|port| port.parse::<u16>().ok());
        let remedy = match (text.rsplit_once(':').map(|(host, _)| host), port) {
            (None, Some(port)) | (Some("" | "*"), Some(port)) => format!("\"127.0.0.1:{port}\" or \"0.0.0.0:{port}\""),
            (Some("localhost"), Some(port)) => format!("\"127.0.0.1:{port}\""),
            _ => "\"127.0.0.1:8080\" or \"[::1]:8080\"".to_owned(),
        };
        Err(format!("not an IP address and port; try {remedy}"))
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

/// A name that becomes part of identities: 1 to 32 of `a-z`, `0-9` and `-`.
impl Setting for afterimage_identity::SourceId {
    fn read(raw: &Raw, _: &Kind) -> Result<Self, String> {
        let Raw::Text(text) = raw else { return Err("not a name; write it in quotes".into()) };
        Self::new(text).map_err(|_| "a source's name is 1 to 32 of a-z, 0-9 and -; try \"main\"".to_owned())
    }

    fn text(&self) -> String {
        self.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    #[test]
    fn addresses_from_other_servers_are_translated() {
        for (written, remedy) in [
            ("8080", "127.0.0.1:8080"),
            (":8080", "0.0.0.0:8080"),
            ("*:80", "0.0.0.0:80"),
            ("localhost:8080", "\"127.0.0.1:8080\""),
            ("example.org:80", "[::1]:8080"),
            ("", "127.0.0.1"),
        ] {
            let error = SocketAddr::read(&Raw::Text(written.into()), &Kind::Address).unwrap_err();
            assert!(error.contains(remedy), "{written}: {error}");
        }
        assert!(SocketAddr::read(&Raw::Text("[::1]:0".into()), &Kind::Address).is_ok());
    }

    #[test]
    fn quoting_survives_toml() {
        let text = "a \"b\" \\ c\nd\u{7}";
        let table: toml::Table = toml::from_str(&format!("x = {}", quoted(text))).unwrap();
        assert_eq!(table["x"].as_str(), Some(text));
    }
}
