//! The method PURGE, as Varnish and Traffic Server know it: one path, or the tags named in a header. It is off unless
//! switched on, and stands behind the same guard as every route.

use std::sync::Arc;

use afterimage_identity::CacheTag;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{Method, StatusCode};

use crate::cloudfront::fault::Fault;
use crate::invalidate::{Invalidations, MATCHED};
use crate::item::Item;

/// Whether a request is for this layer.
pub(crate) fn is_purge(method: &Method) -> bool {
    method.as_str() == "PURGE"
}

/// The layer in front of every route.
pub(crate) async fn purge(
    State(invalidations): State<Arc<Invalidations>>,
    request: Request<Body>,
    next: Next,
) -> Response {
    if !is_purge(request.method()) {
        return next.run(request).await;
    }
    if !invalidations.purge_method {
        let words = "PURGE is switched off: set invalidation.purge_method\n";
        return (StatusCode::METHOD_NOT_ALLOWED, words).into_response();
    }
    let (head, _) = request.into_parts();
    let items = match items(&head) {
        Ok(items) => items,
        Err(words) => return (StatusCode::BAD_REQUEST, format!("{words}\n")).into_response(),
    };
    match invalidations.purge(items).await {
        Ok(matched) => (StatusCode::OK, [(MATCHED, matched)], "purged\n").into_response(),
        Err(Fault { code, message }) => (code.row().1, format!("{message}\n")).into_response(),
    }
}

/// The tags that headers name, else the path.
fn items(head: &Parts) -> Result<Vec<(String, Item)>, String> {
    let values: Vec<_> = CacheTag::HEADERS.iter().flat_map(|name| head.headers.get_all(*name)).collect();
    if !values.is_empty() {
        let tags: Vec<_> = values.iter().filter_map(|value| value.to_str().ok()).flat_map(CacheTag::list).collect();
        if tags.is_empty() {
            return Err("the header names no tag".into());
        }
        return Ok(tags.into_iter().map(|tag| (format!("#{tag}"), Item::Tag(tag))).collect());
    }
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    Ok(vec![(target.to_owned(), Item::parse(target)?)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(target: &str, headers: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let mut builder = http::Request::builder().method("PURGE").uri(target);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        let items = items(&builder.body(()).unwrap().into_parts().0)?;
        Ok(items.into_iter().map(|(text, _)| text).collect())
    }

    #[test]
    fn tags_are_taken_by_every_name_and_the_path_otherwise() {
        assert_eq!(read("/a.jpg?w=400", &[]).unwrap(), ["/a.jpg?w=400"]);
        assert_eq!(read("/a/*", &[]).unwrap(), ["/a/*"]);
        assert_eq!(read("/a", &[("Cache-Tag", "One, two")]).unwrap(), ["#one", "#two"]);
        assert_eq!(read("/a", &[("Surrogate-Key", "one two"), ("Surrogate-Key", "three")]).unwrap().len(), 3);
        assert_eq!(read("/a", &[("Edge-Cache-Tag", "x")]).unwrap(), ["#x"]);
        assert_eq!(read("/a", &[("x-amz-meta-cache-tag", "x")]).unwrap(), ["#x"]);
        assert!(read("/a", &[("Cache-Tag", " ")]).is_err(), "never the path instead");
        assert!(read("/a~b", &[]).is_err());
    }
}
