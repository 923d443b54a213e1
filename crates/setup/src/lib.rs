//! The settings: each defined once, read from file, environment and command line, checked together.
//!
//! From the one table in [`table`] come the types, the defaults, the annotated example file and the reference page. This
//! crate never sees a request, and no other crate reads environment, files or flags.

mod access;
mod behaviour;
mod bucket;
mod buckets;
mod check;
mod choice;
mod clock;
mod convert;
mod define;
mod difference;
mod duration;
mod events;
#[cfg(feature = "tls")]
mod fetch;
mod file;
mod function;
mod imgproxy;
#[cfg(feature = "sqs")]
mod later;
mod list;
mod locations;
mod mistake;
mod mount;
mod mounted;
mod number;
mod outer;
mod promise;
mod proxies;
mod read;
mod reference;
mod rewrite;
mod rules;
mod secret;
mod size;
mod source;
mod table;
mod upstream;
mod value;
mod wire;
#[cfg(all(feature = "s3", feature = "sqs"))]
mod writing;

pub use access::{AccessKey, AccessKeys, DistributionId};
pub use behaviour::Behaviours;
pub use buckets::{NamedBucket, NamedBuckets};
pub use check::{disk_overlap, overlap};
pub use choice::{
    AccessForm, AvifChroma, ClientAddress, ColorSpace, CrossOriginResourcePolicy, ForwardedBy, Isolation, LogFormat,
    LogLevel, OnUnprovable, OriginalsMode, PngEffort, PolicyKind, QualityScale, Scaling, Scheme, Trust, WatchMode,
};
pub use clock::MachineClock;
pub use convert::ReadFile;
pub use define::{Definition, Reload};
pub use events::{Events, EventsWiring};
pub use function::{FUNCTION_ANSWER_BYTES_MAX, wire_function};
pub use list::{Presets, Ratio};
pub use locations::{
    Locations, SOCKET_PATH_BYTES_MAX, canonical_path, is_private_directory, locations, prepare_socket_folder, sockets,
};
pub use mistake::{Mistake, Place};
pub use mount::{Mount, Mounts};
pub use mounted::Mounted;
pub use outer::OuterCaches;
pub use promise::{Shape, promise};
pub use read::{ReadSecret, Sources};
pub use reference::{example_toml, reference_page};
pub use rewrite::AtTheEdge;
pub use secret::{Secret, SigningKey, SigningKeys};
pub use size::Bytes;
pub use source::{Placed, Source};
pub use table::*;
pub use upstream::{AskedServer, Upstream};
pub use wire::{DiskTier, Proof, WireError, Wired, Wiring, watch, wire, wire_with};
#[cfg(all(feature = "s3", feature = "sqs"))]
pub use writing::{Writing, WritingConfig};
