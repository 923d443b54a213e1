//! What is passed through, told as short stories between viewers, the edge and an origin.

mod behaviours;
mod bodies;
mod collapsing;
mod fences;
mod hosts;
mod reuse;
mod validation;
mod world;
