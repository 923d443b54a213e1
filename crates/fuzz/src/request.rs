//! Request targets: read, resolved under every grant, signed and verified. What they come to has one name, and that name means it.

use std::sync::LazyLock;

use afterimage_identity::{Revision, Version};
use afterimage_variant::{
    Grant, Imgproxy, Mapping, Policy, Resolution, Rules, Scheme, SigningKey, canonical_path, derivative_key,
    parse_derivative_key, resolve, verify,
};

use crate::{Manner, Target};

pub(crate) const TARGET: Target = Target {
    name: "request",
    run,
    seeds: || SEEDS.iter().map(|seed| seed.as_bytes().to_vec()).collect(),
    manner: Manner { special: b"/%?&=-._~:@,+;*\x00\x7f0129", end: b".webp", head_bytes: 0 },
};

const SEEDS: &[&str] = &[
    "/p/a.jpg",
    "/p/a.jpg?w=300&fm=webp",
    "/p/a.jpg?d=100x200&auto=format",
    "/p/a%20b+c.jpg?w=300&h=200&fit=crop&crop=top,left&q=75&dpr=2&auto=format,compress",
    "/p/a.jpg?rect=left,10,0.5,full&flip=hv&rot=180&w=900&max-w=300&fm=webp",
    "/p/a.jpg?max-w=250&dpr=2&fit=cover&ar=16:9",
    "/p/a.jpg?w=300&h=200&fit=fill&bg=8fa3bc&pad=4",
    "/p/a.jpg?fit=crop&crop=focalpoint&fp-x=0.25&fp-y=0.75&w=640&h=480",
    "/p/a.jpg?w=90&blur=20&sharp=10&trim=auto&cs=srgb&fm=png16",
    "/a.jpg?preset=thumb",
    "/a.jpg?w=5&expires=1700000000&s=0123456789abcdef0123456789abcdef",
    "/%EC%82%AC%EC%A7%84/caf%C3%A9.jpg?width=300&height=200&fit=cover",
    "/p/a.jpg/-/w300.webp",
    "/p/a=20b.jpg/-/rot90-rect10x20x300x200-w300-h200-crop-top-q75.jpg",
    "/p/a.jpg/-/full.webp?s=abc",
    "/imgproxy/insecure/rs:fill:300:200:1/g:sm/q:80/plain/local:///p/a.jpg@webp",
    "/imgproxy/insecure/w:300/dpr:2/bG9jYWw6Ly8vcC9hLmpwZw.png",
    "/imgproxy/AfrOrF3gWeDA6VOlDG4TzxMv39O7MXnF4CXpKUwGqRM/size:300:300/plain/http://img.example/p/a%20b.jpg",
];

/// The policies that targets meet.
static RULES: LazyLock<[Rules; 3]> = LazyLock::new(|| {
    let presets = [("thumb".to_owned(), "w=150&h=150&fit=crop".to_owned())].into();
    let key = |name: &str, scheme| SigningKey { name: name.to_owned(), secret: vec![7; 32], scheme };
    let mapping = |url: &str, prefix: &str| Mapping { url: url.to_owned(), prefix: prefix.to_owned() };
    let imgproxy = Imgproxy {
        path: "/imgproxy/".to_owned(),
        keys: Vec::new(),
        signature_bytes: 32,
        base_url: String::new(),
        mappings: vec![mapping("local:///", ""), mapping("http://img.example/", "img/")],
    };
    let keys = vec![key("ours", Scheme::HmacSha256), key("imgix", Scheme::ImgixMd5)];
    let rules = [
        Rules { presets, keys: keys.clone(), ..Rules::default() },
        Rules { imgproxy: Some(imgproxy), ..Rules::default() },
        Rules { policy: Policy::dims(), require_signature: true, keys, ..Rules::default() },
    ];
    for rules in &rules {
        rules.validate().expect("rules that make sense");
    }
    rules
});

fn run(how: u8, bytes: &[u8]) -> bool {
    // A target is ASCII on the wire; what is not is refused before, or read by us as it is.
    let target = String::from_utf8_lossy(bytes);
    let grant = [Grant::Public, Grant::Signed, Grant::Open, Grant::Trusted][usize::from(how & 3)];
    let accept =
        [None, Some("image/avif,image/webp;q=0.5"), Some("image/webp"), Some("*/*;q=0")][usize::from(how >> 2 & 3)];
    let rules = &RULES[usize::from(how >> 4) % RULES.len()];
    // Whatever it says; that no target is valid that no key signed is proved where keys are.
    let _ = verify(rules, &target, 1_700_000_000);
    match resolve(rules, &target, accept, grant) {
        Ok(resolution) => {
            check(rules, &resolution);
            true
        }
        Err(_) => false,
    }
}

fn check(rules: &Rules, once: &Resolution) {
    let Resolution { key, wanted, canonical_path: path, .. } = once;
    assert_eq!(*path, canonical_path(key, wanted), "a path that is not the name of what is wanted");
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-=".contains(&byte);
    assert!(path.bytes().all(is_plain), "{path} needs encoding");
    let (version, revision) = (Version::of_content(b"v"), Revision::of(["r"]));
    let stored = derivative_key(key, wanted, &version, &revision);
    let read = parse_derivative_key(&stored).unwrap_or_else(|| panic!("{stored} is not read as a derivative's"));
    assert!(read.key.is_none_or(|read| read == *key), "{stored} belongs to another original");
    // A digest does not say what it is of; and where a front has the path, the name is the front's to read.
    let is_front = rules.imgproxy.as_ref().is_some_and(|front| path.starts_with(&front.path));
    if key.escaped().is_digest() || is_front {
        return;
    }
    let twice = resolve(rules, path, None, Grant::Trusted).unwrap_or_else(|refusal| panic!("{path}: {refusal:?}"));
    assert_eq!((&twice.key, &twice.wanted, &twice.canonical_path), (key, wanted, path), "a name that means another");
    assert!(twice.changed.is_empty() && !twice.vary_accept, "{path} is changed");
}
