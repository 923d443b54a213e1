//! An origin against upstream servers that behave, misbehave and lie; each test is a row of what must hold.

mod absence;
mod addresses;
mod faults;
mod headers;
mod load;
mod originals;
mod redirects;
mod support;
