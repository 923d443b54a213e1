//! For people who come from the published edge functions: looks at a place where those wrote derivatives beside the
//! originals, says which thing was made of which, and deletes exactly what a person confirmed. In this order:
//! [`survey`] reads and writes a [`Plan`] down; a person reads it; [`carry_out`] deletes what it says, if it still is what it
//! was; [`forget`] names what caches in front hold of it. Nothing here runs in a server.

mod carry_out;
mod evidence;
mod forget;
mod layout;
mod plan;
mod results;
mod sort;
mod survey;

pub use carry_out::{Options, Outcome, carry_out};
pub use evidence::Written;
pub use forget::{Reach, forget};
pub use layout::{Named, named};
pub use plan::{Do, Header, Kind, Line, Plan, PlanError};
pub use sort::{Behind, Keys};
pub use survey::{Request, survey};

/// What ends a survey or the carrying out of a plan.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The place could not be looked at.
    #[error(transparent)]
    Store(#[from] afterimage_store::Error),
    /// A file of ours could not be read or written.
    #[error("{0}: {1}")]
    File(std::path::PathBuf, std::io::Error),
    /// The plan is none, or not one for this.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// More keys than are held in memory.
    #[error("more than {0} keys; name a prefix, and take one after the other")]
    TooManyKeys(usize),
    /// Nothing more was done, and why.
    #[error("{0}")]
    Stopped(String),
}
