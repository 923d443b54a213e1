//! The language: URL grammar ⇄ [`Variant`] ⇄ canonical path ⇄ derivative key, and the policy over it.
//!
//! [`resolve`] reads a request target, [`verify`] its signature, [`Variant::plan`] says what comes out of a source of a
//! given size. Everything here is pure: no I/O, no clock, no randomness, no environment, so that the same code can run in
//! an edge function, and so that it can be proved by laws. It must never know what a file, a cache or an HTTP status is.

mod canonical;
mod change;
mod format;
mod host;
mod hosts;
mod imgproxy;
mod limits;
mod name;
mod negotiate;
mod parameter;
mod plan;
mod policy;
mod query;
mod refusal;
mod resolve;
mod rules;
mod sign;
mod srcset;
mod target;
mod value;
mod variant;
mod wish;

pub use change::{Change, Why};
pub use format::Format;
pub use host::{host_name, host_pattern};
pub use hosts::{Hosts, Space};
pub use imgproxy::{Imgproxy, KeyPair, Mapping, SIGNATURE_BYTES_MAX, SIGNATURE_BYTES_MIN};
pub use name::{
    CopyName, DerivativeName, canonical_path, copy_key, derivative_key, derivative_prefix, parse_copy_key,
    parse_derivative_key,
};
pub use negotiate::negotiate;
pub use parameter::{LACKING, Name, PARAMETERS, Parameter, parameter};
pub use plan::{Plan, Search, Size, Surround, Window};
pub use refusal::{Refusal, RefusalKind};
pub use resolve::{Grant, Resolution, resolve};
pub use rules::{Mistake, Policy, RATIO_TOLERANCE_PERCENT, Rules, TARGET_BYTES_MAX};
pub use sign::{Scheme, Signature, SigningKey, sign, verify};
pub use srcset::{srcset, srcset_candidates};
pub use target::natural_path;
pub use variant::{
    Anchor, Blur, Fit, Gamut, Length, OUTPUT_SIDE_MAX, Quality, Ratio, Rect, Rgba, Sharpen, Start, Trim, Turn, Variant,
    Wanted,
};
