//! The front for imgproxy's URLs, as `variant` takes it: key pairs from hex, and which source URLs are originals here.

use crate::Mistake;
use crate::source::Source;
use crate::table::Settings;
use crate::value::quoted;
use afterimage_variant::{Imgproxy, KeyPair, Mapping};

/// The front, where one is set. Entries that cannot be read were reported.
pub(crate) fn front(settings: &Settings) -> Option<Imgproxy> {
    let set = &settings.imgproxy;
    let path = set.path.clone()?;
    let keys = set.keys.as_ref().map_or("", |keys| keys.expose());
    let written = set.sources.iter().filter_map(|text| mapping(text).ok());
    Some(Imgproxy {
        path,
        keys: pairs(keys).unwrap_or_default(),
        signature_bytes: set.signature_bytes,
        base_url: set.base_url.clone(),
        mappings: written.chain(own(settings)).collect(),
    })
}

/// The sources' own URLs. A folder is `local:///`, and with it what is mounted below. A mount that has hosts is left out: what is
/// asked for there is below its prefix already.
fn own(settings: &Settings) -> Vec<Mapping> {
    let url = |source: &Source| match source {
        Source::Directory(_) => "local:///".to_owned(),
        Source::Url(url) | Source::Bucket(url) if url.ends_with('/') => url.clone(),
        Source::Url(url) | Source::Bucket(url) => format!("{url}/"),
    };
    let root = settings.root_source().map(|source| Mapping { url: url(&source), prefix: String::new() });
    let shared = settings.mounts().iter().filter(|mount| mount.hosts.is_empty());
    let mounted = shared.map(|mount| {
        let url = match &mount.source {
            Source::Directory(_) => format!("local:///{}", mount.prefix),
            source => url(source),
        };
        Mapping { url, prefix: mount.prefix.clone() }
    });
    root.into_iter().chain(mounted).collect()
}

/// `PREFIX URL`, or `URL` alone.
fn mapping(text: &str) -> Result<Mapping, String> {
    let form = "write a prefix of keys and a URL, such as \"old/ s3://old-bucket/\", or the URL alone";
    let words: Vec<&str> = text.split_whitespace().collect();
    let (prefix, url) = match words[..] {
        [url] => ("", url),
        [prefix, url] if prefix.ends_with('/') => (prefix, url),
        _ => return Err(form.to_owned()),
    };
    if !url.contains("://") || !url.ends_with('/') {
        return Err("begin the URL with a scheme and end it with a slash: s3://photos/, local:///".to_owned());
    }
    Ok(Mapping { url: url.to_owned(), prefix: prefix.to_owned() })
}

/// `KEY:SALT` in hex, with commas between. The error never repeats them: they are secret.
fn pairs(text: &str) -> Result<Vec<KeyPair>, String> {
    let remedy =
        "not KEY:SALT in hex; join what IMGPROXY_KEY and IMGPROXY_SALT hold with a colon, and pairs with a comma";
    let bytes = |text: &str| {
        let digits: Option<Vec<u8>> = text.chars().map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect();
        digits
            .filter(|digits| !digits.is_empty() && digits.len().is_multiple_of(2))
            .map(|digits| digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect::<Vec<u8>>())
    };
    let pair = |text: &str| {
        let (key, salt) = text.split_once(':')?;
        Some(KeyPair { key: bytes(key)?, salt: bytes(salt)? })
    };
    text.split(',').filter(|text| !text.is_empty()).map(|text| pair(text).ok_or_else(|| remedy.to_owned())).collect()
}

/// What cannot be read.
pub(crate) fn mistakes(settings: &Settings) -> Vec<Mistake> {
    let set = &settings.imgproxy;
    let mut found = Vec::new();
    if let Some(Err(remedy)) = set.keys.as_ref().map(|keys| pairs(keys.expose())) {
        found.push(Mistake::new("imgproxy.keys", None, remedy));
    }
    for text in &set.sources {
        if let Err(remedy) = mapping(text) {
            found.push(Mistake::new("imgproxy.sources", Some(quoted(text)), remedy));
        }
    }
    let lone = [("imgproxy.keys", set.keys.is_some()), ("imgproxy.sources", !set.sources.is_empty())];
    for (key, _) in lone.iter().filter(|(_, is_set)| *is_set && set.path.is_none()) {
        found.push(Mistake::new(key, None, "means nothing without imgproxy.path; set that too, or remove this"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(&str, &str)]) -> Settings {
        Settings::load(&crate::Sources::overriding(pairs)).expect("good settings")
    }

    #[test]
    fn sources_are_found_by_their_own_urls() {
        let settings = with(&[
            ("source.directory", "/srv/pictures"),
            ("source.mounts", "web/ http://example.com/img/, team/ /srv/team"),
            ("imgproxy.path", "/"),
            ("imgproxy.sources", "old/ s3://old/, s3://new/"),
            ("imgproxy.keys", "736563726574:68656C6C6F,00:ff"),
        ]);
        let front = front(&settings).expect("a front");
        let mappings: Vec<_> = front.mappings.iter().map(|one| (one.url.as_str(), one.prefix.as_str())).collect();
        let expected = [
            ("s3://old/", "old/"),
            ("s3://new/", ""),
            ("local:///", ""),
            ("http://example.com/img/", "web/"),
            ("local:///team/", "team/"),
        ];
        assert_eq!(mappings, expected);
        assert_eq!((front.keys[0].key.as_slice(), front.keys[0].salt.as_slice()), (&b"secret"[..], &b"hello"[..]));
        assert_eq!(front.keys.len(), 2);
        assert_eq!(mistakes(&settings), []);
    }

    #[test]
    fn what_cannot_be_read_is_reported_without_the_secret() {
        for wrong in ["abc:00", "00", "00:", ":00", "zz:00", "00:00,x"] {
            assert!(pairs(wrong).is_err(), "{wrong}");
        }
        for wrong in ["old s3://old/", "s3://old", "old/", "a/ b/ s3://old/"] {
            assert!(mapping(wrong).is_err(), "{wrong}");
        }
    }
}
