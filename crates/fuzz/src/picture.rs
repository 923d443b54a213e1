//! Files at the whole of imaging, under limits: what comes out is a whole picture or an error, never our own failure.

use afterimage_imaging::{Error, Limits, Never, Settings, predicted_bytes, probe, render, sniff, strip};
use afterimage_variant::{Grant, Rules, Variant, Wanted, resolve};

use crate::{Manner, Target, sample};

pub(crate) const TARGET: Target = Target {
    name: "picture",
    run,
    seeds: || small_pictures().into_iter().map(|(_, bytes)| bytes).collect(),
    manner: Manner { special: &[0, 0xff, 0x7f, 0x80], end: &[0xff, 0xd9], head_bytes: 64 },
};

/// Each step of a render, and each encoder that answers within milliseconds.
const QUERIES: [&str; 8] = [
    "w=32&fm=png",
    "trim=auto&w=20&h=20&fit=crop&crop=entropy&fm=webp",
    "w=24&fm=jpg&q=auto",
    "w=40&h=10&fit=fill&bg=abc&pad=3&blur=20&fm=pjpg",
    "rect=1,1,9,9&w=30&fit=clip&sharp=20&fm=gif",
    "rot=90&flip=hv&w=16&fm=png8",
    "fm=thumbhash",
    "w=8&fm=blurhash",
];

fn run(how: u8, bytes: &[u8]) -> bool {
    let limits = Limits { pixels_max: 4_000_000, output_pixels_max: 1_000_000, frames_max: 100, ..Limits::default() };
    let settings = Settings { limits, ..Settings::default() };
    let query = QUERIES[usize::from(how) % QUERIES.len()];
    let variant = variant(query);
    sniff(bytes);
    let probed = probe(bytes, &settings.limits);
    if let Ok(probe) = &probed {
        predicted_bytes(probe, &variant, &settings);
    }
    match render(bytes, &variant, &settings, &Never) {
        // A hash is a text.
        Ok(picture) => assert!(query.ends_with("hash") || sniff(&picture.bytes).is_some(), "{query} is no picture"),
        // Our own side must not fail for what the input says.
        Err(Error::Encode { why }) => panic!("{query}: {why}"),
        Err(_) => {}
    }
    if let Ok(clean) = strip(bytes, &settings) {
        assert!(sniff(&clean.bytes).is_some(), "sanitised to something else");
    }
    probed.is_ok()
}

/// The variant of a query.
///
/// # Panics
/// When it is none.
pub fn variant(query: &str) -> Variant {
    let resolution = resolve(&Rules::default(), &format!("/x.jpg?{query}"), None, Grant::Open);
    match resolution.map(|resolution| resolution.wanted) {
        Ok(Wanted::Variant(variant)) => *variant,
        other => panic!("{query}: {other:?}"),
    }
}

/// Small pictures of every kind and what they are, so that mutations reach what matters and renders take milliseconds.
///
/// # Panics
/// When a sample does not render.
pub fn small_pictures() -> Vec<(String, Vec<u8>)> {
    let made = [
        ("landscape.jpg", "w=48&fm=jpg"),
        ("landscape.jpg", "w=48&fm=pjpg"),
        ("flower-gray.jpg", "w=48&fm=jpg"),
        ("landscape.jpg", "w=48&fm=png"),
        ("paper.png", "w=48&fm=png"),
        ("landscape.jpg", "w=48&fm=webp"),
        ("rose.webp", "w=48&fm=webp"),
        ("earth.gif", "w=24&fm=webp"),
        ("earth.gif", "w=24&fm=gif"),
        ("rose.webp", "w=48&fm=gif"),
        #[cfg(feature = "native")]
        ("rose.webp", "w=48&fm=avif"),
    ];
    let render = |(name, query): (&str, &str)| {
        let settings = Settings { keep_copyright: true, ..Settings::default() };
        let bytes = render(&sample(name), &variant(query), &settings, &Never).expect("renders").bytes;
        (format!("{name}?{query}"), bytes)
    };
    made.into_iter().map(render).collect()
}
