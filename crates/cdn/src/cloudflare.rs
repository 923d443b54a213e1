//! Cloudflare's cache purge: tags, prefixes and files, a hundred a call. What it acknowledges is gone everywhere within
//! moments; there is nothing to look at afterwards.

use afterimage_identity::{BoxFuture, InvalidateError};
use bytes::Bytes;
use http::{Method, Uri};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::call::{Http, uri};
use crate::config::Cloudflare as Config;
use crate::far::{Far, Fault, Told};
use crate::item::Item;
use crate::rate::Rate;
use crate::reach::By;

/// The API of everybody.
const API: &str = "https://api.cloudflare.com/client/v4";

pub(crate) struct Cloudflare {
    http: Http,
    rate: Rate,
    uri: Uri,
    bearer: String,
    hosts: Vec<String>,
}

#[derive(Deserialize)]
struct Reply {
    success: bool,
    #[serde(default)]
    errors: Vec<Problem>,
}

#[derive(Deserialize)]
struct Problem {
    code: i64,
    #[serde(default)]
    message: String,
}

/// Where purges of the zone are asked for.
pub(crate) fn address(config: &Config) -> Result<Uri, String> {
    let api = config.endpoint.as_deref().unwrap_or(API).trim_end_matches('/');
    uri(&format!("{api}/zones/{}/purge_cache", config.zone))
}

impl Cloudflare {
    pub(crate) fn new(config: Config, rate: Rate) -> Result<Self, String> {
        let uri = address(&config)?;
        Ok(Self { http: Http::new()?, rate, uri, bearer: format!("Bearer {}", config.token), hosts: config.hosts })
    }

    async fn purge(&self, body: &Value) -> Result<(), Fault> {
        self.rate.turn().await;
        let headers = [("authorization", self.bearer.as_str()), ("content-type", "application/json")];
        let body = Bytes::from(body.to_string());
        let answer = self.http.call(Method::POST, self.uri.clone(), &headers, body).await?.ok()?;
        let reply: Reply = serde_json::from_slice(&answer.body)
            .map_err(|_| Fault::later(format!("the answer is not understood: {}", answer.quoted())))?;
        if reply.success {
            return Ok(());
        }
        let problems: Vec<String> =
            reply.errors.iter().map(|error| format!("{} {}", error.code, error.message)).collect();
        Err(Fault::Refused { why: problems.join("; ") })
    }
}

/// What is asked for, in as many calls as there are kinds. A prefix ends at a slash there, so a beginning is cut back to
/// its folder: that covers it.
fn calls(items: &[Item], hosts: &[String]) -> Vec<Value> {
    let (mut tags, mut prefixes) = (Vec::new(), Vec::new());
    for item in items {
        match item {
            Item::Tag(tag) => tags.push(tag.clone()),
            Item::Path(path) | Item::Wildcard(path) => {
                let folder = &path[..=path.rfind('/').unwrap_or(0)];
                // Everything of these hosts; of the zone, where none is named.
                if folder == "/" || hosts.is_empty() {
                    return vec![if hosts.is_empty() {
                        json!({ "purge_everything": true })
                    } else {
                        json!({ "hosts": hosts })
                    }];
                }
                prefixes.extend(hosts.iter().map(|host| format!("{host}{folder}")));
            }
        }
    }
    prefixes.sort_unstable();
    prefixes.dedup();
    let tags = tags.chunks(OPERATIONS_MAX).map(|tags| json!({ "tags": tags }));
    tags.chain(prefixes.chunks(OPERATIONS_MAX).map(|prefixes| json!({ "prefixes": prefixes }))).collect()
}

/// How many operations one call takes: the table's number, also where hosts multiply the prefixes.
const OPERATIONS_MAX: usize = 100;

impl Far for Cloudflare {
    fn by(&self) -> BoxFuture<'_, Result<By, InvalidateError>> {
        Box::pin(async { Ok(By::Tags) })
    }

    fn submit<'a>(&'a self, _: &'a str, items: &'a [Item]) -> BoxFuture<'a, Result<Told, Fault>> {
        Box::pin(async move {
            for call in calls(items, &self.hosts) {
                self.purge(&call).await?;
            }
            Ok(Told::Completed)
        })
    }

    fn look<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<bool, Fault>> {
        // It gives no ids: one that a file names is another layer's.
        Box::pin(async { Err(Fault::Forgotten) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_prefixes_and_hosts() {
        let hosts = ["img.example.com".to_owned()];
        let tag = |tag: &str| Item::Tag(tag.to_owned());
        let wildcard = |path: &str| Item::Wildcard(path.to_owned());
        for (items, hosts, expected) in [
            (vec![tag("a"), tag("b")], &hosts[..], vec![json!({"tags": ["a", "b"]})]),
            (vec![wildcard("/users/12")], &hosts, vec![json!({"prefixes": ["img.example.com/users/"]})]),
            (
                vec![tag("a"), wildcard("/users/12/"), wildcard("/users/13/")],
                &hosts,
                vec![
                    json!({"tags": ["a"]}),
                    json!({"prefixes": ["img.example.com/users/12/", "img.example.com/users/13/"]}),
                ],
            ),
            (vec![tag("a"), wildcard("/")], &hosts, vec![json!({"hosts": ["img.example.com"]})]),
            (vec![wildcard("/=.")], &hosts, vec![json!({"hosts": ["img.example.com"]})]),
            (vec![wildcard("/a/")], &[], vec![json!({"purge_everything": true})]),
        ] {
            assert_eq!(calls(&items, hosts), expected, "{items:?}");
        }
        let many: Vec<Item> = (0..101).map(|number| tag(&number.to_string())).collect();
        assert_eq!(calls(&many, &hosts).len(), 2);
        assert_eq!(calls(&many[..100], &hosts).len(), 1);
    }
}
