//! The read story: from a viewer's URL to a picture, through the four triggers around a cache.
//!
//! `handle.rs` is the whole of it on one screen. The other modules are its stages: each takes the value of the stage
//! before and spends it. This crate never deletes anything but a derivative it has just written itself, and it never
//! knows who hears its one word to the write story.
//!
//! *Copies* are for a CDN that asks the place of derivatives before it asks an edge: it cannot know version and revision, so each
//! derivative is there once more under its canonical path. No proof is asked for where one is served.

mod budget;
mod config;
mod edge;
mod explain;
mod failure;
mod handle;
mod heads;
mod host;
mod isolation;
mod memo;
mod metrics;
mod names;
mod on_disk;
mod origin_request;
mod origin_response;
mod pass;
mod picture;
mod pool;
mod precondition;
mod reason;
mod room;
mod turns;
mod viewer_request;
mod viewer_response;
mod work;
mod written;

pub use afterimage_confine::Command as WorkerCommand;
pub use config::{Config, Cors, Door, Fallback, OriginalsMode};
pub use edge::{Edge, Parts};
pub use explain::Explanation;
pub use failure::Failure;
pub use host::{ForwardedHost, asked_host};
pub use isolation::{Isolated, Isolation, WorkerCounts};
pub use metrics::{Metrics, Snapshot};
pub use on_disk::OnDisk;
pub use pass::{PassThrough, Reply, Rewrite, Route, Serves, Upstream, Viewer};
pub use picture::{Kept, Picture};
pub use pool::{Job, Load, Pool, PoolConfig, Renderer, Work};
pub use reason::Reason;
pub use turns::Turn;
pub use viewer_response::AboutPicture;
