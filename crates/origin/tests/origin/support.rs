//! An origin over a double, with deadlines short enough for tests and far enough apart to be told from each other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use afterimage_identity::{Clock, Stamp};
use afterimage_origin::{Body, Config, Error, Framing, Limits, Origin};
use afterimage_testkit::Upstream;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;

/// The machine's clock.
#[derive(Debug)]
pub struct Machine(Instant);

impl Default for Machine {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for Machine {
    fn now(&self) -> Stamp {
        Stamp(u64::try_from(self.0.elapsed().as_nanos()).expect("a test is short"))
    }
    fn wall(&self) -> std::time::SystemTime {
        std::time::SystemTime::now()
    }
}

pub fn limits() -> Limits {
    Limits {
        connect: Duration::from_millis(500),
        first_byte: Duration::from_millis(150),
        idle: Duration::from_millis(150),
        total: Duration::from_millis(600),
        body_bytes_max: Some(100_000),
        ..Limits::default()
    }
}

pub fn config(url: &str) -> Config {
    Config { url: url.into(), allow: vec!["127.0.0.1/32".into()], limits: limits(), ..Config::default() }
}

pub fn origin(upstream: &Upstream) -> Origin {
    with(config(&format!("{}/", upstream.base)))
}

pub fn with(config: Config) -> Origin {
    Origin::new(config, Arc::new(Machine::default())).expect("a configuration that works")
}

pub fn get(target: &str) -> Request<Body> {
    Request::get(target).body(Body::empty()).expect("a request")
}

/// The whole of an answer.
#[derive(Debug)]
pub struct Whole {
    pub head: http::response::Parts,
    pub body: Bytes,
}

impl Whole {
    pub fn framing(&self) -> Framing {
        *self.head.extensions.get().expect("every answer says how it is framed")
    }
}

/// Sends, and reads the answer to its end.
pub async fn whole(origin: &Origin, request: Request<Body>) -> Result<Whole, Error> {
    read(origin.send(request).await?).await
}

pub async fn read(answer: Response<Body>) -> Result<Whole, Error> {
    let (head, body) = answer.into_parts();
    Ok(Whole { head, body: body.collect().await?.to_bytes() })
}

pub async fn ok(origin: &Origin, target: &str) -> Whole {
    whole(origin, get(target)).await.unwrap_or_else(|error| panic!("{target}: {error}"))
}
