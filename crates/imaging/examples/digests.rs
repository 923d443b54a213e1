//! `digests [FOLDER]`: renders each sample picture, or each file of a folder, by every path through the pipeline, and prints a digest of
//! what came out, a line each. Two machines, or two kinds of kernels, are held against each other with `diff`.

use std::path::PathBuf;

use afterimage_identity::digest_hex;
use afterimage_imaging::{Never, Scaling, Settings, render};
use afterimage_variant::{Grant, Rules, Wanted, resolve};

/// From planes to planes, by way of pixels, and each encoder.
const QUERIES: [&str; 12] = [
    "w=400&fm=jpg",
    "w=333&fm=pjpg",
    "w=400&fm=webp",
    "w=97&h=61&fit=crop&fm=jpg",
    "w=150&h=150&fit=crop&crop=entropy&fm=png",
    "rect=11,13,301,203&w=220&fit=clip&fm=png",
    "w=300&rot=90&flip=h&fm=png",
    "w=200&blur=40&sharp=20&fm=png",
    "w=160&fm=png8",
    "w=90&fm=gif",
    "w=120&fm=avif",
    "fm=thumbhash",
];

fn main() {
    let samples = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/pictures");
    let folder = std::env::args_os().nth(1).map_or_else(samples, PathBuf::from);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    for file in files {
        let bytes = std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        for scaling in [Scaling::Best, Scaling::Fast] {
            for query in QUERIES {
                let settings = Settings { scaling, ..Settings::default() };
                let resolution = resolve(&Rules::default(), &format!("/x.jpg?{query}"), None, Grant::Open);
                let Ok(Wanted::Variant(variant)) = resolution.map(|resolution| resolution.wanted) else {
                    panic!("{query} is no variant");
                };
                let outcome = render(&bytes, &variant, &settings, &Never);
                let outcome = outcome.map_or_else(|error| error.to_string(), |made| digest_hex(&made.bytes));
                println!("{name} {query} {scaling:?} {outcome}");
            }
        }
    }
}
