//! What a setting is: its name, kind, default, help, and whether a running server takes a new value. The macro here turns
//! one line of [`crate::table`] into the field, the definition and the reading of it, so that none can drift.

use crate::size::Bytes;
use std::time::Duration;

/// What values a setting takes. Ranges include both ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Bytes with a unit.
    Size {
        /// The least, in bytes.
        min: u64,
        /// The most, in bytes.
        max: u64,
    },
    /// A duration with a unit.
    Duration {
        /// The shortest.
        min: Duration,
        /// The longest.
        max: Duration,
    },
    /// One special word, or a duration.
    WordOrDuration {
        /// The word.
        word: &'static str,
        /// The shortest.
        min: Duration,
        /// The longest.
        max: Duration,
    },
    /// A whole number.
    Integer {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// A list of whole numbers.
    Integers {
        /// The least of an entry.
        min: u64,
        /// The most of an entry.
        max: u64,
    },
    /// true or false.
    Bool,
    /// One word of a list.
    Choice(&'static [&'static str]),
    /// A list of ratios such as `16:9`.
    Ratios,
    /// A list of texts.
    Texts,
    /// A short name.
    Name,
    /// A path of a file or folder.
    Path,
    /// An absolute URL.
    Url,
    /// A text, with an example.
    Text(&'static str),
    /// An IP address and port.
    Address,
    /// A text that is never shown.
    Secret,
    /// A table of names and parameters.
    Presets,
    /// A list of named secrets.
    SigningKeys,
    /// A list of behaviours.
    Behaviours,
    /// A list of mounts.
    Mounts,
    /// A list of secrets that have an id.
    AccessKeys,
    /// The id of a distribution.
    DistributionId,
    /// A list of outer caches.
    OuterCaches,
    /// A list of buckets that are asked otherwise.
    NamedBuckets,
}

impl Kind {
    /// The kind in words, for the reference page.
    pub fn describe(&self) -> String {
        use crate::duration::display;
        match self {
            Self::Size { min, max } => format!("size, {} to {}", Bytes(*min), Bytes(*max)),
            Self::Duration { min, max } => format!("duration, {} to {}", display(*min), display(*max)),
            Self::WordOrDuration { word, min, max } => {
                format!("\"{word}\" or duration, {} to {}", display(*min), display(*max))
            }
            Self::Integer { min, max } => format!("whole number, {min} to {max}"),
            Self::Integers { min, max } => format!("list of whole numbers, {min} to {max}"),
            Self::Bool => "true or false".into(),
            Self::Choice(words) => words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", "),
            Self::Ratios => "list of ratios, \"16:9\"".into(),
            Self::Texts => "list of texts".into(),
            Self::Name => "name, 1 to 32 of a-z, 0-9 and -".into(),
            Self::Path => "path".into(),
            Self::Url => "URL".into(),
            Self::Text(_) => "text".into(),
            Self::Address => "IP address and port".into(),
            Self::Secret => "secret".into(),
            Self::Presets => "table of names and parameters".into(),
            Self::SigningKeys => "list of tables: name, scheme, secret or secret_file".into(),
            Self::Behaviours => "list of tables; see below".into(),
            Self::Mounts => "list of tables: prefix, directory or url, hosts, window; or of texts".into(),
            Self::AccessKeys => "list of tables: id, secret or secret_file".into(),
            Self::OuterCaches => "list of tables; see below".into(),
            Self::NamedBuckets => "list of tables: name, endpoint, region, path_style, profile".into(),
            Self::DistributionId => "id, 1 to 64 of A-Z, a-z, 0-9, - and _".into(),
        }
    }

    /// True where the value is hidden and a `…_file` form exists.
    pub fn is_secret(&self) -> bool {
        matches!(self, Self::Secret | Self::SigningKeys | Self::AccessKeys | Self::OuterCaches)
    }
}

/// When a new value takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// At the next reload of the configuration.
    Live,
    /// At the next start.
    Restart,
}

/// One setting, as the table defines it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Definition {
    /// Its name in dotted form: `cache.memory_bytes_max`.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// Its default in text form; empty where unset or an empty list.
    pub default: &'static str,
    /// What it does, in a sentence or two.
    pub help: &'static str,
    /// When a new value takes effect.
    pub reload: Reload,
}

impl Definition {
    /// The environment variable that sets it: `AFTERIMAGE_CACHE_MEMORY_BYTES_MAX`.
    pub fn environment(&self) -> String {
        environment(self.name)
    }

    /// The name with `_file` that reads it from a file, for secrets only.
    pub fn file_name(&self) -> Option<String> {
        self.kind.is_secret().then(|| format!("{}_file", self.name))
    }

    /// The part before the first dot.
    pub fn group(&self) -> &'static str {
        self.name.split('.').next().unwrap_or(self.name)
    }
}

/// The environment variable of a dotted name.
pub(crate) fn environment(name: &str) -> String {
    format!("AFTERIMAGE_{}", name.replace('.', "_").to_ascii_uppercase())
}

/// Validation windows.
pub(crate) const WINDOW: Kind = seconds(0, 86_400);

/// `min to max`, in seconds.
pub(crate) const fn seconds(min: u64, max: u64) -> Kind {
    Kind::Duration { min: Duration::from_secs(min), max: Duration::from_secs(max) }
}

/// `min to max`, in milliseconds.
pub(crate) const fn milliseconds(min: u64, max: u64) -> Kind {
    Kind::Duration { min: Duration::from_millis(min), max: Duration::from_millis(max) }
}

/// `min to max`, in bytes.
pub(crate) const fn bytes(min: u64, max: u64) -> Kind {
    Kind::Size { min, max }
}

/// `min to max`, a count.
pub(crate) const fn count(min: u64, max: u64) -> Kind {
    Kind::Integer { min, max }
}

/// Makes the typed structs, the definitions and their reading from one table.
macro_rules! settings {
    (
        $(
            $(#[doc = $about:literal])+
            $group:ident: $struct:ident {
                $($(#[doc = $help:literal])+ $field:ident: $type:ty = $default:literal, $kind:expr, $reload:ident;)+
            }
        )+
        tables {
            $($(#[doc = $table_help:literal])+ $table:ident: $table_type:ty = $table_kind:expr, $table_reload:ident;)*
        }
    ) => {
        $(
            $(#[doc = $about])+
            #[derive(Clone, Debug, PartialEq)]
            pub struct $struct { $($(#[doc = $help])+ pub $field: $type,)+ }
        )+

        /// Every setting with its type, checked.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Settings {
            $($(#[doc = $about])+ pub $group: $struct,)+
            $($(#[doc = $table_help])+ pub $table: $table_type,)*
        }

        /// Every setting, in the order of the reference page.
        pub const DEFINITIONS: &[Definition] = &[
            $($(Definition {
                name: concat!(stringify!($group), ".", stringify!($field)),
                kind: $kind,
                default: $default,
                help: concat!($($help),+).trim_ascii(),
                reload: Reload::$reload,
            },)+)+
            $(Definition {
                name: stringify!($table),
                kind: $table_kind,
                default: "",
                help: concat!($($table_help),+).trim_ascii(),
                reload: Reload::$table_reload,
            },)*
        ];

        /// What each group of settings is about, in the order of the reference page.
        pub const GROUPS: &[(&str, &str)] = &[
            $((stringify!($group), concat!($($about),+).trim_ascii()),)+
            $((stringify!($table), concat!($($table_help),+).trim_ascii()),)*
        ];

        impl Settings {
            /// Types every value; each that cannot be read is replaced by its default and reported by the reader.
            pub(crate) fn read(reader: &mut crate::read::Reader<'_>) -> Self {
                Self {
                    $($group: $struct {
                        $($field: reader.take(concat!(stringify!($group), ".", stringify!($field))),)+
                    },)+
                    $($table: reader.take(stringify!($table)),)*
                }
            }

            /// Every setting's value in text form, in the order of [`DEFINITIONS`]; secrets included.
            pub(crate) fn texts(&self) -> Vec<String> {
                vec![
                    $($(crate::value::Setting::text(&self.$group.$field),)+)+
                    $(crate::value::Setting::text(&self.$table),)*
                ]
            }
        }
    };
}
pub(crate) use settings;
