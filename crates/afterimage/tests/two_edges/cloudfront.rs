//! CloudFront's CreateInvalidation as its clients send it: signed, XML, one connection.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use afterimage_identity::digest_hex;
use afterimage_testkit::{Server, request};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

const ID: &str = "AKIAEDGE1";
const SECRET: &str = "0123456789abcdef/+secret";
const TARGET: &str = "/2020-05-31/distribution/AFTERIMAGE/invalidation";

/// The setting that lets this client in.
pub fn access_key() -> String {
    format!("admin.access_keys={ID} {SECRET}")
}

/// Invalidates these items, and returns once the edge has acknowledged: nothing else in here waits.
pub fn invalidate(edge: &Server, items: &[&str]) {
    static REFERENCE: AtomicU64 = AtomicU64::new(0);
    let paths: String = items.iter().map(|item| format!("<Path>{}</Path>", item.replace('&', "&amp;"))).collect();
    let body = format!(
        "<InvalidationBatch><CallerReference>{}</CallerReference><Paths><Quantity>{}</Quantity><Items>{paths}</Items>\
         </Paths></InvalidationBatch>",
        REFERENCE.fetch_add(1, Ordering::Relaxed),
        items.len()
    );
    let host = edge.admin.trim_start_matches("http://");
    let date = humantime::format_rfc3339_seconds(SystemTime::now()).to_string().replace(['-', ':'], "");
    let authorization = signature(host, &date, &body);
    let headers = [("Host", host), ("X-Amz-Date", &date), ("Authorization", &authorization)];
    let answer = request(&edge.admin, "POST", TARGET, &headers, body.as_bytes());
    assert_eq!(answer.status, 201, "{}", answer.text());
}

fn signature(host: &str, date: &str, body: &str) -> String {
    let scope = format!("{}/us-east-1/cloudfront/aws4_request", &date[..8]);
    let canonical =
        format!("POST\n{TARGET}\n\nhost:{host}\nx-amz-date:{date}\n\nhost;x-amz-date\n{}", digest_hex(body.as_bytes()));
    let message = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", digest_hex(canonical.as_bytes()));
    let mut key = format!("AWS4{SECRET}").into_bytes();
    for part in scope.split('/').chain([message.as_str()]) {
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("any length will do");
        mac.update(part.as_bytes());
        key = mac.finalize().into_bytes().to_vec();
    }
    let signature: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("AWS4-HMAC-SHA256 Credential={ID}/{scope}, SignedHeaders=host;x-amz-date, Signature={signature}")
}
