//! What is to be forgotten, one thing at a time, and how it is written for those who take paths.

use serde::{Deserialize, Serialize};

/// One thing that an outer cache is told to forget.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Item {
    /// Everything that carries the tag.
    Tag(String),
    /// One path; what a query tells apart is not covered.
    Path(String),
    /// Everything whose path begins so, queries included. The `*` is not part of it.
    Wildcard(String),
}

impl Item {
    /// Whether it counts as a wildcard.
    pub fn is_wildcard(&self) -> bool {
        matches!(self, Self::Wildcard(_))
    }

    /// Whether whoever forgets this has forgotten the other too.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Wildcard(beginning), Self::Path(path) | Self::Wildcard(path)) => {
                path.starts_with(beginning.as_str())
            }
            _ => self == other,
        }
    }

    /// As CloudFront writes it: `#tag`, `/path`, `/beginning*`.
    pub fn text(&self) -> String {
        match self {
            Self::Tag(tag) => format!("#{tag}"),
            Self::Path(path) => path.clone(),
            Self::Wildcard(beginning) => format!("{beginning}*"),
        }
    }
}
