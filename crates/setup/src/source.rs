//! Where originals come from: one source at the root, and others mounted below prefixes of keys.

use crate::Mistake;
use crate::table::Settings;
use crate::value::quoted;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One place of originals. What depends on its kind is asked of it here; elsewhere only `wire` (which opens it) and `locations`
/// (which names its state) tell the kinds apart.
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

    /// What a validation window is where nobody sets one: a question is a `stat` here, a request to another machine there.
    pub fn usual_window(&self) -> Duration {
        match self {
            Self::Directory(_) => Duration::from_secs(1),
            Self::Url(_) | Self::Bucket(_) => Duration::from_secs(60),
        }
    }

    /// What is wrong with it by itself.
    fn mistakes(&self, settings: &Settings) -> Vec<afterimage_origin::Mistake> {
        match self {
            Self::Directory(_) | Self::Bucket(_) => Vec::new(),
            Self::Url(url) => settings.origin_config(url).mistakes(),
        }
    }

    /// Where `inner` lies in this one, as the beginning of a key: `""`, or whole segments with their slashes. `None`: elsewhere,
    /// as far as text alone can say.
    pub(crate) fn below(&self, inner: &Self) -> Option<String> {
        let rest = match (self, inner) {
            (Self::Directory(outer), Self::Directory(inner)) => {
                inner.strip_prefix(outer).ok()?.to_string_lossy().into_owned()
            }
            (Self::Url(outer), Self::Url(inner)) | (Self::Bucket(outer), Self::Bucket(inner)) => {
                inner.strip_prefix(outer)?.to_owned()
            }
            _ => return None,
        };
        let rest = rest.trim_matches('/');
        Some(if rest.is_empty() { String::new() } else { format!("{rest}/") })
    }

    /// The URL of an HTTP server, if it is one.
    pub fn http(&self) -> Option<&str> {
        match self {
            Self::Url(url) => Some(url),
            Self::Directory(_) | Self::Bucket(_) => None,
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

/// A source and where its keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// What its keys begin with: empty at the root.
    pub prefix: String,
    /// The source.
    pub source: Source,
    /// Its validation window.
    pub window: Duration,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => write!(f, "{}", path.display()),
            Self::Url(url) | Self::Bucket(url) => f.write_str(url),
        }
    }
}

impl Settings {
    /// The source at the root; `None` where none is set.
    pub fn root_source(&self) -> Option<Source> {
        let directory = self.source.directory.clone().map(Source::Directory);
        directory.or_else(|| self.source.url.as_deref().map(Source::at))
    }

    /// Every source with the prefix that it is mounted at and its validation window; first the root, whose prefix is empty.
    pub fn placed(&self) -> Vec<Placed> {
        let window = |source: &Source| self.source.window.unwrap_or(source.usual_window());
        let root = self.root_source().map(|source| Placed { prefix: String::new(), window: window(&source), source });
        let mounted = self.mounts().iter().map(|mount| Placed {
            prefix: mount.prefix.clone(),
            window: mount.window.unwrap_or_else(|| window(&mount.source)),
            source: mount.source.clone(),
        });
        root.into_iter().chain(mounted).collect()
    }

    /// The validation window of the source at the root.
    pub fn root_window(&self) -> Duration {
        let usual = || self.root_source().map_or(Duration::from_secs(1), |source| source.usual_window());
        self.source.window.unwrap_or_else(usual)
    }

    /// The longest validation window of all sources.
    pub fn longest_window(&self) -> Duration {
        let windows = self.placed().into_iter().map(|placed| placed.window);
        windows.max().unwrap_or_else(|| self.root_window())
    }

    /// Whether any source is asked over HTTP: a server, or a bucket.
    pub fn asks_over_http(&self) -> bool {
        self.placed().iter().any(|placed| placed.source.directory().is_none())
    }
}

/// What is wrong with the sources together.
pub(crate) fn mistakes(settings: &Settings) -> Vec<Mistake> {
    let mut found = Vec::new();
    if settings.source.directory.is_some() && settings.source.url.is_some() {
        let remedy = "source.directory is set too; keep one of them, and mount the other (source.mounts)";
        found.push(Mistake::new("source.url", settings.source.url.as_deref().map(quoted), remedy));
    }
    found.extend(crate::mount::mistakes(settings));
    for line in settings.origin.headers.iter().filter(|line| header(line).is_none()) {
        // What follows the name may be a secret.
        let shown = line.split(':').next().unwrap_or_default();
        let remedy = "write the host that it is for and the header: \"origin.example Authorization: Bearer ...\"";
        found.push(Mistake::new("origin.headers", Some(quoted(shown)), remedy));
    }
    let root = settings.root_source().into_iter().map(|source| ("source.url", source));
    let mounted = settings.mounts().iter().map(|mount| ("source.mounts", mount.source.clone()));
    let passed = settings.pass.origin.iter().map(|url| ("pass.origin", Source::Url(url.clone())));
    for (key, source) in root.chain(mounted).chain(passed) {
        found.extend(source.mistakes(settings).into_iter().map(|mistake| named(key, mistake)));
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
        let sources = std::iter::once(root).chain(self.mounts().iter().map(|mount| &mount.source));
        sources.filter_map(Source::http).map(|url| (url.to_owned(), self.origin_config(url))).collect()
    }

    /// How originals are read from HTTP servers; each source has its own window.
    pub fn http_originals(&self) -> afterimage_origin::OriginalsConfig {
        afterimage_origin::OriginalsConfig {
            bytes_max: self.limits.source_bytes_max.get(),
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
    fn each_kind_of_source_has_its_window_and_each_source_may_have_its_own() {
        let allow = ("origin.allow", "127.0.0.1/32");
        let windows = |settings: &[(&str, &str)]| {
            let settings = Settings::load(&Sources::overriding(&[&[allow], settings].concat())).unwrap();
            let seconds = settings.placed().iter().map(|placed| placed.window.as_secs()).collect::<Vec<_>>();
            assert_eq!(settings.longest_window().as_secs(), seconds.iter().copied().max().unwrap_or(1));
            (seconds, settings.root_window().as_secs())
        };
        let mounts = ("source.mounts", "a/ http://127.0.0.1/, b/ /b, c/ window=5s http://127.0.0.1/c/");
        let root = ("source.directory", "/srv");
        assert_eq!(windows(&[]), (vec![], 1));
        assert_eq!(windows(&[root, mounts]), (vec![1, 60, 1, 5], 1));
        assert_eq!(windows(&[root, mounts, ("source.window", "3s")]), (vec![3, 3, 3, 5], 3));
        assert_eq!(windows(&[("source.url", "http://127.0.0.1/r/"), mounts]), (vec![60, 60, 1, 5], 60));
        let mount = ("source.mounts", "b/ window=0s /b");
        assert_eq!(windows(&[root, mount]), (vec![1, 0], 1));
    }

    #[test]
    fn what_lies_inside_what() {
        let (folder, url) = (|path: &str| Source::Directory(path.into()), |url: &str| Source::Url(url.into()));
        assert_eq!(folder("/a").below(&folder("/a/b/c")).as_deref(), Some("b/c/"));
        assert_eq!(folder("/a/").below(&folder("/a")).as_deref(), Some(""));
        assert_eq!(folder("/a").below(&folder("/ab")), None);
        assert_eq!(url("http://x/a/").below(&url("http://x/a/b/")).as_deref(), Some("b/"));
        assert_eq!(url("http://x/a/").below(&url("http://y/a/b/")), None);
        assert_eq!(folder("/a").below(&url("http://a/")), None);
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
