//! Two edges, each a built binary with a cache of its own, and originals that are deleted or replaced while both are in the
//! middle of a slow fill. Beside one another over one origin, and one behind the other.

mod behind;
mod beside;
mod cloudfront;
mod origin;
mod race;
