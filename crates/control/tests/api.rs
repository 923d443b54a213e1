//! The interface from outside: codes, statuses, headers, states and who is let in.

mod support;

use std::time::Duration;

use afterimage_control::Limits;
use afterimage_identity::Clock;
use axum::body::Body;
use http::Request;
use support::{World, batch, sign};

const ROOT: &str = "/2020-05-31/distribution";

#[tokio::test]
async fn an_invalidation_is_in_progress_until_every_tier_is_clean() {
    let world = World::new();
    world.tier.clean(false);
    let made = world.create("r&amp;1", &["/a?b=1&c=2", "#Tag"]).await;
    assert_eq!((made.status, made.text("Status")), (201, "InProgress"));
    assert_eq!(made.header("content-type"), "text/xml");
    let id = made.text("Id").to_owned();
    let target = format!("{ROOT}/E2EXAMPLE/invalidation/{id}");
    assert_eq!(made.header("location"), target);
    assert_eq!((made.text("Path"), made.text("CallerReference")), ("/a?b=1&amp;c=2", "r&amp;1"));
    for _ in 0..20 {
        tokio::task::yield_now().await;
        assert_eq!(world.call("GET", &target, "").await.text("Status"), "InProgress");
    }
    let distribution = world.call("GET", &format!("{ROOT}/E2EXAMPLE"), "").await;
    assert_eq!(distribution.text("InProgressInvalidationBatches"), "1");
    assert_eq!((distribution.text("DomainName"), distribution.text("HeaderName")), ("127.0.0.1:8080", "Cache-Tag"));
    assert!(!distribution.header("etag").is_empty());
    world.tier.clean(true);
    while world.call("GET", &target, "").await.text("Status") != "Completed" {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_same_reference_is_the_same_invalidation() {
    let world = World::new();
    let first = world.create("r", &["/a", "/b"]).await;
    let again = world.create("r", &["/b", "/a"]).await;
    assert_eq!((again.status, again.text("Id")), (201, first.text("Id")));
    assert_eq!(world.create("r", &["/a"]).await.fault(), (409, "InvalidationBatchAlreadyExists"));
    let list = world.call("GET", &format!("{ROOT}/E2EXAMPLE/invalidation"), "").await;
    assert_eq!(list.text("Quantity"), "1");
    // Many at once are one.
    let create = || world.create("s", &["/c"]);
    let (one, two, three) = tokio::join!(create(), create(), create());
    assert_eq!([two.text("Id"), three.text("Id")], [one.text("Id"); 2]);
    let list = world.call("GET", &format!("{ROOT}/E2EXAMPLE/invalidation"), "").await;
    assert_eq!(list.text("Quantity"), "2");
}

#[tokio::test]
async fn quotas_are_settings_and_free_again_when_finished() {
    let world = World::with(Limits { paths_max: 3, wildcards_max: 1, kept_max: 10 }, false);
    world.tier.clean(false);
    assert_eq!(world.create("1", &["/a", "/b", "/w*"]).await.status, 201);
    assert_eq!(world.create("2", &["/c", "#d"]).await.fault(), (400, "TooManyInvalidationsInProgress"));
    assert_eq!(world.create("2", &["/v*"]).await.fault(), (400, "TooManyInvalidationsInProgress"));
    assert_eq!(world.create("2", &["/1", "/2", "/3", "/4"]).await.fault(), (413, "BatchTooLarge"));
    assert_eq!(world.create("2", &["/c"]).await.status, 201);
    world.tier.clean(true);
    while world.create("3", &["/d", "/e", "/f", "/x*"]).await.status != 201 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn lists_are_paged_from_the_newest() {
    let world = World::new();
    let mut ids = Vec::new();
    for at in 0..5 {
        ids.insert(0, world.create(&at.to_string(), &["/a"]).await.text("Id").to_owned());
    }
    let list = format!("{ROOT}/E2EXAMPLE/invalidation");
    let first = world.call("GET", &format!("{list}?MaxItems=2"), "").await;
    assert_eq!((first.text("Quantity"), first.text("IsTruncated")), ("2", "true"));
    assert_eq!(first.text("NextMarker"), ids[1]);
    let second = world.call("GET", &format!("{list}?Marker={}&MaxItems=100", ids[1]), "").await;
    assert_eq!((second.text("Quantity"), second.text("IsTruncated"), second.text("Id")), ("3", "false", &*ids[2]));
    for wrong in ["MaxItems=0", "MaxItems=x", "MaxItems=-1", "Marker=I0", "MaxItems="] {
        assert_eq!(
            world.call("GET", &format!("{list}?{wrong}"), "").await.fault(),
            (400, "InvalidArgument"),
            "{wrong}"
        );
    }
    let distributions = world.call("GET", ROOT, "").await;
    assert_eq!((distributions.text("Quantity"), distributions.text("Id")), ("1", "E2EXAMPLE"));
}

#[tokio::test]
async fn each_wrong_request_has_its_code() {
    let world = World::new();
    let create = format!("{ROOT}/E2EXAMPLE/invalidation");
    for (method, target, body, status, code) in [
        ("POST", create.as_str(), String::new(), 400, "MissingBody"),
        ("POST", &create, "<a>".into(), 400, "MalformedXML"),
        ("POST", &create, batch("r", &["a"]), 400, "InvalidArgument"),
        ("POST", &create, batch("r", &["/a~b"]), 400, "InvalidArgument"),
        ("POST", &create, batch("r", &["/a"]).replace(">1<", ">2<"), 400, "InconsistentQuantities"),
        ("POST", &create, batch("r", &vec!["/a"; 3001]), 413, "BatchTooLarge"),
        ("POST", &create, "x".repeat((16 << 20) + 1), 413, "BatchTooLarge"),
        ("POST", "/2020-05-31/distribution/ENOBODY/invalidation", batch("r", &["/a"]), 404, "NoSuchDistribution"),
        ("GET", "/2020-05-31/distribution/ENOBODY/invalidation/I1", String::new(), 404, "NoSuchDistribution"),
        ("GET", "/2020-05-31/distribution/E2EXAMPLE/invalidation/I1", String::new(), 404, "NoSuchInvalidation"),
        ("GET", "/2020-05-31/distribution/ENOBODY", String::new(), 404, "NoSuchDistribution"),
        ("GET", "/2020-05-31/distribution/ENOBODY/config", String::new(), 404, "NoSuchDistribution"),
        ("PUT", "/2020-05-31/distribution/E2EXAMPLE/config", String::new(), 501, "NotImplemented"),
        ("GET", "/2020-05-31/cache-policy", String::new(), 501, "NotImplemented"),
    ] {
        let reply = world.call(method, target, &body).await;
        assert_eq!(reply.fault(), (status, code), "{method} {target}: {}", reply.body);
        assert_eq!(reply.text("RequestId"), reply.header("x-amzn-requestid"));
        assert_eq!(reply.text("Type"), if status < 500 { "Sender" } else { "Receiver" });
    }
    assert_eq!(world.create("r", &vec!["/a"; 3000]).await.status, 201);
}

#[tokio::test]
async fn only_whoever_signs_with_a_known_key_lately_is_let_in() {
    let world = World::new();
    let (target, body) = (format!("{ROOT}/E2EXAMPLE/invalidation"), batch("r", &["/a"]));
    let now = world.clock.wall();
    let refused = async |what: &str, request: Request<Body>, status: u16, code: &str| {
        assert_eq!(world.send(request).await.fault(), (status, code), "{what}");
    };
    let skew = Duration::from_secs(300);
    for (what, at) in
        [("past the skew", now - skew - Duration::from_secs(1)), ("before it", now + skew + Duration::from_secs(1))]
    {
        refused(what, sign("POST", &target, &body, at), 403, "SignatureDoesNotMatch").await;
    }
    let mut tampered = sign("POST", &target, &body, now);
    *tampered.body_mut() = Body::from(batch("r", &["/*"]));
    refused("another body", tampered, 403, "SignatureDoesNotMatch").await;
    let mut moved = sign("POST", &target, &body, now);
    *moved.uri_mut() = format!("{ROOT}/E2OTHER/invalidation").parse().unwrap();
    refused("another path", moved, 403, "SignatureDoesNotMatch").await;
    let with = |from: &str, to: &str| {
        let mut request = sign("POST", &target, &body, now);
        let value = request.headers()["authorization"].to_str().unwrap().replace(from, to);
        request.headers_mut().insert("authorization", value.parse().unwrap());
        request
    };
    refused("another key", with(support::KEY, "AKIAOTHER"), 403, "InvalidClientTokenId").await;
    refused("another service", with("/cloudfront/", "/s3/"), 403, "SignatureDoesNotMatch").await;
    refused("another region than signed", with("eu-west-1", "us-east-1"), 403, "SignatureDoesNotMatch").await;
    refused("no signature", with("Signature=", "Sig="), 400, "IncompleteSignature").await;
    let unsigned = Request::post(&target).header("host", support::HOST).body(Body::from(body.clone())).unwrap();
    refused("nothing", unsigned, 403, "MissingAuthenticationToken").await;
    let token = Request::post(&target)
        .header("host", support::HOST)
        .header("authorization", "Bearer the operator's token")
        .body(Body::from(body.clone()))
        .unwrap();
    refused("the operator's token", token, 403, "MissingAuthenticationToken").await;
    // A page elsewhere that rebinds its name to our address.
    let mut rebound = sign("POST", &target, &body, now);
    rebound.headers_mut().insert("host", "evil.example".parse().unwrap());
    assert_eq!(world.send(rebound).await.status, 421);
    assert_eq!(world.create("r", &["/a"]).await.status, 201);
    // The same bytes again, within the skew and past it.
    assert_eq!(world.send(sign("POST", &target, &body, now)).await.status, 201);
    world.clock.advance(skew + Duration::from_secs(1));
    refused("a replay past the skew", sign("POST", &target, &body, now), 403, "SignatureDoesNotMatch").await;
}

#[tokio::test]
async fn invalidations_are_counted() {
    let world = World::new();
    world.create("r", &["/a"]).await;
    world.purge("/a", &[]).await;
    let request = Request::get("/metrics").header("host", support::HOST);
    let request = request.header("authorization", "Bearer the operator's token").body(Body::empty()).unwrap();
    assert!(world.send(request).await.body.contains("afterimage_invalidations_total 2"));
}
