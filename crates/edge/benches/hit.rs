//! What one answer costs inside the edge, from a request's head to a response: `cargo bench -p afterimage-edge`. What hyper and
//! the kernel add, `bench/run hits` measures.

use std::hint::black_box;
use std::sync::Arc;

use afterimage_cache::Cache;
use afterimage_edge::{Config, Door, Edge, Failure, Job, Load, Parts, Renderer};
use afterimage_identity::{BoxFuture, Event, ManualClock, Notice};
use afterimage_imaging::Rendered;
use afterimage_store::{Asker, Memory, Meta, Write};
use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use http::{Request, StatusCode, request};

/// A PNG's signature is all that the edge itself looks at.
const ORIGINAL: &[u8] = b"\x89PNG\r\n\x1a\n";
/// What Chrome sends with a picture.
const ACCEPT: &str = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8";

struct Drawn;

impl Renderer for Drawn {
    fn render(&self, _: Job) -> BoxFuture<'_, Result<Rendered, Failure>> {
        let (width, height, frames) = (400, 300, 1);
        Box::pin(async move {
            Ok(Rendered {
                bytes: vec![7; 10_240],
                media_type: "image/webp",
                width,
                height,
                frames,
                chosen: String::new(),
                gain_map: None,
            })
        })
    }
    fn load(&self) -> Load {
        Load::default()
    }
}

struct Nobody;

impl Notice for Nobody {
    fn notice(&self, _: Event) {}
}

async fn edge() -> Arc<Edge> {
    let clock = Arc::new(ManualClock::default());
    let originals = Arc::new(Memory::new());
    originals.put("p/a.png", Meta::default(), Bytes::from_static(ORIGINAL)).await.expect("a bench has room");
    let parts = Parts {
        originals: originals.clone(),
        derivatives: Arc::new(Memory::new()),
        ask: Arc::new(Asker::new(originals, clock.clone())),
        cache: Cache::new(afterimage_cache::Config::default()),
        renderer: Arc::new(Drawn),
        upstream: None,
        notice: Arc::new(Nobody),
        clock,
    };
    Edge::new(Config::default(), parts)
}

fn asked(target: &str, headers: &[(&str, &str)]) -> request::Parts {
    let mut request = Request::get(target).header("host", "localhost");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).expect("a request").into_parts().0
}

fn answers(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let edge = runtime.block_on(edge());
    for (name, target, headers, status) in [
        ("width and format", "/p/a.png?w=400&fm=webp", &[][..], StatusCode::OK),
        ("a browser's srcset", "/p/a.png?auto=format&w=400&ixlib=js-3.8.0", &[("accept", ACCEPT)], StatusCode::OK),
        ("canonical path", "/p/a.png/-/w400.webp", &[], StatusCode::OK),
        ("bare original", "/p/a.png", &[], StatusCode::OK),
        ("not modified", "/p/a.png?w=400&fm=webp", &[("if-none-match", "*")], StatusCode::NOT_MODIFIED),
        ("refused", "/p/a.png?w=400&h=37", &[], StatusCode::FORBIDDEN),
    ] {
        let parts = asked(target, headers);
        let answer = || runtime.block_on(edge.handle(Door::Public, black_box(&parts)));
        // The first one fills; every later one is a hit.
        while answer().status() != status {}
        criterion.bench_function(&format!("hit/{name}"), |bencher| bencher.iter(answer));
    }
}

criterion_group!(benches, answers);
criterion_main!(benches);
