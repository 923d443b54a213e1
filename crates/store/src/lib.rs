//! Objects at rest, behind two narrow traits.
//!
//! [`Read`] and [`Write`] are all that the rest of afterimage knows of a place where bytes lie. A store proves absence or
//! says that it cannot; it never serves a body that is not the one it names; and nothing here deletes an original, but for
//! [`inherited`], which belongs to one command alone.

mod absence;
mod asker;
mod beneath;
pub mod bucket;
pub mod conformance;
pub mod derivatives;
mod error;
pub mod inherited;
pub mod keep;
mod keys;
mod lru;
mod memory;
mod object;
pub mod originals;
mod walk;

pub use absence::Absences;
pub use asker::Asker;
#[cfg(feature = "s3")]
pub use bucket::{BucketDerivatives, BucketKeep, BucketOriginals};
pub use derivatives::{Config as DerivativesConfig, Derivatives};
pub use error::{Error, Refusal};
pub use keys::STORED_KEY_BYTES_MAX;
pub use memory::Memory;
pub use object::{Listed, META_BYTES_MAX, Meta, Object, PAGE_ENTRIES_MAX, Page, Read, Stat, Write};
pub use originals::{Config as OriginalsConfig, Originals};
