//! The invalidation interface, called by the AWS SDK for Rust: another signer, serialiser, paginator and waiter than those
//! of boto3 and the command line.

use std::time::Duration;

use afterimage_testkit::Server;
use aws_sdk_cloudfront::Client;
use aws_sdk_cloudfront::client::Waiters;
use aws_sdk_cloudfront::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_cloudfront::config::retry::RetryConfig;
use aws_sdk_cloudfront::config::{
    BehaviorVersion, Config, ConfigBag, Credentials, Intercept, Region, RuntimeComponents, SharedInterceptor,
};
use aws_sdk_cloudfront::error::{BoxError, ProvideErrorMetadata};
use aws_sdk_cloudfront::operation::create_invalidation::{CreateInvalidationError, CreateInvalidationOutput};
use aws_sdk_cloudfront::types::{InvalidationBatch, Paths};

const KEY: &str = "AKIAEDGE1";
const SECRET: &str = "c2VjcmV0/for+tests=only";
const DISTRIBUTION: &str = "AFTERIMAGE";

fn edge() -> Server {
    let binary = std::env::var("AFTERIMAGE_BIN").expect("AFTERIMAGE_BIN names the built binary");
    Server::start(&binary, &["museum.jpg"], &["--set", &format!("admin.access_keys={KEY} {SECRET}")])
}

fn config(edge: &Server, secret: &str) -> aws_sdk_cloudfront::config::Builder {
    Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .endpoint_url(&edge.admin)
        .credentials_provider(Credentials::new(KEY, secret, None, None, "a test"))
        .retry_config(RetryConfig::disabled())
}

fn client(edge: &Server, secret: &str) -> Client {
    Client::from_conf(config(edge, secret).build())
}

async fn create(
    client: &Client,
    reference: &str,
    items: &[&str],
) -> Result<CreateInvalidationOutput, CreateInvalidationError> {
    let items: Vec<_> = items.iter().map(|item| (*item).to_owned()).collect();
    let paths = Paths::builder().quantity(items.len() as i32).set_items(Some(items)).build().expect("paths");
    let batch = InvalidationBatch::builder().paths(paths).caller_reference(reference).build().expect("a batch");
    let sent = client.create_invalidation().distribution_id(DISTRIBUTION).invalidation_batch(batch).send().await;
    sent.map_err(|error| error.into_service_error())
}

#[tokio::test]
async fn an_invalidation_from_beginning_to_end() {
    let edge = edge();
    let client = client(&edge, SECRET);
    let target = "/museum.jpg?w=400&fm=webp";
    edge.until(target, |answer| answer.header("cache-status").contains("memory"));
    let items = [target, "/caf%C3%A9/*", "#Tag-1"];
    let made = create(&client, "first", &items).await.expect("it is taken");
    assert!(edge.get(target).header("cache-status").contains("stored-derivative"), "it was forgotten, and not deleted");
    let made_invalidation = made.invalidation().expect("what was made");
    let id = made_invalidation.id().to_owned();
    assert!(made.location().expect("where it is").ends_with(&id));
    assert_eq!(made_invalidation.invalidation_batch().expect("its items").paths().expect("its paths").items(), items);
    let waited = client.wait_until_invalidation_completed().distribution_id(DISTRIBUTION).id(&id);
    waited.wait(Duration::from_secs(60)).await.expect("it completes");
    let found = client.get_invalidation().distribution_id(DISTRIBUTION).id(&id).send().await.expect("it is there");
    assert_eq!(found.invalidation().expect("it").status(), "Completed");
    let again = create(&client, "first", &items).await.expect("the same reference with the same items");
    assert_eq!(again.invalidation().expect("it").id(), id);
}

#[tokio::test]
async fn the_paginator_sees_each_once() {
    let edge = edge();
    let client = client(&edge, SECRET);
    let mut ids = Vec::new();
    for at in 0..5 {
        let made = create(&client, &at.to_string(), &[&format!("/{at}")]).await.expect("it is taken");
        ids.push(made.invalidation().expect("it").id().to_owned());
    }
    ids.reverse();
    let mut pages = client.list_invalidations().distribution_id(DISTRIBUTION).max_items(2).into_paginator().send();
    let (mut seen, mut count) = (Vec::new(), 0);
    while let Some(page) = pages.next().await {
        let page = page.expect("a page");
        count += 1;
        let list = page.invalidation_list().expect("a list");
        seen.extend(list.items().iter().map(|row| row.id().to_owned()));
    }
    assert_eq!((seen, count), (ids, 3));
}

#[tokio::test]
async fn errors_are_the_model_s() {
    let edge = edge();
    let client = client(&edge, SECRET);
    let error = create(&client, "a", &["a"]).await.expect_err("no slash");
    assert!(matches!(error, CreateInvalidationError::InvalidArgument(_)), "{error:?}");
    assert!(error.message().expect("words").contains("begins with `/`"), "{error:?}");
    create(&client, "b", &["/a"]).await.expect("it is taken");
    let error = create(&client, "b", &["/b"]).await.expect_err("another batch by the same reference");
    assert_eq!(error.code(), Some("InvalidationBatchAlreadyExists"), "{error:?}");
    let sent = client.get_invalidation().distribution_id(DISTRIBUTION).id("INOTHING").send().await;
    let error = sent.expect_err("it is not there").into_service_error();
    assert!(error.is_no_such_invalidation(), "{error:?}");
}

/// Changes what was signed.
#[derive(Debug)]
struct Tamper;

impl Intercept for Tamper {
    fn name(&self) -> &'static str {
        "tamper"
    }
    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        let body = request.body().bytes().expect("a body in memory").to_vec();
        let body = String::from_utf8(body)?.replace("/mine", "/ours");
        *request.body_mut() = body.into();
        Ok(())
    }
}

#[tokio::test]
async fn a_wrong_key_and_a_tampered_body_are_refused() {
    let edge = edge();
    let wrong = client(&edge, "another secret");
    let tampering = config(&edge, SECRET).interceptor(SharedInterceptor::new(Tamper)).build();
    for client in [wrong, Client::from_conf(tampering)] {
        let error = create(&client, "a", &["/mine"]).await.expect_err("it is refused");
        assert_eq!(error.code(), Some("SignatureDoesNotMatch"), "{error:?}");
    }
}
