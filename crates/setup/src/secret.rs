//! Secrets: texts that no log, message or page may show. Reading them from a file is [`crate::read`]'s business.

use crate::choice::{Scheme, unknown_word};
use crate::define::Kind;
use crate::value::{Raw, Setting};
use std::fmt;

/// A text that is not shown. Its `Debug` is a mark.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The secret itself, for the one place that compares or computes with it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Secret {
    /// Takes a text as a secret; the error is the remedy.
    ///
    /// # Errors
    /// Empty, longer than 1,024 bytes, or with a space or control character inside: those come from pasting.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("empty; write a secret, or make one with `afterimage keygen`".into());
        }
        if text.len() > 1024 {
            return Err("longer than 1,024 bytes; make one with `afterimage keygen`".into());
        }
        if text.chars().any(|letter| letter.is_control() || letter.is_whitespace()) {
            return Err("has a space or control character inside; was more than the secret pasted?".into());
        }
        Ok(Self(text.to_owned()))
    }
}

impl Setting for Secret {
    fn read(raw: &Raw, _: &Kind) -> Result<Self, String> {
        match raw {
            Raw::Text(text) => Self::new(text),
            _ => Err("not a text; write it in quotes".into()),
        }
    }

    fn text(&self) -> String {
        self.0.clone()
    }
}

/// One key that signs and verifies URLs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKey {
    /// What logs call it: 1 to 64 of `A-Z a-z 0-9 - _`.
    pub name: String,
    /// How it signs.
    pub scheme: Scheme,
    /// What it signs with.
    pub secret: Secret,
}

/// Keys that verify, in order; the first one signs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SigningKeys(pub Vec<SigningKey>);

impl SigningKeys {
    /// Rotation needs two; each further one costs a digest a request.
    pub const KEYS_MAX: usize = 16;
}

/// Reads one key from its fields.
fn key(fields: &[(String, Raw)]) -> Result<SigningKey, String> {
    let text = |name: &str| {
        fields.iter().find(|(field, _)| field == name).and_then(|(_, value)| match value {
            Raw::Text(text) => Some(text.as_str()),
            _ => None,
        })
    };
    if let Some((unknown, _)) = fields.iter().find(|(field, _)| !["name", "scheme", "secret"].contains(&field.as_str()))
    {
        return Err(format!("a key has name, scheme and secret (or secret_file), no \"{unknown}\"; remove it"));
    }
    let name = text("name").ok_or("a key without a name; write name = \"2026-11\"")?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if name.is_empty() || name.len() > 64 || !name.bytes().all(fits) {
        return Err(format!("the key name \"{name}\" is not 1 to 64 of A-Z, a-z, 0-9, - and _; rename it"));
    }
    let scheme = text("scheme").unwrap_or(Scheme::HmacSha256.as_str());
    let scheme = Scheme::from_word(scheme)
        .ok_or_else(|| format!("the scheme of \"{name}\" is {}", unknown_word(scheme, Scheme::WORDS)))?;
    let secret = text("secret").ok_or_else(|| {
        format!("\"{name}\" has no secret; write secret or secret_file (`afterimage keygen` makes one)")
    })?;
    let secret = Secret::new(secret).map_err(|remedy| format!("the secret of \"{name}\" is or {remedy}"))?;
    Ok(SigningKey { name: name.to_owned(), scheme, secret })
}

/// `NAME SCHEME SECRET`, or `NAME SECRET` for the default scheme: one key a line, or `;` between keys.
fn from_text(text: &str) -> Result<Vec<Raw>, String> {
    let lines = text.split(['\n', ';']).map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (name, scheme, secret) = match words[..] {
                [name, secret] => (name, Scheme::HmacSha256.as_str(), secret),
                [name, scheme, secret] => (name, scheme, secret),
                // Never repeat the line: it holds a secret.
                _ => {
                    return Err("a key here is \"NAME SCHEME SECRET\"; put \";\" or a new line between keys".to_owned());
                }
            };
            let field = |field: &str, value: &str| (field.to_owned(), Raw::Text(value.to_owned()));
            Ok(Raw::Table(vec![field("name", name), field("scheme", scheme), field("secret", secret)]))
        })
        .collect()
}

impl Setting for SigningKeys {
    fn read(raw: &Raw, _: &Kind) -> Result<Self, String> {
        let tables = match raw {
            Raw::List(tables) => tables.clone(),
            Raw::Text(text) => from_text(text)?,
            _ => return Err("not a list of keys; write [[signing.keys]] and below it name, scheme and secret".into()),
        };
        if tables.len() > Self::KEYS_MAX {
            return Err(format!("{} keys; the most is {}", tables.len(), Self::KEYS_MAX));
        }
        let mut keys: Vec<SigningKey> = Vec::new();
        for table in &tables {
            let Raw::Table(fields) = table else {
                return Err("a key is a table; write [[signing.keys]] and below it name, scheme and secret".into());
            };
            let key = key(fields)?;
            if keys.iter().any(|other| other.name == key.name) {
                return Err(format!("two keys are called \"{}\"; rename one", key.name));
            }
            keys.push(key);
        }
        Ok(Self(keys))
    }

    fn text(&self) -> String {
        let line = |key: &SigningKey| format!("{} {} {}", key.name, key.scheme.as_str(), key.secret.expose());
        self.0.iter().map(line).collect::<Vec<_>>().join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_and_read_back() {
        let text = "2026-11 hmac-sha256 0123456789abcdef; old imgix-md5 FOO123bar";
        let keys = SigningKeys::read(&Raw::Text(text.into()), &Kind::SigningKeys).unwrap();
        assert_eq!(keys.0[1].scheme, Scheme::ImgixMd5);
        assert_eq!(keys.text(), text);
        let short =
            SigningKeys::read(&Raw::Text("# a comment\na 0123456789abcdef\n".into()), &Kind::SigningKeys).unwrap();
        assert_eq!(short.0[0].scheme, Scheme::HmacSha256);
    }

    #[test]
    fn wrong_keys_are_refused_without_showing_the_secret() {
        for wrong in [
            "hunter2hunter2",
            "a b c hunter2",
            "a md5 hunter2",
            "a/b hunter2",
            "a hunter2; a hunter2",
            &(0..17).map(|i| format!("k{i} hunter2;")).collect::<String>(),
        ] {
            let error = SigningKeys::read(&Raw::Text(wrong.into()), &Kind::SigningKeys).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
        let secret = Secret::new("hunter2").unwrap();
        assert!(!format!("{secret:?}").contains("hunter2"));
    }

    #[test]
    fn secrets_at_the_bound_and_past_it() {
        assert!(Secret::new(&"x".repeat(1024)).is_ok());
        for wrong in ["", "a b", "a\n", &"x".repeat(1025)] {
            assert!(Secret::new(wrong).is_err());
        }
    }
}
