//! What SNS serves to whoever listens to it: certificates and confirmations, through the same bounded client as origins.

use std::sync::Arc;
use std::time::Duration;

use afterimage_events::Fetch;
use afterimage_identity::{BoxFuture, Clock};
use afterimage_origin::{Body, Config, Limits, Origin};
use http::Request;
use http_body_util::{BodyExt, Limited};

/// A certificate has two kilobytes, a confirmation less.
const BODY_BYTES_MAX: usize = 64 << 10;
/// How long either may take.
const FETCH: Duration = Duration::from_secs(10);

/// [`Fetch`] from public servers only; redirects lead nowhere.
pub(crate) struct Fetching(pub(crate) Arc<dyn Clock>);

impl Fetch for Fetching {
    fn get<'a>(&'a self, host: &'a str, target: &'a str) -> BoxFuture<'a, Result<Vec<u8>, String>> {
        Box::pin(async move {
            let limits = Limits { total: FETCH, first_byte: FETCH, ..Limits::default() };
            let config = Config { url: format!("https://{host}/"), limits, ..Config::default() };
            let remedies = |mistakes: Vec<afterimage_origin::Mistake>| {
                mistakes.into_iter().map(|mistake| mistake.remedy).collect::<Vec<_>>().join("; ")
            };
            // Once a year for a certificate, once ever for a confirmation: no connection is kept.
            let origin = Origin::new(config, self.0.clone()).map_err(remedies)?;
            let request = Request::get(target).body(Body::empty()).map_err(|error| error.to_string())?;
            let answer = origin.send(request).await.map_err(|error| error.to_string())?;
            if !answer.status().is_success() {
                return Err(format!("https://{host} answered {}", answer.status()));
            }
            let body = Limited::new(answer.into_body(), BODY_BYTES_MAX).collect().await;
            Ok(body.map_err(|error| error.to_string())?.to_bytes().to_vec())
        })
    }
}
