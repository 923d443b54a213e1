//! The rules of the workspace that a compiler does not know. Each fails with the crate or file, and the reason.

mod documents;
mod imports;
mod sources;
mod workspace;
