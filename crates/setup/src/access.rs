//! What callers of the invalidation interface name and show: the distribution's id, and access keys as CloudFront's
//! clients have them.

use std::fmt;

use crate::define::Kind;
use crate::secret::Secret;
use crate::value::{Raw, Setting};

/// The id that this edge has for CloudFront's clients: 1 to 64 of `A-Z a-z 0-9 - _`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DistributionId(String);

impl DistributionId {
    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DistributionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Setting for DistributionId {
    fn read(raw: &Raw, _: &Kind) -> Result<Self, String> {
        match raw {
            Raw::Text(text) if is_id(text, 64) => Ok(Self(text.clone())),
            _ => Err("not 1 to 64 of A-Z, a-z, 0-9, - and _; use your distribution's id, such as \"E2EXAMPLE\"".into()),
        }
    }

    fn text(&self) -> String {
        self.0.clone()
    }
}

/// One access key: its id is public, its secret is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessKey {
    /// 1 to 128 of `A-Z a-z 0-9 - _`.
    pub id: String,
    /// What its holder signs with.
    pub secret: Secret,
}

/// The access keys that may invalidate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessKeys(pub Vec<AccessKey>);

impl AccessKeys {
    /// One for each program that invalidates, and a second for each while it is replaced.
    pub const KEYS_MAX: usize = 64;
}

fn is_id(text: &str, bytes_max: usize) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=bytes_max).contains(&text.len()) && text.bytes().all(fits)
}

/// Shortest secret, in bytes: what guards the whole cache must not be guessed.
const SECRET_BYTES_MIN: usize = 16;

fn key(fields: &[(String, Raw)]) -> Result<AccessKey, String> {
    let text = |name: &str| match fields.iter().find(|(field, _)| field == name) {
        Some((_, Raw::Text(text))) => Some(text.as_str()),
        _ => None,
    };
    if let Some((unknown, _)) = fields.iter().find(|(field, _)| !["id", "secret"].contains(&field.as_str())) {
        return Err(format!("an access key has id and secret (or secret_file), no \"{unknown}\"; remove it"));
    }
    let id = text("id").ok_or("an access key without an id; write id = \"AKIA…\"")?;
    if !is_id(id, 128) {
        return Err(format!("the access key id \"{id}\" is not 1 to 128 of A-Z, a-z, 0-9, - and _"));
    }
    let secret = text("secret").ok_or_else(|| {
        format!("\"{id}\" has no secret; write secret or secret_file (`afterimage keygen` makes one)")
    })?;
    let secret = Secret::new(secret).map_err(|remedy| format!("the secret of \"{id}\" is or {remedy}"))?;
    if secret.expose().len() < SECRET_BYTES_MIN {
        return Err(format!(
            "the secret of \"{id}\" is shorter than {SECRET_BYTES_MIN} bytes; `afterimage keygen` makes one"
        ));
    }
    Ok(AccessKey { id: id.to_owned(), secret })
}

/// `ID SECRET`: one key a line, or `;` between keys.
fn from_text(text: &str) -> Result<Vec<Raw>, String> {
    let lines = text.split(['\n', ';']).map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| match line.split_whitespace().collect::<Vec<_>>()[..] {
            [id, secret] => Ok(Raw::Table(vec![
                ("id".to_owned(), Raw::Text(id.to_owned())),
                ("secret".to_owned(), Raw::Text(secret.to_owned())),
            ])),
            // Never repeat the line: it holds a secret.
            _ => Err("an access key here is \"ID SECRET\"; put \";\" or a new line between keys".to_owned()),
        })
        .collect()
}

impl Setting for AccessKeys {
    fn read(raw: &Raw, _: &Kind) -> Result<Self, String> {
        let tables = match raw {
            Raw::List(tables) => tables.clone(),
            Raw::Text(text) => from_text(text)?,
            _ => return Err("not a list of keys; write [[admin.access_keys]] and below it id and secret".into()),
        };
        if tables.len() > Self::KEYS_MAX {
            return Err(format!("{} keys; the most is {}", tables.len(), Self::KEYS_MAX));
        }
        let mut keys: Vec<AccessKey> = Vec::new();
        for table in &tables {
            let Raw::Table(fields) = table else {
                return Err("an access key is a table; write [[admin.access_keys]] and below it id and secret".into());
            };
            let key = key(fields)?;
            if keys.iter().any(|other| other.id == key.id) {
                return Err(format!("two access keys have the id \"{}\"; keep one", key.id));
            }
            keys.push(key);
        }
        Ok(Self(keys))
    }

    fn text(&self) -> String {
        self.0.iter().map(|key| format!("{} {}", key.id, key.secret.expose())).collect::<Vec<_>>().join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<AccessKeys, String> {
        AccessKeys::read(&Raw::Text(text.into()), &Kind::AccessKeys)
    }

    #[test]
    fn keys_read_and_read_back() {
        let text = "AKIAEDGE1 wJalrXUtnFEMI/K7MDENG+bPx; AKIAEDGE2 0123456789abcdef";
        let keys = read(text).unwrap();
        assert_eq!(keys.0[0].id, "AKIAEDGE1");
        assert_eq!(keys.text(), text);
        assert_eq!(read("# one\nA 0123456789abcdef\n").unwrap().0.len(), 1);
        assert!(read("").unwrap().0.is_empty());
    }

    #[test]
    fn wrong_keys_are_refused_without_showing_the_secret() {
        let long = "hunter2hunter2hunter2";
        for wrong in [
            long.to_owned(),
            "a hunter2hunter2h".replace("2h", "2"),
            format!("a b {long}"),
            format!("a/b {long}"),
            format!("a {long}; a {long}"),
            format!("{} {long}", "x".repeat(129)),
            (0..65).map(|at| format!("k{at} {long};")).collect::<String>(),
        ] {
            let error = read(&wrong).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
        assert!(read("a 0123456789abcde").is_err());
        assert!(read(&(0..64).map(|at| format!("k{at} {long};")).collect::<String>()).is_ok());
        assert!(read(&format!("{} {long}", "x".repeat(128))).is_ok());
    }

    #[test]
    fn distribution_ids_at_the_bound_and_past_it() {
        let read = |text: &str| DistributionId::read(&Raw::Text(text.into()), &Kind::DistributionId);
        assert!(read("E2_EXAMPLE-x").is_ok());
        assert!(read(&"E".repeat(64)).is_ok());
        for wrong in ["", "a b", "a/b", "é", &"E".repeat(65)] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
