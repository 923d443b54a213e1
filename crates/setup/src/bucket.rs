//! Buckets in the settings: which are meant, what is wrong with them together, and how they are opened. In a build without
//! S3 a bucket is a mistake like any other.

use std::collections::BTreeMap;
use std::sync::Arc;

use afterimage_store::bucket::{Config, Limits, Place};
use afterimage_store::{Error, Read, Write};

use crate::Source;
use crate::buckets::{NamedBucket, wrong_endpoint};
use crate::mistake::Mistake;
use crate::table::Settings;
use crate::value::quoted;
use crate::wire::Proof;

impl Settings {
    /// Whether any source is a bucket.
    pub fn asks_buckets(&self) -> bool {
        !self.buckets().is_empty()
    }

    /// The URL of each source that is a bucket, with the setting that names it.
    fn buckets(&self) -> Vec<(&'static str, String)> {
        let root = self.root_source().into_iter().map(|source| ("source.url", source));
        let mounted = self.mounts().iter().map(|mount| ("source.mounts", mount.source.clone()));
        let buckets = root.chain(mounted).filter_map(|(key, source)| match source {
            Source::Bucket(url) => Some((key, url)),
            Source::Directory(_) | Source::Url(_) => None,
        });
        buckets.collect()
    }

    fn bucket_config(&self, place: Place) -> Config {
        let s3 = &self.s3;
        let usual = || NamedBucket {
            name: String::new(),
            endpoint: s3.endpoint.clone(),
            region: s3.region.clone(),
            path_style: s3.path_style,
            profile: None,
        };
        let NamedBucket { endpoint, region, path_style, profile, .. } =
            s3.buckets.of(place.bucket()).cloned().unwrap_or_else(usual);
        Config {
            endpoint,
            region,
            path_style,
            profile: profile.or_else(|| s3.profile.clone()),
            profiles_file: s3.profiles_file.clone(),
            limits: Limits {
                attempts_max: s3.attempts_max,
                attempt: s3.attempt_timeout,
                total: s3.total_timeout,
                ..Limits::default()
            },
            ..Config::new(place)
        }
    }

    /// How the bucket at `url` is asked.
    ///
    /// # Errors
    /// The remedy.
    pub fn bucket_at(&self, url: &str) -> Result<Config, String> {
        Place::parse(url).map(|place| self.bucket_config(place)).map_err(|remedy| format!("{url}: {remedy}"))
    }

    /// How each bucket among `root` and the mounts is asked, by its URL. What cannot be read was reported.
    pub fn bucket_configs(&self, root: &Source) -> BTreeMap<String, Config> {
        let mounted = self.mounts().iter().map(|mount| mount.source.clone());
        let read = |source| match source {
            Source::Bucket(url) => Place::parse(&url).ok().map(|place| (url, self.bucket_config(place))),
            Source::Directory(_) | Source::Url(_) => None,
        };
        std::iter::once(root.clone()).chain(mounted).filter_map(read).collect()
    }

    /// How the bucket of derivatives is asked, where they are in one.
    pub fn derivatives_bucket(&self) -> Option<Config> {
        let config = self.bucket_config(Place::parse(self.derivatives.url.as_deref()?).ok()?);
        let profile = self.derivatives.profile.clone().or(config.profile);
        Some(Config { profile, ..config })
    }
}

/// What is wrong with the buckets.
pub(crate) fn mistakes(settings: &Settings) -> Vec<Mistake> {
    let mut found = Vec::new();
    let mut wrong = |key: &str, value: &str, remedy: String| found.push(Mistake::new(key, Some(quoted(value)), remedy));
    let derived = settings.derivatives.url.as_deref();
    let mut originals = Vec::new();
    for (key, url) in settings.buckets() {
        match Place::parse(&url) {
            Ok(place) => originals.push(place),
            Err(remedy) => wrong(key, &url, remedy),
        }
        if cfg!(not(feature = "s3")) {
            wrong(key, &url, "this build speaks to no buckets; build it with the feature s3".into());
        }
    }
    if let Some(url) = derived {
        match Place::parse(url) {
            Ok(place) => {
                for original in originals.iter().filter(|original| original.touches(&place)) {
                    let remedy =
                        format!("touches the originals in {original}; choose a bucket or prefix apart from them");
                    wrong("derivatives.url", url, remedy);
                }
            }
            Err(remedy) => wrong("derivatives.url", url, remedy),
        }
        if cfg!(not(feature = "s3")) {
            wrong("derivatives.url", url, "this build speaks to no buckets; build it with the feature s3".into());
        }
        if settings.derivatives.directory.is_some() {
            wrong("derivatives.url", url, "derivatives.directory is set too; keep one of them".into());
        }
        let mounted = settings.mounts().iter().map(|mount| mount.source.clone());
        let mut sources = settings.root_source().into_iter().chain(mounted);
        if let Some(folder) = sources.find(|source| source.directory().is_some()) {
            let remedy = format!(
                "a bucket may be shared, and what {folder} holds is known on this machine alone; keep derivatives in a folder"
            );
            wrong("derivatives.url", url, remedy);
        }
    }
    if let (Some(profile), None) = (&settings.derivatives.profile, derived) {
        wrong(
            "derivatives.profile",
            profile,
            "is for a bucket of derivatives; set derivatives.url, or leave it out".into(),
        );
    }
    if let Some(endpoint) = &settings.s3.endpoint
        && let Some(remedy) = wrong_endpoint(endpoint)
    {
        wrong("s3.endpoint", endpoint, remedy.into());
    }
    found
}

/// Opens a bucket of originals.
#[cfg(feature = "s3")]
pub(crate) fn open_originals(config: &Config, proof: Proof) -> Result<(Arc<dyn Read>, Option<String>), Error> {
    use afterimage_store::BucketOriginals as Originals;
    let originals = match proof {
        Proof::AtStart => Originals::open(config)?,
        Proof::WhenNeeded => Originals::open_unasked(config)?,
    };
    let recoverable = originals.recoverable();
    Ok((Arc::new(originals), recoverable))
}

/// Opens a bucket of derivatives.
#[cfg(feature = "s3")]
pub(crate) fn open_derivatives(config: &Config, proof: Proof) -> Result<Arc<dyn Write>, Error> {
    use afterimage_store::BucketDerivatives as Derivatives;
    Ok(Arc::new(match proof {
        Proof::AtStart => Derivatives::open(config)?,
        Proof::WhenNeeded => Derivatives::open_unasked(config)?,
    }))
}

#[cfg(not(feature = "s3"))]
fn not_in_this_build<T>(config: &Config) -> Result<T, Error> {
    Err(Error::Io { why: format!("{}: this build speaks to no buckets; build it with the feature s3", config.place) })
}

/// Refuses: this build has no S3.
#[cfg(not(feature = "s3"))]
pub(crate) fn open_originals(config: &Config, _: Proof) -> Result<(Arc<dyn Read>, Option<String>), Error> {
    not_in_this_build(config)
}

/// Refuses: this build has no S3.
#[cfg(not(feature = "s3"))]
pub(crate) fn open_derivatives(config: &Config, _: Proof) -> Result<Arc<dyn Write>, Error> {
    not_in_this_build(config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sources;

    fn mistakes_of(settings: &[(&str, &str)]) -> Vec<String> {
        match Settings::load(&Sources::overriding(settings)) {
            Ok(_) => Vec::new(),
            Err(mistakes) => mistakes.iter().map(ToString::to_string).collect(),
        }
    }

    #[cfg(feature = "s3")]
    #[test]
    fn buckets_read_and_their_contradictions_do_not() {
        let bucket = ("source.url", "s3://pictures/p");
        assert_eq!(mistakes_of(&[bucket]), [""; 0]);
        assert_eq!(
            mistakes_of(&[bucket, ("derivatives.url", "s3://pictures/derived"), ("derivatives.profile", "d")]),
            [""; 0]
        );
        assert_eq!(mistakes_of(&[("source.mounts", "a/ s3://pictures/p")]), [""; 0]);
        for (settings, words) in [
            (&[("source.url", "s3://")][..], "source.url = \"s3://\""),
            (&[("source.url", "s3://pictures/../x")], "cannot begin a key"),
            (&[("source.mounts", "a/ s3://x")], "source.mounts"),
            (&[bucket, ("derivatives.url", "s3://pictures/")], "touches the originals in s3://pictures/p/"),
            (&[bucket, ("derivatives.url", "s3://pictures/p/derived")], "touches the originals"),
            (
                &[("source.mounts", "a/ s3://pictures/p"), ("derivatives.url", "s3://pictures/p")],
                "touches the originals",
            ),
            (&[bucket, ("derivatives.url", "https://pictures/")], "s3://BUCKET/PREFIX"),
            (&[bucket, ("derivatives.url", "s3://derived"), ("derivatives.directory", "/d")], "keep one of them"),
            (&[("source.directory", "/p"), ("derivatives.url", "s3://derived")], "on this machine alone"),
            (&[bucket, ("source.mounts", "a/ /p"), ("derivatives.url", "s3://derived")], "on this machine alone"),
            (&[bucket, ("derivatives.profile", "d")], "set derivatives.url"),
            (&[bucket, ("s3.endpoint", "127.0.0.1:9000")], "such as \"http://127.0.0.1:9000\""),
            (&[bucket, ("s3.total_timeout", "2m")], "s3.total_timeout"),
        ] {
            let found = mistakes_of(settings);
            assert!(found.iter().any(|mistake| mistake.contains(words)), "{settings:?}: {found:?}");
        }
    }

    #[cfg(not(feature = "s3"))]
    #[test]
    fn a_build_without_buckets_says_so() {
        for settings in [[("source.url", "s3://pictures")], [("derivatives.url", "s3://pictures")]] {
            let found = mistakes_of(&settings);
            assert!(found.iter().any(|mistake| mistake.contains("feature s3")), "{found:?}");
        }
    }

    #[test]
    fn a_bucket_with_a_table_is_asked_as_it_says_and_every_other_as_before() {
        let mut settings = Settings::default();
        settings.s3.endpoint = Some("http://127.0.0.1:9000".into());
        (settings.s3.path_style, settings.s3.profile) = (true, Some("usual".into()));
        let table = NamedBucket { name: "pictures".into(), region: Some("eu-west-1".into()), ..NamedBucket::default() };
        settings.s3.buckets.0.push(table);
        settings.derivatives.url = Some("s3://derived/d".into());
        let own = settings.bucket_at("s3://pictures/p").unwrap();
        assert_eq!((own.endpoint, own.region.as_deref(), own.path_style), (None, Some("eu-west-1"), false));
        assert_eq!(own.profile.as_deref(), Some("usual"));
        let other = settings.derivatives_bucket().unwrap();
        assert_eq!(
            (other.endpoint.as_deref(), other.region, other.path_style),
            (Some("http://127.0.0.1:9000"), None, true)
        );
        settings.s3.buckets.0[0].profile = Some("own".into());
        assert_eq!(settings.bucket_at("s3://pictures").unwrap().profile.as_deref(), Some("own"));
        settings.derivatives.url = Some("s3://pictures/d".into());
        settings.derivatives.profile = Some("derived".into());
        assert_eq!(settings.derivatives_bucket().unwrap().profile.as_deref(), Some("derived"));
        assert!(settings.bucket_at("s3://ab").unwrap_err().contains("s3://ab: "));
    }

    #[test]
    fn derivatives_have_credentials_of_their_own() {
        let load = |set: &[(&str, &str)]| {
            let mut settings = Settings::default();
            for (name, value) in set {
                match *name {
                    "s3" => settings.s3.profile = Some((*value).to_owned()),
                    _ => settings.derivatives.profile = Some((*value).to_owned()),
                }
            }
            settings.derivatives.url = Some("s3://derived".into());
            settings.derivatives_bucket().unwrap().profile
        };
        assert_eq!(load(&[]), None);
        assert_eq!(load(&[("s3", "one")]).as_deref(), Some("one"));
        assert_eq!(load(&[("s3", "one"), ("derivatives", "two")]).as_deref(), Some("two"));
    }
}
