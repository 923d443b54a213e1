//! Mounts: sources below prefixes of keys, and the hosts that have such a prefix to themselves. Tables in the file, where a text
//! `PREFIX SOURCE` will do for the simple ones; elsewhere texts with commas between them.

use std::fmt;
use std::time::Duration;

use afterimage_identity::OriginalKey;
use afterimage_variant::{Hosts, host_pattern};

use crate::choice::unknown_word;
use crate::define::{Kind, WINDOW};
use crate::duration::display;
use crate::value::{Raw, Setting, quoted};
use crate::{Mistake, Settings, Source};

/// Each has its own connections and deadlines; more than this is a mistake.
const MOUNTS_MAX: usize = 256;
/// Hosts of one mount.
const HOSTS_MAX: usize = 256;

/// A source below a prefix of keys: what the prefix names there is asked of it, without the prefix, and of nobody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Whole segments, each with its slash: `products/`.
    pub prefix: String,
    /// Where its originals are.
    pub source: Source,
    /// The hosts that have the prefix to themselves; none: it is below the prefix's path on every host.
    pub hosts: Vec<String>,
    /// Its validation window, where it is not the usual one.
    pub window: Option<Duration>,
}

/// The mounts, in the order they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mounts(pub Vec<Mount>);

/// The fields of a mount, as they are written.
const FIELDS: [&str; 5] = ["prefix", "directory", "url", "hosts", "window"];

const FORM: &str = "write a prefix and a source, such as \"products/ https://origin.example/pictures/\"";

impl Mount {
    /// Reads `PREFIX [hosts=HOST;HOST] [window=TIME] SOURCE`.
    ///
    /// # Errors
    /// The remedy.
    fn parse(text: &str) -> Result<Self, String> {
        let (prefix, mut rest) = text.trim().split_once(' ').ok_or(FORM)?;
        let mut fields = vec![("prefix".to_owned(), Raw::Text(prefix.to_owned()))];
        while let Some((name, after)) =
            rest.trim_start().split_once('=').filter(|(name, _)| ["hosts", "window"].contains(name))
        {
            let (value, after) = after.split_once(' ').ok_or(FORM)?;
            let value = match name {
                "hosts" => Raw::List(value.split(';').map(|host| Raw::Text(host.to_owned())).collect()),
                _ => Raw::Text(value.to_owned()),
            };
            fields.push((name.to_owned(), value));
            rest = after;
        }
        let field = match Source::named(rest.trim()).directory() {
            Some(_) => "directory",
            None => "url",
        };
        fields.push((field.to_owned(), Raw::Text(rest.trim().to_owned())));
        Self::read(&fields)
    }

    /// Reads a table.
    ///
    /// # Errors
    /// The remedy.
    fn read(fields: &[(String, Raw)]) -> Result<Self, String> {
        if let Some((name, _)) = fields.iter().find(|(name, _)| !FIELDS.contains(&name.as_str())) {
            return Err(format!("\"{name}\" is {}", unknown_word(name, &FIELDS)));
        }
        let field = |name: &str| fields.iter().find(|(known, _)| known == name).map(|(_, value)| value);
        let text = |name: &str| match field(name) {
            Some(Raw::Text(text)) if !text.is_empty() => Ok(Some(text.as_str())),
            Some(other) => Err(format!("{name} = {other} is no text; write it in quotes")),
            None => Ok(None),
        };
        let prefix = text("prefix")?.ok_or("a mount has no prefix; write prefix = \"products/\"")?;
        let at = |remedy: String| format!("{}: {remedy}", quoted(prefix));
        check_prefix(prefix).map_err(at)?;
        let source = match (text("directory")?, text("url")?) {
            (Some(path), None) => Source::Directory(path.into()),
            (None, Some(url)) => Source::named(url),
            (Some(_), Some(_)) => return Err(at("directory and url are both there; keep one".to_owned())),
            (None, None) => return Err(at("it has no source; write directory or url".to_owned())),
        };
        if source.directory().is_some_and(|path| !path.is_absolute()) {
            return Err(at("write the whole path of its folder".to_owned()));
        }
        let window = field("window").map(|raw| Duration::read(raw, &WINDOW)).transpose();
        let window = window.map_err(|remedy| at(format!("window is {remedy}")))?;
        Ok(Self { prefix: prefix.to_owned(), source, hosts: hosts(field("hosts")).map_err(at)?, window })
    }
}

fn check_prefix(prefix: &str) -> Result<(), String> {
    let inner = prefix.strip_suffix('/').ok_or("end the prefix with a slash, such as products/")?;
    let key = OriginalKey::new(inner).map_err(|error| format!("its prefix cannot begin a key: {error}"))?;
    if key.is_hidden() {
        return Err("names that begin with a dot are never served; name it otherwise".to_owned());
    }
    Ok(())
}

fn hosts(raw: Option<&Raw>) -> Result<Vec<String>, String> {
    let list = match raw {
        None => return Ok(Vec::new()),
        Some(Raw::List(list)) => list.as_slice(),
        Some(one @ Raw::Text(_)) => std::slice::from_ref(one),
        Some(other) => return Err(format!("hosts = {other} is no list; write [\"img.example.com\"]")),
    };
    if list.is_empty() {
        // Whoever meant to wall it off must not get it served everywhere instead.
        return Err(
            "hosts is empty; name one, or leave hosts out to serve the mount below its prefix on every host".into()
        );
    }
    if list.len() > HOSTS_MAX {
        return Err(format!("{} hosts; the most is {HOSTS_MAX}", list.len()));
    }
    let host = |raw: &Raw| match raw {
        Raw::Text(text) => host_pattern(text.trim()).map_err(|remedy| format!("hosts: {}: {remedy}", quoted(text))),
        other => Err(format!("hosts: {other} is no text; write it in quotes")),
    };
    list.iter().map(host).collect()
}

impl fmt::Display for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.prefix)?;
        if !self.hosts.is_empty() {
            write!(f, "hosts={} ", self.hosts.join(";"))?;
        }
        if let Some(window) = self.window {
            write!(f, "window={} ", display(window))?;
        }
        write!(f, "{}", self.source)
    }
}

impl Setting for Mounts {
    fn read(raw: &Raw, _: &Kind) -> Result<Self, String> {
        let entries = match raw {
            Raw::List(entries) => entries.clone(),
            Raw::Text(text) if text.trim().is_empty() => Vec::new(),
            Raw::Text(text) => text.split(',').map(|entry| Raw::Text(entry.to_owned())).collect(),
            _ => return Err("not a list; write [[source.mounts]] and below it prefix, and directory or url".into()),
        };
        if entries.len() > MOUNTS_MAX {
            return Err(format!("{} mounts; the most is {MOUNTS_MAX}", entries.len()));
        }
        let read = |entry: &Raw| match entry {
            Raw::Text(text) => Mount::parse(text),
            Raw::Table(fields) => Mount::read(fields),
            other => Err(format!("{other} is no mount; {FORM}")),
        };
        let (read, wrong): (Vec<_>, Vec<_>) = entries.iter().map(read).partition(Result::is_ok);
        let wrong: Vec<String> = wrong.into_iter().filter_map(Result::err).collect();
        if wrong.is_empty() { Ok(Self(read.into_iter().flatten().collect())) } else { Err(wrong.join("; ")) }
    }

    fn text(&self) -> String {
        self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }
}

impl Settings {
    /// The sources below prefixes, in the order they are written.
    pub fn mounts(&self) -> &[Mount] {
        &self.source.mounts.0
    }

    /// Which hosts have which part of the keys.
    ///
    /// # Errors
    /// What would make that a matter of opinion.
    pub fn hosts(&self) -> Result<Hosts, Vec<Mistake>> {
        let with_hosts = self.mounts().iter().filter(|mount| !mount.hosts.is_empty());
        Hosts::new(with_hosts.map(|mount| (mount.prefix.as_str(), mount.hosts.as_slice()))).map_err(|found| {
            let mistake =
                |one: afterimage_variant::Mistake| Mistake::new("source.mounts", Some(quoted(&one.value)), one.remedy);
            found.into_iter().map(mistake).collect()
        })
    }
}

/// What is wrong with the mounts together.
pub(crate) fn mistakes(settings: &Settings) -> Vec<Mistake> {
    let mut found = Vec::new();
    let mounts = settings.mounts();
    let mut wrong = |mount: &Mount, remedy: String| {
        found.push(Mistake::new("source.mounts", Some(quoted(&mount.to_string())), remedy));
    };
    for (at, mount) in mounts.iter().enumerate() {
        for other in &mounts[..at] {
            let (outer, inner) = if mount.prefix.len() < other.prefix.len() { (mount, other) } else { (other, mount) };
            if outer.prefix == inner.prefix {
                wrong(mount, "its prefix is mounted twice; keep one".to_owned());
            } else if inner.prefix.starts_with(&outer.prefix) && !(outer.hosts.is_empty() && inner.hosts.is_empty()) {
                let (outer, inner) = (&outer.prefix, &inner.prefix);
                wrong(
                    mount,
                    format!("{inner} lies below {outer}, and one of them is its hosts' alone; keep them apart"),
                );
            }
        }
    }
    // What only its hosts may reach must not be reached as part of another source.
    let root = settings.root_source();
    let others =
        || root.iter().map(|source| ("", source)).chain(mounts.iter().map(|it| (it.prefix.as_str(), &it.source)));
    for mount in mounts.iter().filter(|mount| !mount.hosts.is_empty()) {
        for (prefix, outer) in others().filter(|(prefix, _)| *prefix != mount.prefix) {
            let Some(inner) = outer.below(&mount.source) else { continue };
            // Under its own name it is hidden by the mount.
            if format!("{prefix}{inner}") != mount.prefix {
                let remedy = format!("lies inside {outer}, where other hosts reach it; choose a place apart from it");
                wrong(mount, remedy);
            }
        }
    }
    if let Err(more) = settings.hosts() {
        found.extend(more.into_iter().filter(|more| !more.remedy.starts_with("lies below")));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sources;
    use std::path::PathBuf;

    #[test]
    fn texts_and_tables_are_the_same_mounts() {
        let text = "a/b/ https://origin.example/x/, t/ hosts=IMG.example.com.;*.cdn.example window=30s /srv/a b";
        let toml = "[source]\nmounts = [\n\"a/b/ https://origin.example/x/\",\n{ prefix = \"t/\", directory = \"/srv/a b\", \
                    hosts = [\"IMG.example.com.\", \"*.cdn.example\"], window = \"30s\" },\n]\n[origin]\nallow = []\n";
        let tables = "[[source.mounts]]\nprefix = \"a/b/\"\nurl = \"https://origin.example/x/\"\n[[source.mounts]]\n\
                      prefix = \"t/\"\ndirectory = \"/srv/a b\"\nhosts = [\"img.example.com\", \"*.cdn.example\"]\nwindow = \"30s\"\n";
        let mounts = Mounts::read(&Raw::Text(text.into()), &Kind::Mounts).unwrap();
        assert_eq!(mounts.0[0].source, Source::Url("https://origin.example/x/".into()));
        assert_eq!(mounts.0[1].source, Source::Directory(PathBuf::from("/srv/a b")));
        assert_eq!(mounts.0[1].hosts, ["img.example.com", "*.cdn.example"]);
        assert_eq!(mounts.0[1].window, Some(Duration::from_secs(30)));
        assert_eq!(Mounts::read(&Raw::Text(mounts.text()), &Kind::Mounts).unwrap(), mounts);
        for file in [toml, tables] {
            let sources = Sources { file: Some(("a.toml".into(), file.to_owned())), ..Sources::default() };
            match Settings::load(&sources) {
                Ok(settings) => assert_eq!(settings.source.mounts, mounts),
                // Without TLS in this build https is a mistake, and the only one.
                Err(found) => assert!(found.iter().all(|one| one.remedy.contains("TLS")), "{found:?}"),
            }
        }
    }

    #[test]
    fn what_is_no_mount_says_what_would_be() {
        for (text, words) in [
            ("a/", "write a prefix"),
            ("a https://x/", "slash"),
            ("/ https://x/", "cannot begin a key"),
            ("/a/ https://x/", "cannot begin a key"),
            ("a//b/ https://x/", "cannot begin a key"),
            ("../ /srv", "cannot begin a key"),
            ("-/ /srv", "cannot begin a key"),
            (".a/ /srv", "dot"),
            ("a/ srv", "whole path"),
            ("a/ hosts= /srv", "name alone"),
            ("a/ hosts=*.example /srv", "top-level"),
            ("a/ hosts=x.example:80 /srv", "port"),
            ("a/ hosts=bücher.example /srv", "xn--"),
            ("a/ hosts=x.example", "write a prefix"),
            ("a/ window=2 /srv", "window is"),
            ("a/ window=2d /srv", "window is"),
        ] {
            let error = Mounts::read(&Raw::Text(text.into()), &Kind::Mounts).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
        let both = Mounts::read(&Raw::Text("a /x, b /y".into()), &Kind::Mounts).unwrap_err();
        assert_eq!(both.matches("slash").count(), 2, "all at once: {both}");
        let field = |name: &str, value: Raw| (name.to_owned(), value);
        let text = |text: &str| Raw::Text(text.to_owned());
        for (fields, words) in [
            (vec![field("directory", text("/x"))], "no prefix"),
            (vec![field("prefix", text("a/"))], "no source"),
            (
                vec![field("prefix", text("a/")), field("directory", text("/x")), field("url", text("http://x/"))],
                "both",
            ),
            (
                vec![field("prefix", text("a/")), field("directory", text("/x")), field("hosts", Raw::List(vec![]))],
                "empty",
            ),
            (vec![field("prefix", text("a/")), field("host", text("x"))], "did you mean \"hosts\""),
            (vec![field("prefix", Raw::Integer(1))], "no text"),
        ] {
            assert!(Mount::read(&fields).unwrap_err().contains(words), "{fields:?}");
        }
    }

    #[test]
    fn mounts_that_contradict_each_other_are_refused() {
        for (mounts, words) in [
            ("a/ /x, a/ /y", "mounted twice"),
            ("a/ hosts=x.example /x, b/ hosts=X.example /y", "host of a/ already"),
            ("a/ hosts=*.x.example;*.x.example /x", "host of a/ already"),
            ("a/ hosts=x.example /x, a/b/ /y", "a/b/ lies below a/"),
            ("a/b/ hosts=x.example /x, a/ /y", "a/b/ lies below a/"),
            ("a/ hosts=x.example /srv/all/x", "lies inside /srv/all"),
            ("a/ hosts=x.example /srv/all", "lies inside /srv/all"),
            ("a/ hosts=x.example /srv/b/x, b/ /srv/b", "lies inside /srv/b"),
        ] {
            let settings = [("source.directory", "/srv/all"), ("source.mounts", mounts)];
            let found = Settings::load(&Sources::overriding(&settings)).unwrap_err();
            let fits = |one: &Mistake| one.key == "source.mounts" && one.value.is_some() && one.remedy.contains(words);
            assert!(found.iter().any(fits), "{mounts}: {found:?}");
            assert_eq!(found.iter().filter(|one| fits(one)).count(), 1, "once: {mounts}: {found:?}");
        }
        for mounts in [
            "a/ /x, a/b/ /y",
            "a/ hosts=x.example /x, ab/ hosts=*.x.example;y.x.example /y",
            "x/ hosts=x.example /srv/all/x",
        ] {
            let settings = [("source.directory", "/srv/all"), ("source.mounts", mounts)];
            assert!(Settings::load(&Sources::overriding(&settings)).is_ok(), "{mounts}");
        }
    }
}
