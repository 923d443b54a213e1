//! Varnish with the VCL of `examples/varnish.vcl`: `PURGE` with tags drops what xkey knows, `BAN` with the
//! beginning of a path what lies under it. Neither reaches what is still being fetched, so everything is said twice, the
//! longest fetch apart; then it is done.

use std::time::Duration;

use afterimage_identity::{BoxFuture, InvalidateError};
use bytes::Bytes;
use http::{Method, Uri};

use crate::call::{Http, uri};
use crate::config::Varnish as Config;
use crate::far::{Far, Fault, Told};
use crate::item::Item;
use crate::rate::Rate;
use crate::reach::By;

/// The header that names tags, separated by spaces.
const TAGS: &str = "afterimage-tags";
/// The header that names the beginning of a path, as a regular expression.
const BEGINNING: &str = "afterimage-beginning";
/// How many tags one request names: a header line of Varnish has 8 KiB, a tag of ours 34 bytes with its space.
const TAGS_MAX: usize = 100;

pub(crate) struct Varnish {
    http: Http,
    rate: Rate,
    uri: Uri,
    bearer: Option<String>,
    fetch: Duration,
}

impl Varnish {
    pub(crate) fn new(config: Config, rate: Rate) -> Result<Self, String> {
        let uri = uri(&config.url)?;
        let bearer = config.token.map(|token| format!("Bearer {token}"));
        Ok(Self { http: Http::new()?, rate, uri, bearer, fetch: config.fetch })
    }

    async fn send(&self, method: &[u8], name: &str, value: &str) -> Result<(), Fault> {
        let method = Method::from_bytes(method).map_err(|error| Fault::Refused { why: error.to_string() })?;
        let mut headers = vec![(name, value)];
        headers.extend(self.bearer.as_deref().map(|bearer| ("authorization", bearer)));
        self.rate.turn().await;
        let answer = self.http.call(method, self.uri.clone(), &headers, Bytes::new()).await?;
        // Every other VCL takes this for a request for a page, and says 200 to it too.
        if answer.status.is_success() && !answer.headers.contains_key("afterimage-forgot") {
            let why = "this Varnish does not know afterimage's requests; load examples/varnish.vcl".to_owned();
            return Err(Fault::Refused { why });
        }
        answer.ok().map(drop)
    }

    async fn say(&self, items: &[Item]) -> Result<(), Fault> {
        let tag = |item: &Item| if let Item::Tag(tag) = item { Some(tag.clone()) } else { None };
        let tags: Vec<String> = items.iter().filter_map(tag).collect();
        for tags in tags.chunks(TAGS_MAX) {
            self.send(b"PURGE", TAGS, &tags.join(" ")).await?;
        }
        for item in items {
            if let Item::Path(path) | Item::Wildcard(path) = item {
                self.send(b"BAN", BEGINNING, &expression(path, item.is_wildcard())).await?;
            }
        }
        Ok(())
    }
}

impl Far for Varnish {
    fn by(&self) -> BoxFuture<'_, Result<By, InvalidateError>> {
        Box::pin(async { Ok(By::Tags) })
    }

    fn submit<'a>(&'a self, _: &'a str, items: &'a [Item]) -> BoxFuture<'a, Result<Told, Fault>> {
        Box::pin(async move {
            self.say(items).await?;
            // A fetch that was under way is kept when it ends: Varnish purges what is there, and hangs what comes behind the
            // newest ban.
            tokio::time::sleep(self.fetch).await;
            self.say(items).await?;
            Ok(Told::Completed)
        })
    }

    fn look<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<bool, Fault>> {
        Box::pin(async { Err(Fault::Forgotten) })
    }
}

/// A regular expression that matches exactly these paths, whatever their query.
fn expression(path: &str, wildcard: bool) -> String {
    let mut expression = String::from("^");
    for letter in path.chars() {
        if !letter.is_ascii_alphanumeric() && letter != '/' && letter != '-' && letter != '_' && letter != '%' {
            expression.push('\\');
        }
        expression.push(letter);
    }
    if !wildcard {
        expression.push_str("(\\?|$)");
    }
    expression
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_path_is_a_regular_expression() {
        assert_eq!(expression("/a/b.jpg", true), "^/a/b\\.jpg");
        assert_eq!(expression("/a(1)+=20.jpg", false), "^/a\\(1\\)\\+\\=20\\.jpg(\\?|$)");
        assert_eq!(expression("/", true), "^/");
    }
}
