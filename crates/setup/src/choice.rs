//! Settings that are one word out of a few. A word that is not in the list gets the list, nearest first.

use crate::define::Kind;
use crate::mistake::did_you_mean;
use crate::value::{Raw, Setting, quoted};
use std::time::Duration;

macro_rules! choices {
    ($($(#[$about:meta])+ $name:ident { $($(#[$doc:meta])+ $variant:ident = $word:literal,)+ })+) => {$(
        $(#[$about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$doc])+ $variant,)+ }

        impl $name {
            /// Every word, in the order of the reference page.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word as settings write it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The choice a word names.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }

        impl Setting for $name {
            fn read(raw: &Raw, _: &Kind) -> Result<Self, String> {
                let word = match raw { Raw::Text(word) => word.as_str(), _ => "" };
                Self::from_word(word).ok_or_else(|| unknown_word(word, Self::WORDS))
            }

            fn text(&self) -> String {
                self.as_str().to_owned()
            }
        }
    )+};
}

pub(crate) fn unknown_word(word: &str, words: &[&str]) -> String {
    let list: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    let list = list.join(", ");
    match did_you_mean(word, words.iter().copied()) {
        Some(near) => format!("not one of {list}; did you mean {}?", quoted(near)),
        None => format!("not one of {list}; choose one of them"),
    }
}

choices! {
    /// Whether a listener's viewers may use canonical paths without a signature.
    Trust {
        /// Anybody may reach the listener: policy applies to everything.
        Public = "public",
        /// Only our own function or CDN can reach it: canonical paths pass within the hard limits.
        Canonical = "canonical",
    }
    /// Where a trusted proxy says who asked.
    ForwardedBy {
        /// `X-Forwarded-For`, `-Proto` and `-Host`.
        XForwarded = "x-forwarded",
        /// `Forwarded` (RFC 7239).
        Forwarded = "forwarded",
    }
    /// What a request without parameters gets.
    OriginalsMode {
        /// The picture without GPS and personal metadata, not re-encoded.
        Sanitised = "sanitised",
        /// The file's own bytes.
        AsIs = "as-is",
        /// A refusal.
        Deny = "deny",
    }
    /// How unsigned requests are bounded.
    PolicyKind {
        /// Sizes snap up to a ladder of widths, ratios come from a list.
        Ladder = "ladder",
        /// A short list of sizes, the first within a percentage of the width, else a default size.
        Dims = "dims",
    }
    /// How a signature is computed.
    Scheme {
        /// HMAC-SHA256 over the raw request target.
        HmacSha256 = "hmac-sha256",
        /// The scheme of imgix's client libraries.
        ImgixMd5 = "imgix-md5",
    }
    /// How changes of the originals are noticed.
    WatchMode {
        /// By the kernel's notifications where they work, else by polling.
        Auto = "auto",
        /// By polling alone.
        Poll = "poll",
    }
    /// Which pictures are made in worker processes.
    Isolation {
        /// None.
        None = "none",
        /// Those that only native code can decode, and those that become AVIF.
        Native = "native",
        /// All.
        All = "all",
    }
    /// How far a JPEG is shrunk by its own decoder.
    Scaling {
        /// As far as nobody can tell.
        Best = "best",
        /// As far as it goes without falling below the output.
        Fast = "fast",
    }
    /// What a quality counts.
    QualityScale {
        /// One scale for every format.
        Equal = "equal",
        /// Each encoder's own.
        Encoder = "encoder",
    }
    /// How AVIF keeps colour.
    AvifChroma {
        /// Halved, unless the picture shows it.
        ByContent = "by-content",
        /// At half the columns and rows.
        Halved = "halved",
        /// At every pixel.
        Whole = "whole",
    }
    /// How hard PNG is compressed.
    PngEffort {
        /// As fast as it goes.
        Fast = "fast",
        /// For few bytes.
        Small = "small",
    }
    /// The colour space of derivatives where a request names none.
    ColorSpace {
        /// sRGB, without a profile.
        Srgb = "srgb",
        /// The original's own, where it has a profile for RGB.
        Origin = "origin",
    }
    /// The value of `Cross-Origin-Resource-Policy`.
    CrossOriginResourcePolicy {
        /// Any site may embed the pictures.
        CrossOrigin = "cross-origin",
        /// Only pages of the same site may.
        SameSite = "same-site",
        /// Only pages of the same origin may.
        SameOrigin = "same-origin",
    }
    /// The form of log lines.
    LogFormat {
        /// For people.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
    /// The form of the access log's lines.
    AccessForm {
        /// None are written.
        Off = "off",
        /// For people.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
    /// How much of a client's address is written.
    ClientAddress {
        /// Its network: 24 bits of IPv4, 48 of IPv6.
        Network = "network",
        /// All of it.
        Full = "full",
        /// Nothing.
        None = "none",
    }
    /// The least severe level that is logged.
    LogLevel {
        /// Failures that need a person.
        Error = "error",
        /// Things that are off but survived.
        Warn = "warn",
        /// Starts, purges, reloads.
        Info = "info",
        /// One line a request.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
}

/// What an edge does with a picture whose original it cannot ask about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnUnprovable {
    /// Answer 503 once the proof is older than the window.
    Refuse,
    /// Serve on until the proof is this old. Weakens the promise, and the promise says so.
    ServeStale(Duration),
}

impl Setting for OnUnprovable {
    fn read(raw: &Raw, kind: &Kind) -> Result<Self, String> {
        if matches!(raw, Raw::Integer(503)) || matches!(raw, Raw::Text(text) if text == "503") {
            return Ok(Self::Refuse);
        }
        Duration::read(raw, kind)
            .map(Self::ServeStale)
            .map_err(|remedy| format!("{remedy}; or write \"503\" to refuse"))
    }

    fn text(&self) -> String {
        match self {
            Self::Refuse => "503".into(),
            Self::ServeStale(age) => age.text(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back() {
        for word in Scheme::WORDS {
            assert_eq!(Scheme::from_word(word).map(Scheme::as_str), Some(*word));
        }
        let error =
            OriginalsMode::read(&Raw::Text("sanitized".into()), &Kind::Choice(OriginalsMode::WORDS)).unwrap_err();
        assert!(error.ends_with("did you mean \"sanitised\"?"), "{error}");
        let error = Trust::read(&Raw::Integer(1), &Kind::Choice(Trust::WORDS)).unwrap_err();
        assert_eq!(error, "not one of \"public\", \"canonical\"; choose one of them");
    }

    #[test]
    fn unprovable_is_refused_or_bounded() {
        let kind = Kind::WordOrDuration { word: "503", min: Duration::from_secs(1), max: Duration::from_secs(10) };
        for (raw, read) in [
            (Raw::Text("503".into()), Some(OnUnprovable::Refuse)),
            (Raw::Integer(503), Some(OnUnprovable::Refuse)),
            (Raw::Text("10s".into()), Some(OnUnprovable::ServeStale(Duration::from_secs(10)))),
            (Raw::Text("11s".into()), None),
            (Raw::Integer(500), None),
        ] {
            assert_eq!(OnUnprovable::read(&raw, &kind).ok(), read, "{raw}");
        }
    }
}
