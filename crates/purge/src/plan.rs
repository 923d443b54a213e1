//! What has to go, from what the source says and what is stored. Pure: no I/O, no clock.

use afterimage_identity::{Answer, Version};
use afterimage_variant::parse_derivative_key;

/// One stored derivative of an original.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its key at rest.
    pub key: String,
    /// Its size in bytes.
    pub bytes: u64,
}

impl Stored {
    /// The version that stands in its name; `None` when the name is not a derivative's.
    pub fn version(&self) -> Option<Version> {
        parse_derivative_key(&self.key).map(|name| name.version)
    }
}

/// The stored derivatives that have to go.
///
/// - Gone: all of them.
/// - Present: those of every other version. What stands under a name we do not understand goes too: nobody can serve it.
/// - Unprovable: none (GUARANTEE, rule 8: absence must be proven).
pub fn plan(answer: &Answer, stored: &[Stored]) -> Vec<Stored> {
    match answer {
        Answer::Gone => stored.to_vec(),
        Answer::Present(current) => {
            stored.iter().filter(|derivative| derivative.version().as_ref() != Some(current)).cloned().collect()
        }
        Answer::Unprovable(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use afterimage_identity::Unprovable;
    use proptest::prelude::*;

    use super::*;

    fn stored(version: &str) -> Stored {
        Stored { key: format!("a.jpg/-/w300.{version}.0123456789ab.webp"), bytes: 1 }
    }

    fn version(content: u8) -> Version {
        Version::of_content(&[content])
    }

    proptest! {
        #[test]
        fn what_is_current_stays_and_everything_else_goes(contents in proptest::collection::vec(0u8..4, 0..12), current in 0u8..4) {
            let all: Vec<_> = contents.iter().map(|c| stored(version(*c).as_str())).collect();
            let goes = plan(&Answer::Present(version(current)), &all);
            prop_assert!(goes.iter().all(|one| one.version() != Some(version(current))));
            prop_assert_eq!(goes.len(), contents.iter().filter(|c| **c != current).count());
            prop_assert_eq!(plan(&Answer::Gone, &all), all.clone());
            prop_assert!(plan(&Answer::Unprovable(Unprovable::Unreachable), &all).is_empty());
        }
    }

    #[test]
    fn a_name_nobody_understands_goes() {
        let odd = Stored { key: "a.jpg/-/odd".into(), bytes: 1 };
        assert_eq!(plan(&Answer::Present(version(0)), std::slice::from_ref(&odd)), [odd]);
    }
}
