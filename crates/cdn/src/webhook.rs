//! A signed webhook, for outer caches that nobody here knows: a JSON document of everything by every name, signed so that
//! the receiver knows who sent it and when.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use afterimage_identity::{BoxFuture, Clock, InvalidateError};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{Method, Uri};
use serde_json::json;
use sha2::Sha256;

use crate::call::{Http, uri};
use crate::config::Webhook as Config;
use crate::far::{Far, Fault, Told};
use crate::item::Item;
use crate::rate::Rate;
use crate::reach::By;

pub(crate) struct Webhook {
    http: Http,
    rate: Rate,
    uri: Uri,
    secret: String,
    clock: Arc<dyn Clock>,
}

/// The value of `Afterimage-Signature`: `t=SECONDS,v1=HEX`, the HMAC-SHA-256 of `SECONDS.BODY` in lower-case hex. A
/// receiver refuses what is too old, and what it has seen before (`reference` in the body).
pub fn signature(secret: &str, since_epoch_s: u64, body: &[u8]) -> String {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(since_epoch_s.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={since_epoch_s},v1={hex}")
}

impl Webhook {
    pub(crate) fn new(config: Config, rate: Rate, clock: Arc<dyn Clock>) -> Result<Self, String> {
        Ok(Self { http: Http::new()?, rate, uri: uri(&config.url)?, secret: config.secret, clock })
    }

    async fn send(&self, reference: &str, items: &[Item]) -> Result<Told, Fault> {
        let named = |wanted: fn(&Item) -> Option<&String>| items.iter().filter_map(wanted).collect::<Vec<_>>();
        let body = json!({
            "reference": reference,
            "tags": named(|item| if let Item::Tag(tag) = item { Some(tag) } else { None }),
            "paths": named(|item| if let Item::Path(path) = item { Some(path) } else { None }),
            "prefixes": named(|item| if let Item::Wildcard(prefix) = item { Some(prefix) } else { None }),
        });
        let body = body.to_string();
        self.rate.turn().await;
        // Signed anew each time: a receiver refuses what is old.
        let now_s = self.clock.wall().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let signature = signature(&self.secret, now_s, body.as_bytes());
        let headers = [("content-type", "application/json"), ("afterimage-signature", signature.as_str())];
        self.http.call(Method::POST, self.uri.clone(), &headers, Bytes::from(body)).await?.ok()?;
        Ok(Told::Completed)
    }
}

impl Far for Webhook {
    fn by(&self) -> BoxFuture<'_, Result<By, InvalidateError>> {
        Box::pin(async { Ok(By::Everything) })
    }

    fn submit<'a>(&'a self, reference: &'a str, items: &'a [Item]) -> BoxFuture<'a, Result<Told, Fault>> {
        Box::pin(self.send(reference, items))
    }

    fn look<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<bool, Fault>> {
        Box::pin(async { Err(Fault::Forgotten) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_any_other_implementation() {
        // printf '1700000000.{}' | openssl dgst -sha256 -hmac secret
        let expected = "b8569b78799ff9e3cbff0fc2d63a33a2b57f3282abd07c37ae5e8e7d79a5f163";
        assert_eq!(signature("secret", 1_700_000_000, b"{}"), format!("t=1700000000,v1={expected}"));
        assert_ne!(signature("secret", 1_700_000_001, b"{}"), signature("secret", 1_700_000_000, b"{}"));
    }
}
