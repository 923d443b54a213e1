//! The index page: one file of HTML and one of script, under a policy that runs nothing else.

use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, X_CONTENT_TYPE_OPTIONS};

/// The page. `base` is where pictures are served, the only other place the page may speak to.
pub(crate) fn html(base: &str) -> Response {
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; img-src {base} blob:; connect-src 'self' {base}; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let mut response = asset("text/html; charset=utf-8", include_str!("page.html"));
    if let Ok(policy) = HeaderValue::try_from(policy) {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// Its script.
pub(crate) fn script() -> Response {
    asset("text/javascript; charset=utf-8", include_str!("page.js"))
}

fn asset(media_type: &'static str, text: &'static str) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    (headers, text).into_response()
}
