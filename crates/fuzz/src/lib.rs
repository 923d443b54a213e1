//! Every kind of bytes that comes from outside, and what must hold whatever they are. A [`Target`] does with bytes what the product
//! does and panics where a promise is broken. The suite runs each over its seeds and a fixed number of mutations; `fuzz/`, a
//! workspace of its own, lets libFuzzer look for more.

mod event;
mod invalidation;
pub mod jpeg;
mod mutation;
mod picture;
mod request;

use std::path::{Path, PathBuf};

pub use mutation::{Chance, Manner};
pub use picture::{small_pictures, variant};

/// One kind of bytes from outside.
pub struct Target {
    /// What the program for libFuzzer is called.
    pub name: &'static str,
    /// Does with bytes what the product does, and says whether they got past the first look. `how` chooses what else may differ
    /// from one time to the next: a scale, a grant, a query.
    pub run: fn(how: u8, bytes: &[u8]) -> bool,
    /// Bytes of every shape that is known.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// How seeds are damaged.
    pub manner: Manner,
}

/// Every kind.
pub const TARGETS: [Target; 5] = [jpeg::TARGET, picture::TARGET, request::TARGET, event::TARGET, invalidation::TARGET];

/// One input of libFuzzer to a target: its last byte is `how`.
///
/// # Panics
/// When a promise is broken, or there is no such target.
pub fn run(name: &str, input: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target");
    if let Some((how, bytes)) = input.split_last() {
        (target.run)(*how, bytes);
    }
}

/// The folder of sample pictures.
pub fn pictures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/pictures")
}

/// A sample picture.
///
/// # Panics
/// When there is none of that name.
pub fn sample(name: &str) -> Vec<u8> {
    std::fs::read(pictures().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}
