//! A double of CloudFront as the Terraform module sets it up in cheap mode: the rewriting in front of its cache, an origin group
//! behind it, one header that tags are read from. It keeps what may be kept until it is told to forget it.

use std::collections::BTreeMap;

use afterimage_testkit::bucket::{Double, Version};
use afterimage_testkit::lambda::{Sandbox, url_event};
use afterimage_variant::{Grant, Rules, resolve};

/// The distribution's tag header in cheap mode.
const TAG_HEADER: &str = "x-amz-meta-cache-tag";

/// What a viewer gets.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

pub struct Cdn {
    bucket: Double,
    pub render: Sandbox,
    kept: BTreeMap<String, Answer>,
    /// How often the function was called.
    pub calls: usize,
    /// How often the bucket had what it was asked for.
    pub found: usize,
}

impl Cdn {
    pub fn new(bucket: Double, render: Sandbox) -> Self {
        Self { bucket, render, kept: BTreeMap::new(), calls: 0, found: 0 }
    }

    /// What a viewer gets for a URL, in any spelling.
    pub fn get(&mut self, url: &str) -> Answer {
        // The function at the edge says the same (`crates/rewrite` holds it to that), and takes no canonical paths.
        let resolved = match resolve(&Rules::default(), url, None, Grant::Public) {
            Ok(resolved) if !url.contains("/-/") => resolved,
            _ => return Answer { status: 404, headers: BTreeMap::new(), body: Vec::new() },
        };
        self.get_canonical(&resolved.canonical_path)
    }

    fn get_canonical(&mut self, path: &str) -> Answer {
        if let Some(kept) = self.kept.get(path) {
            return kept.clone();
        }
        let mut answer = self.ask_bucket(path);
        if matches!(answer.status, 403 | 404) {
            answer = self.ask_function(path);
        } else {
            self.found += 1;
        }
        let may_be_kept = answer.header("cache-control").contains("s-maxage=") && answer.status == 200;
        if may_be_kept {
            self.kept.insert(path.to_owned(), answer.clone());
        }
        answer
    }

    /// What the bucket says to CloudFront, which may read derivatives and nothing else: not list, and no records.
    pub fn ask_bucket(&self, path: &str) -> Answer {
        let found = self.bucket.state().current(&format!("d{path}"));
        let (Ok(found), false) = (found, path.starts_with("/-/")) else {
            return Answer { status: 403, headers: BTreeMap::new(), body: Vec::new() };
        };
        let Version { body, content_type, metadata, cache_control, .. } = found;
        let metadata = metadata.unwrap_or_default();
        let mut headers: BTreeMap<String, String> =
            metadata.into_iter().map(|(name, value)| (format!("x-amz-meta-{name}"), value)).collect();
        headers.extend(content_type.map(|value| ("content-type".to_owned(), value)));
        headers.extend(cache_control.map(|value| ("cache-control".to_owned(), value)));
        Answer { status: 200, headers, body: body.unwrap_or_default().to_vec() }
    }

    fn ask_function(&mut self, path: &str) -> Answer {
        self.calls += 1;
        let answered = self.render.invoke(&url_event("GET", path, &[])).http();
        // What is written behind the answer is there when the next one is asked for.
        self.render.settle();
        let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            (name.to_string(), value.to_str().unwrap_or_default().to_owned())
        };
        let headers = answered.headers().iter().map(header).collect();
        Answer { status: answered.status().as_u16(), headers, body: answered.into_body() }
    }

    /// Another place of the same distribution, which has nothing yet.
    pub fn elsewhere(&mut self) {
        self.kept.clear();
    }

    /// Forgets what the items of an invalidation name.
    pub fn forget(&mut self, items: &[String]) {
        for item in items {
            self.kept.retain(|path, answer| match item.strip_prefix('#') {
                Some(tag) => !answer.header(TAG_HEADER).split(',').any(|own| own == tag),
                None => item.strip_suffix('*').map_or(path != item, |beginning| !path.starts_with(beginning)),
            });
        }
    }
}
