//! Where originals come from: one source at the root, and others mounted below prefixes of keys.

use crate::Mistake;
use crate::table::Settings;
use crate::value::quoted;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One place of originals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A folder.
    Directory(PathBuf),
    /// An HTTP server: a URL that ends in a slash.
    Url(String),
    /// A bucket: `s3://BUCKET/PREFIX`.
    Bucket(String),
}

impl Source {
    /// Reads what a person names on a command line: a URL or a folder.
    pub fn named(text: &str) -> Self {
        let is_url = text.split_once("://").is_some_and(|(scheme, _)| {
            !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        });
        if is_url { Self::at(text) } else { Self::Directory(text.into()) }
    }

    /// What a URL names: a bucket or an HTTP server.
    fn at(url: &str) -> Self {
        if url.starts_with("s3://") { Self::Bucket(url.to_owned()) } else { Self::Url(url.to_owned()) }
    }

    /// The setting that it stands for, and its value.
    pub fn setting(&self) -> (String, String) {
        match self {
            Self::Directory(path) => ("source.directory".to_owned(), path.display().to_string()),
            Self::Url(url) | Self::Bucket(url) => ("source.url".to_owned(), url.clone()),
        }
    }

    /// The folder, if it is one.
    pub fn directory(&self) -> Option<&Path> {
        match self {
            Self::Directory(path) => Some(path),
            Self::Url(_) | Self::Bucket(_) => None,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => write!(f, "{}", path.display()),
            Self::Url(url) | Self::Bucket(url) => f.write_str(url),
        }
    }
}

/// A source below a prefix of keys: what the prefix names there is asked of it, without the prefix, and of nobody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Whole segments, each with its slash: `products/`.
    pub prefix: String,
    /// Where its originals are.
    pub source: Source,
}

impl Mount {
    /// Reads `PREFIX SOURCE`.
    ///
    /// # Errors
    /// The remedy.
    fn parse(text: &str) -> Result<Self, String> {
        let form = "write a prefix and a source, such as \"products/ https://origin.example/pictures/\"";
        let (prefix, source) = text.split_once(' ').ok_or(form)?;
        let inner = prefix.strip_suffix('/').ok_or("end the prefix with a slash, such as products/")?;
        afterimage_identity::OriginalKey::new(inner)
            .map_err(|error| format!("its prefix cannot begin a key: {error}"))?;
        let source = Source::named(source.trim());
        if source.directory().is_some_and(|path| !path.is_absolute()) {
            return Err("write the whole path of its folder".to_owned());
        }
        Ok(Self { prefix: prefix.to_owned(), source })
    }
}

impl Settings {
    /// The source at the root; `None` where none is set.
    pub fn root_source(&self) -> Option<Source> {
        let directory = self.source.directory.clone().map(Source::Directory);
        directory.or_else(|| self.source.url.as_deref().map(Source::at))
    }

    /// The sources below prefixes, in the order they are written. Entries that cannot be read were reported.
    pub fn mounts(&self) -> Vec<Mount> {
        self.source.mounts.iter().filter_map(|text| Mount::parse(text).ok()).collect()
    }

    /// The validation window: as set, else a second where a question is a `stat`, and a minute where it is a request to
    /// another machine.
    pub fn window(&self) -> Duration {
        let usual = if self.asks_over_http() { Duration::from_secs(60) } else { Duration::from_secs(1) };
        self.source.window.unwrap_or(usual)
    }

    /// Whether any source is asked over HTTP: a server, or a bucket.
    pub fn asks_over_http(&self) -> bool {
        let mounted = self.mounts().into_iter().map(|mount| mount.source);
        self.root_source().into_iter().chain(mounted).any(|source| source.directory().is_none())
    }
}

/// What is wrong with the sources together.
pub(crate) fn mistakes(settings: &Settings) -> Vec<Mistake> {
    let mut found = Vec::new();
    if settings.source.directory.is_some() && settings.source.url.is_some() {
        let remedy = "source.directory is set too; keep one of them, and mount the other (source.mounts)";
        found.push(Mistake::new("source.url", settings.source.url.as_deref().map(quoted), remedy));
    }
    let mut prefixes = Vec::new();
    for text in &settings.source.mounts {
        match Mount::parse(text) {
            Err(remedy) => found.push(Mistake::new("source.mounts", Some(quoted(text)), remedy)),
            Ok(mount) if prefixes.contains(&mount.prefix) => {
                let remedy = "its prefix is mounted twice; keep one";
                found.push(Mistake::new("source.mounts", Some(quoted(text)), remedy));
            }
            Ok(mount) => prefixes.push(mount.prefix),
        }
    }
    for line in settings.origin.headers.iter().filter(|line| header(line).is_none()) {
        // What follows the name may be a secret.
        let shown = line.split(':').next().unwrap_or_default();
        let remedy = "write the host that it is for and the header: \"origin.example Authorization: Bearer ...\"";
        found.push(Mistake::new("origin.headers", Some(quoted(shown)), remedy));
    }
    let root = settings.root_source().into_iter().map(|source| ("source.url", source));
    let mounted = settings.mounts().into_iter().map(|mount| ("source.mounts", mount.source));
    let passed = settings.pass.origin.iter().map(|url| ("pass.origin", Source::Url(url.clone())));
    for (key, source) in root.chain(mounted).chain(passed) {
        if let Source::Url(url) = source {
            let below = settings.origin_config(&url).mistakes();
            found.extend(below.into_iter().map(|mistake| named(key, mistake)));
        }
    }
    found.extend(crate::bucket::mistakes(settings));
    // What is wrong for one server is wrong for all.
    found.dedup();
    found
}

/// A mistake of the crate below, in the settings' names.
fn named(url_key: &str, mistake: afterimage_origin::Mistake) -> Mistake {
    let key = match mistake.key {
        "url" => url_key,
        "headers" => "origin.headers",
        "allow" => "origin.allow",
        "redirect_hosts" => "origin.redirect_hosts",
        other => other,
    };
    Mistake::new(key, Some(quoted(&mistake.value)), mistake.remedy.replace("allow = ", "origin.allow = "))
}

impl Settings {
    /// How the server at `url` is asked.
    pub fn origin_config(&self, url: &str) -> afterimage_origin::Config {
        let origin = &self.origin;
        let host = afterimage_origin::host_of(url);
        let headers =
            origin.headers.iter().filter_map(|line| header(line)).filter(|(of, _, _)| Some(*of) == host.as_deref());
        afterimage_origin::Config {
            url: url.to_owned(),
            host: None,
            headers: headers.map(|(_, name, value)| (name.to_owned(), value.to_owned())).collect(),
            allow: origin.allow.clone(),
            ports: origin.ports.iter().filter_map(|port| u16::try_from(*port).ok()).collect(),
            redirect_hosts: origin.redirect_hosts.clone(),
            redirects_max: origin.redirects_max,
            limits: afterimage_origin::Limits {
                connect: origin.connect_timeout,
                first_byte: origin.first_byte_timeout,
                idle: origin.idle_timeout,
                total: origin.total_timeout,
                connections_max: origin.connections_max,
                connection_wait: origin.connection_wait,
                ..Default::default()
            },
            breaker: afterimage_origin::BreakerConfig { failures_max: origin.failures_max, open_for: origin.rest },
        }
    }

    /// How each HTTP server among `root` and the mounts is asked, by its URL.
    pub fn origin_configs(&self, root: &Source) -> BTreeMap<String, afterimage_origin::Config> {
        let mounted = self.mounts().into_iter().map(|mount| mount.source);
        let urls = std::iter::once(root.clone()).chain(mounted).filter_map(|source| match source {
            Source::Url(url) => Some(url),
            Source::Directory(_) | Source::Bucket(_) => None,
        });
        urls.map(|url| (url.clone(), self.origin_config(&url))).collect()
    }

    /// How originals are read from HTTP servers.
    pub fn http_originals(&self) -> afterimage_origin::OriginalsConfig {
        afterimage_origin::OriginalsConfig {
            bytes_max: self.limits.source_bytes_max.get(),
            window: self.window(),
            unversioned: if self.origin.require_validator {
                afterimage_origin::Unversioned::Refuse
            } else {
                afterimage_origin::Unversioned::Get
            },
            held_bytes_max: self.limits.source_bytes_max.get(),
            ..Default::default()
        }
    }
}

/// `HOST NAME: VALUE`.
pub(crate) fn header(line: &str) -> Option<(&str, &str, &str)> {
    let (host, header) = line.split_once(' ')?;
    let (name, value) = header.split_once(':')?;
    Some((host, name.trim(), value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sources;

    #[test]
    fn what_people_name_is_a_url_or_a_folder() {
        for (text, is_url) in [
            ("http://a/", true),
            ("https://a/b/", true),
            ("ftp://a/", true),
            ("pictures", false),
            ("/srv/pictures", false),
            ("./http:/a", false),
            ("://a", false),
        ] {
            assert_eq!(Source::named(text).directory().is_none(), is_url, "{text}");
        }
    }

    #[test]
    fn mounts() {
        let mount = Mount::parse("a/b/ https://origin.example/x/").unwrap();
        assert_eq!((mount.prefix.as_str(), mount.source), ("a/b/", Source::Url("https://origin.example/x/".into())));
        assert_eq!(Mount::parse("a/   /srv/a b").unwrap().source, Source::Directory("/srv/a b".into()));
        for wrong in [
            "a/",
            "a https://x/",
            "/ https://x/",
            "/a/ https://x/",
            "a//b/ https://x/",
            "../ /srv",
            "-/ /srv",
            "a/ srv",
            "",
        ] {
            assert!(Mount::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn mistakes_name_the_setting_and_the_remedy() {
        for (settings, key, words) in [
            (&[("source.directory", "/a"), ("source.url", "http://a.example/")][..], "source.url", "keep one"),
            (&[("source.url", "http://a.example/x")], "source.url", "end the path with a slash"),
            (&[("source.url", "http://127.0.0.1/")], "source.url", "origin.allow = [\"127.0.0.1/32\"]"),
            (&[("source.url", "http://a.example/"), ("origin.allow", "10.0.0.0/99")], "origin.allow", "no range"),
            (
                &[("source.url", "http://a.example/"), ("origin.headers", "a.example Host: b")],
                "origin.headers",
                "routes",
            ),
            (&[("origin.headers", "Authorization: x")], "origin.headers", "host"),
            (
                &[("origin.redirect_hosts", "http://x"), ("source.url", "http://a.example/")],
                "origin.redirect_hosts",
                "",
            ),
            (&[("source.mounts", "a/ http://10.0.0.1/")], "source.mounts", "origin.allow"),
            (&[("source.mounts", "a/ /x, a/ /y")], "source.mounts", "twice"),
            (&[("source.mounts", "a")], "source.mounts", "write a prefix"),
        ] {
            let found = Settings::load(&Sources::overriding(settings)).unwrap_err();
            assert!(
                found.iter().any(|mistake| mistake.key == key && mistake.remedy.contains(words)),
                "{settings:?}: {found:?}"
            );
        }
    }

    #[test]
    fn credentials_are_for_their_own_host() {
        let settings = Settings::load(&Sources::overriding(&[
            ("source.url", "https://A.example:8443/"),
            ("source.mounts", "b/ http://b.example/"),
            ("origin.headers", "a.example Authorization: Bearer x"),
        ]));
        // Without TLS in this build the URL itself is a mistake; what is sent to whom is the same.
        let Ok(settings) = settings else { return };
        assert_eq!(
            settings.origin_config("https://A.example:8443/").headers,
            [("Authorization".into(), "Bearer x".into())]
        );
        assert_eq!(settings.origin_config("http://b.example/").headers, []);
    }
}
