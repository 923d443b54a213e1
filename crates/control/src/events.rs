//! The route that buckets, topics and bridges deliver events to. Answered with success only when every record is dealt with
//! for good: whoever delivers tries again otherwise.

use afterimage_events::Delivery;
use afterimage_events::dialect::BODY_BYTES_MAX;
use axum::Extension;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};

use crate::door::ShownIn;
use crate::routes::{Problem, Shared};

/// Where it is.
pub(crate) const PATH: &str = "/events";

/// MinIO asks so whether anybody is there, before it has anything to say.
pub(crate) async fn probe() -> StatusCode {
    StatusCode::OK
}

pub(crate) async fn deliver(
    State(control): Shared,
    Extension(ShownIn(shown_in)): Extension<ShownIn>,
    body: Body,
) -> Response {
    let Some(webhook) = &control.events else {
        return problem(StatusCode::NOT_FOUND, "no bucket is heard here; name it in events.buckets".to_owned());
    };
    let Ok(body) = to_bytes(body, BODY_BYTES_MAX).await else {
        return problem(StatusCode::PAYLOAD_TOO_LARGE, format!("a delivery has at most {BODY_BYTES_MAX} bytes"));
    };
    match webhook.deliver(&body, shown_in).await {
        Delivery::Done => StatusCode::NO_CONTENT.into_response(),
        Delivery::Refused(why) => {
            let mut refusal = problem(StatusCode::UNAUTHORIZED, why);
            refusal.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            refusal
        }
        Delivery::Unreadable(why) => problem(StatusCode::BAD_REQUEST, why),
        Delivery::Again(why) => {
            let mut refusal = problem(StatusCode::SERVICE_UNAVAILABLE, why);
            refusal.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
            refusal
        }
    }
}

fn problem(status: StatusCode, detail: String) -> Response {
    Problem { status, detail }.into_response()
}
