//! A bucket with originals below `o` and derivatives below `d`, a function over it, and a server over the same.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use afterimage_edge::{Door, Edge};
use afterimage_identity::{Clock, Stamp};
use afterimage_setup::{Settings, Sources, Wired, locations, wire};
use afterimage_testkit::Queue;
use afterimage_testkit::bucket::Double;
use afterimage_testkit::lambda::{Function, Sandbox, url_event};
use afterimage_testkit::picture;
use bytes::Bytes;

pub struct World {
    pub bucket: Double,
    pub function: Function,
    environment: Vec<(&'static str, String)>,
}

impl World {
    /// A bucket with these sample pictures.
    pub async fn new(names: &[&str]) -> Self {
        let bucket = Double::start().await;
        for name in names {
            bucket.state().write(&format!("o/{name}"), &picture(name));
        }
        let environment = vec![
            ("AFTERIMAGE_SOURCE_URL", "s3://pictures/o".to_owned()),
            ("AFTERIMAGE_DERIVATIVES_URL", "s3://pictures/d".to_owned()),
            ("AFTERIMAGE_S3_ENDPOINT", bucket.endpoint.clone()),
            ("AFTERIMAGE_S3_PATH_STYLE", "true".to_owned()),
            ("AFTERIMAGE_S3_PROFILES_FILE", bucket.profiles().display().to_string()),
            ("AFTERIMAGE_S3_ATTEMPTS_MAX", "2".to_owned()),
            ("AFTERIMAGE_SERVER_TRUST", "canonical".to_owned()),
        ];
        let function = Function::new(env!("CARGO_BIN_EXE_afterimage-render"));
        let function = environment.iter().fold(function, |function, (name, value)| function.with(name, value));
        Self { bucket, function, environment }
    }

    /// What both functions are told, with a queue between them.
    pub fn environment_with(&self, queue: &Queue) -> BTreeMap<String, String> {
        let own = [
            ("AFTERIMAGE_LAMBDA_LATER_QUEUE", queue.url()),
            ("AFTERIMAGE_EVENTS_SQS_REGION", "eu-central-1".to_owned()),
        ];
        let all = self.environment.iter().chain(&own);
        all.map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    /// The function, with a queue to say things to.
    pub fn telling(&self, queue: &Queue) -> Function {
        let environment = self.environment_with(queue);
        let function = Function::new(env!("CARGO_BIN_EXE_afterimage-render"));
        environment.iter().fold(function, |function, (name, value)| function.with(name, value))
    }

    /// What lies below `d`.
    pub fn stored(&self) -> Vec<String> {
        self.bucket.state().objects.keys().filter(|key| key.starts_with("d/")).cloned().collect()
    }

    /// What the bucket was called for, and forgets it.
    pub fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.bucket.state().calls)
    }

    /// A server with the same settings.
    pub fn server(&self) -> Server {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().display().to_string();
        let mut environment: BTreeMap<String, String> =
            self.environment.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let settings = Settings::load(&Sources { environment: environment.clone(), ..Default::default() }).unwrap();
        environment
            .extend(["XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"].map(|name| (name.into(), folder.clone())));
        let source = settings.root_source().unwrap();
        let locations = locations(&source, &environment).unwrap();
        let wiring = settings.wiring(&source, &locations, &|path| std::fs::read(path)).unwrap();
        let wired = tokio::task::block_in_place(|| wire(&wiring, Arc::new(Now(Instant::now())), "a test").unwrap());
        Server { wired, _home: home }
    }
}

pub struct Server {
    wired: Wired,
    _home: tempfile::TempDir,
}

impl Server {
    pub fn edge(&self) -> &Arc<Edge> {
        &self.wired.edge
    }

    pub async fn answer(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> http::Response<Bytes> {
        let request = http::Request::builder().method(method).uri(target);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let (parts, ()) = request.body(()).unwrap().into_parts();
        self.edge().handle(Door::Trusted, &parts).await
    }
}

/// Clocks for the server in this process.
struct Now(Instant);

impl Clock for Now {
    fn now(&self) -> Stamp {
        Stamp(1).after(self.0.elapsed())
    }
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// What the function answers.
pub fn ask(sandbox: &mut Sandbox, method: &str, target: &str, headers: &[(&str, &str)]) -> http::Response<Vec<u8>> {
    sandbox.invoke(&url_event(method, target, headers)).http()
}

pub fn header<'a, B>(answer: &'a http::Response<B>, name: &str) -> &'a str {
    answer.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

pub const MS: fn(u64) -> Duration = Duration::from_millis;
