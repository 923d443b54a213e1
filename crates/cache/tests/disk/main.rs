//! The tier on disk: it agrees with a plain map over any restarts, and survives every fault of a disk.

mod corruption;
mod fences;
mod full;
mod machine;
mod model;
mod ratio;
mod restarts;
mod world;
