//! Places as the published functions leave them: what is derived is found, no original ever is, and what changes meanwhile stays.

mod adversary;
mod carrying;
mod place;
