//! What the tests share: sample pictures, variants from query text, and pixels of whatever comes out.

use std::path::{Path, PathBuf};

use afterimage_imaging::{Error, Never, Rendered, Settings, render};
use afterimage_variant::{Grant, Rules, Variant, Wanted, resolve};

/// Every sample picture that this build can read.
pub const SAMPLES: &[&str] = &[
    "museum.jpg",
    "flower.jpg",
    "flower-progressive.jpg",
    "flower-gray.jpg",
    "landscape.jpg",
    "portrait-cmyk.jpg",
    "channel-cmyk.jpg",
    "earth.gif",
    "park.webp",
    "rose.webp",
    "flower-16bit.png",
    "flower-small.png",
    "paper.png",
    #[cfg(feature = "native")]
    "breakfast.avif",
];

/// Formats that this build can write.
pub const OUTPUTS: &[&str] = &[
    "jpg",
    "pjpg",
    "png",
    "png8",
    "webp",
    "gif",
    #[cfg(feature = "native")]
    "avif",
];

pub fn crate_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

pub fn sample(name: &str) -> Vec<u8> {
    let path = crate_dir().join("../../examples/pictures").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The variant of a query such as `w=400&fm=webp`.
pub fn variant(query: &str) -> Variant {
    variant_for(query, None)
}

/// What a viewer who accepts these media types asks for.
pub fn variant_for(query: &str, accept: Option<&str>) -> Variant {
    let target = format!("/x.jpg?{query}");
    let resolution =
        resolve(&Rules::default(), &target, accept, Grant::Open).unwrap_or_else(|error| panic!("{query}: {error:?}"));
    match resolution.wanted {
        Wanted::Variant(variant) => *variant,
        Wanted::Original => panic!("{query} asks for the original"),
    }
}

pub fn rendered(bytes: &[u8], query: &str) -> Result<Rendered, Error> {
    render(bytes, &variant(query), &Settings::default(), &Never)
}

/// Width, height and RGBA pixels of the first frame of a file, through the crate itself and an independent PNG reader.
pub fn pixels(file: &[u8]) -> (u32, u32, Vec<u8>) {
    let whole = rendered(file, "fm=png").unwrap_or_else(|error| panic!("our own output does not decode: {error}"));
    let mut decoder = png::Decoder::new(std::io::Cursor::new(&whole.bytes));
    decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::ALPHA);
    let mut reader = decoder.read_info().expect("a PNG");
    let mut data = vec![0; reader.output_buffer_size().expect("fits")];
    let info = reader.next_frame(&mut data).expect("pixels");
    let data = match info.color_type {
        png::ColorType::GrayscaleAlpha => data.chunks_exact(2).flat_map(|p| [p[0], p[0], p[0], p[1]]).collect(),
        _ => data,
    };
    (info.width, info.height, data)
}

/// The mean difference of two pictures of one size, per channel, in steps of 1/255.
pub fn mean_difference(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / a.len() as f64
}

/// Whether the long form of a test was asked for.
pub fn is_long() -> bool {
    std::env::var_os("AFTERIMAGE_LONG").is_some_and(|value| value == "1")
}
