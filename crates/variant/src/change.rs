//! What policy made of a request: every snap and clamp, so that the answer can say it in a header.

use std::fmt;

use serde::Serialize;

use crate::Name;

/// Why a value is not the one that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// Up to the next size, quality or dpr that the operator allows.
    Snapped,
    /// Down to the largest that is made.
    Clamped,
    /// To what the nearest listed ratio gives.
    Ratio,
    /// No size is near it, so the default one.
    Default,
    /// It cannot change the picture beside the other parameters.
    Unused,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Snapped => "raised to the next allowed value",
            Self::Clamped => "lowered to the largest allowed value",
            Self::Ratio => "set to what the nearest allowed ratio gives",
            Self::Default => "set to the default, since no allowed value is near",
            Self::Unused => "left out, since it has no effect beside the other parameters",
        })
    }
}

/// One value that is not the one that was asked for. Sides are in output pixels: `dpr` is already multiplied in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The parameter.
    pub name: String,
    /// What was asked for.
    pub from: String,
    /// What it became; empty where it was left out.
    pub to: String,
    /// Why.
    pub why: Why,
}

impl Change {
    pub(crate) fn new(name: Name, from: impl ToString, to: impl ToString, why: Why) -> Self {
        Self { name: name.parameter().name.to_owned(), from: from.to_string(), to: to.to_string(), why }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, from, to, why } = self;
        if to.is_empty() { write!(f, "{name}={from}: {why}") } else { write!(f, "{name}={from} is {to}: {why}") }
    }
}
