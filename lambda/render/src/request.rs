//! The event of a function URL (payload format 2.0) as the request that it was. Pictures are asked for without a body, and nobody's
//! cookies matter to them.

use aws_lambda_events::lambda_function_urls::LambdaFunctionUrlRequest;
use http::uri::PathAndQuery;
use http::{Method, Request, Uri, request};

/// Reads an event.
///
/// # Errors
/// In words, when it is no request.
pub fn read(event: LambdaFunctionUrlRequest) -> Result<request::Parts, &'static str> {
    let method = event.request_context.http.method.as_deref().unwrap_or_default();
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| "its method cannot be read")?;
    let path = event.raw_path.filter(|path| !path.is_empty()).unwrap_or_else(|| "/".to_owned());
    let target = match event.raw_query_string.filter(|query| !query.is_empty()) {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    let target = PathAndQuery::try_from(target).map_err(|_| "its path cannot be read")?;
    let (mut parts, ()) = Request::new(()).into_parts();
    (parts.method, parts.uri, parts.headers) = (method, Uri::from(target), event.headers);
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use afterimage_testkit::lambda::url_event;

    use super::*;

    fn event(method: &str, target: &str, headers: &[(&str, &str)]) -> LambdaFunctionUrlRequest {
        serde_json::from_value(url_event(method, target, headers)).expect("an event")
    }

    #[test]
    fn a_request_is_what_it_was() {
        let headers = [("cookie", "a=1; b=2"), ("accept", "image/webp,*/*"), ("x-two", "1"), ("x-two", "2")];
        let request = read(event("HEAD", "/p/a=20b.jpg/-/w300.webp?x=%2F&y", &headers)).unwrap();
        assert_eq!(request.method, "HEAD");
        assert_eq!(request.uri, "/p/a=20b.jpg/-/w300.webp?x=%2F&y");
        let header = |name: &str| request.headers[name].to_str().unwrap();
        assert_eq!([header("accept"), header("x-two")], ["image/webp,*/*", "1,2"]);
        assert_eq!(read(event("GET", "//a//b.jpg", &[])).unwrap().uri.path(), "//a//b.jpg");
    }

    #[test]
    fn what_is_no_request_is_refused_in_words() {
        for (method, path) in [("", "/"), ("G T", "/"), ("GET", "a b"), ("GET", "/a b"), ("GET", "/a\u{7f}")] {
            let mut event = event("GET", "/", &[]);
            event.request_context.http.method = Some(method.to_owned());
            event.raw_path = Some(path.to_owned());
            assert!(read(event).is_err(), "{method:?} {path:?}");
        }
    }
}
