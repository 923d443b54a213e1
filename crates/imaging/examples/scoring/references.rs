//! Pictures at sizes, without loss, that encoders are measured with.

use std::path::Path;

use afterimage_imaging::{Never, Settings, render};

use super::scoring::{Rgb, pixels, variant};

fn name(picture: &str) -> &str {
    Path::new(picture).file_stem().and_then(|stem| stem.to_str()).unwrap_or(picture)
}

/// Every picture at every width where it would not be enlarged: its name, the width, the file and its pixels.
pub fn references<'a>(widths: &str, pictures: &'a [&str]) -> impl Iterator<Item = (&'a str, u32, Vec<u8>, Rgb)> {
    let widths: Vec<u32> = widths.split(',').map(|width| width.parse().expect("a width")).collect();
    pictures.iter().flat_map(move |picture| {
        let bytes = std::fs::read(picture).unwrap_or_else(|error| panic!("{picture}: {error}"));
        let mut made = Vec::new();
        for width in &widths {
            let query = format!("w={width}&fm=png&bg=fff");
            let file = render(&bytes, &variant(&query), &Settings::default(), &Never).expect("renders").bytes;
            let rgb = pixels(&file);
            if rgb.width == *width {
                made.push((name(picture), *width, file, rgb));
            }
        }
        made
    })
}
