//! One mistake of a configuration: where it stands, what was written, what to write instead. It never shows a secret.

use std::fmt;

/// Where a value came from. Later places win over earlier ones.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Place {
    /// Nobody set it.
    #[default]
    Default,
    /// A line of the configuration file.
    File {
        /// The file as it was named on the command line.
        path: String,
        /// Its line, counted from 1.
        line: usize,
    },
    /// An environment variable, by name.
    Environment(String),
    /// A `--set` or a flag that stands for one.
    CommandLine,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{path}:{line}"),
            Self::Environment(name) => write!(f, "{name}"),
            Self::CommandLine => f.write_str("command line"),
        }
    }
}

/// A value that cannot be used, and the remedy.
///
/// Displays as `afterimage.toml:12: cache.memory_bytes_max = "2 gigs": not a size; try "2GiB"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The setting in dotted form, or the unknown name as it was written.
    pub key: String,
    /// The value as it was written, quoted as TOML quotes it; absent where there is none or it is secret.
    pub value: Option<String>,
    /// What is wrong and what to do, in one sentence.
    pub remedy: String,
    /// Where it was written.
    pub place: Place,
}

impl Mistake {
    /// Longest value shown, in characters; the rest is cut, so that a pasted file does not hide the remedy.
    const VALUE_CHARS_MAX: usize = 80;

    /// A mistake that belongs to no one place.
    pub fn new(key: &str, value: Option<String>, remedy: impl Into<String>) -> Self {
        Self { key: key.to_owned(), value: value.map(shorten), remedy: remedy.into(), place: Place::Default }
    }

    /// The same mistake, found at `place`.
    pub fn at(self, place: &Place) -> Self {
        Self { place: place.clone(), ..self }
    }
}

fn shorten(value: String) -> String {
    if value.chars().count() <= Mistake::VALUE_CHARS_MAX {
        return value;
    }
    let kept: String = value.chars().take(Mistake::VALUE_CHARS_MAX).collect();
    format!("{kept}…")
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Default => {}
            // An unknown variable is its own place.
            Place::Environment(name) if *name == self.key => {}
            place => write!(f, "{place}: ")?,
        }
        match &self.value {
            Some(value) => write!(f, "{} = {value}: {}", self.key, self.remedy),
            None => write!(f, "{}: {}", self.key, self.remedy),
        }
    }
}

impl std::error::Error for Mistake {}

/// The candidate that `written` most likely meant, if any is near enough to be worth naming.
///
/// A name whose last part was written alone (`memory_bytes_max`) counts as near.
pub(crate) fn did_you_mean<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distance_max = (written.chars().count() / 4).clamp(1, 4);
    let last = |name: &str| name.rsplit(['.', '_']).next().map(str::len).unwrap_or(0);
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let alone = candidate.rsplit('.').next().unwrap_or(candidate);
            let mut distance = distance(written, candidate);
            if !written.contains('.') {
                distance = distance.min(self::distance(written, alone));
            } else if written.rsplit('.').next() == Some(alone) {
                // The right name in the wrong section.
                distance = distance.min(distance_max);
            }
            (distance <= distance_max).then_some((distance, last(candidate), candidate))
        })
        .min()
        .map(|(_, _, candidate)| candidate)
}

/// Edits (insert, delete, replace, swap neighbours) between two names.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    // Names are short; a pasted paragraph is nobody's typo and must not cost its square.
    if one.len() > 100 || other.len() > 100 {
        return usize::MAX;
    }
    let mut rows = vec![vec![0; other.len() + 1]; one.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    rows[0] = (0..=other.len()).collect();
    for i in 1..=one.len() {
        for j in 1..=other.len() {
            let replace = rows[i - 1][j - 1] + usize::from(one[i - 1] != other[j - 1]);
            let mut best = replace.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[one.len()][other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_reads_as_a_line_to_act_on() {
        let mistake =
            Mistake::new("cache.memory_bytes_max", Some("\"2 gigs\"".into()), "not a size; try \"2GiB\"".to_owned());
        assert_eq!(mistake.to_string(), r#"cache.memory_bytes_max = "2 gigs": not a size; try "2GiB""#);
        let placed = mistake.at(&Place::File { path: "afterimage.toml".into(), line: 12 });
        assert!(placed.to_string().starts_with("afterimage.toml:12: cache."));
    }

    #[test]
    fn near_names_are_offered_and_far_ones_are_not() {
        let names = ["cache.memory_bytes_max", "server.listen", "admin.listen", "admin.token"];
        for (written, meant) in [
            ("cache.memory_byte_max", Some("cache.memory_bytes_max")),
            ("memory_bytes_max", Some("cache.memory_bytes_max")),
            ("server.lisetn", Some("server.listen")),
            ("http.token", Some("admin.token")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(did_you_mean(written, names), meant, "{written}");
        }
    }

    #[test]
    fn a_long_value_is_cut() {
        let mistake = Mistake::new("a", Some("x".repeat(81)), "no");
        assert_eq!(mistake.value.map(|value| value.chars().count()), Some(81));
    }
}
