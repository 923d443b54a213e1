//! How long a request target takes to become a canonical path, in the forms that real clients send, and how long it takes
//! to find out that a signature is good. Run with `cargo bench -p afterimage-variant`.

use std::hint::black_box;

use afterimage_variant::{Grant, Rules, Scheme, SigningKey, resolve, sign, verify};
use criterion::{Criterion, criterion_group, criterion_main};

fn parse(criterion: &mut Criterion) {
    let rules = Rules::default();
    let accept = Some("image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8");
    for (name, target, grant) in [
        ("bare", "/p/a.jpg", Grant::Public),
        ("srcset", "/p/a.jpg?ixlib=js-3.8.0&auto=format&w=1247", Grant::Public),
        ("crop", "/p/a%20b.jpg?w=400&h=300&fit=crop&crop=top,left&q=75&dpr=2&fm=webp", Grant::Public),
        ("effects", "/p/a.jpg?rect=10,10,500,500&rot=90&bg=ff0&blur=20&sharp=5&pad=4&w=300", Grant::Signed),
        ("canonical", "/p/a.jpg/-/w400-h300-crop-topleft-q75.webp", Grant::Public),
    ] {
        criterion.bench_function(&format!("parse/{name}"), |bencher| {
            bencher.iter(|| resolve(black_box(&rules), black_box(target), accept, grant));
        });
    }
}

fn signature(criterion: &mut Criterion) {
    for (name, scheme) in [("hmac", Scheme::HmacSha256), ("md5", Scheme::ImgixMd5)] {
        let key = SigningKey { name: "a".into(), secret: b"sixteen bytes ok".to_vec(), scheme };
        let target = sign(&key, "/p/a.jpg?w=400&h=300&fit=crop&expires=2000000000");
        let rules = Rules { keys: vec![key], ..Rules::default() };
        criterion.bench_function(&format!("verify/{name}"), |bencher| {
            bencher.iter(|| verify(black_box(&rules), black_box(&target), 0));
        });
    }
}

criterion_group!(benches, parse, signature);
criterion_main!(benches);
