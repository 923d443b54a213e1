//! A render as two messages, so that it can happen in another process: what is to be made, and what came of it. The pictures
//! themselves go beside them, as they are. It must never believe a message: both sides read what the other may have made up.

use afterimage_variant::Variant;
use serde::{Deserialize, Serialize};

use crate::encode::Output;
use crate::{Error, GainMap, Never, Probe, Rendered, Settings, Source, render, strip};

/// What is to be made of an original.
#[derive(Debug, Clone, Copy)]
pub enum Order<'a> {
    /// A variant of it.
    Render(&'a Variant),
    /// Itself without its metadata.
    Strip,
}

#[derive(Serialize)]
struct Asked<'a> {
    /// The variant's canonical name; none asks for the original without its metadata.
    variant: Option<String>,
    settings: &'a Settings,
}

#[derive(Deserialize)]
struct Heard {
    variant: Option<String>,
    settings: Settings,
}

/// What came of it; the bytes of the picture are beside it.
#[derive(Serialize, Deserialize)]
enum Outcome {
    Made(Head),
    Failed(Error),
}

#[derive(Serialize, Deserialize)]
struct Head {
    media_type: String,
    width: u32,
    height: u32,
    frames: u32,
    chosen: String,
    gain_map: Option<GainMap>,
}

/// A message that is none of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not understood")]
pub struct NotUnderstood;

/// Whether a render is best made in a process that can do nothing else and can be killed: because only native code can decode
/// the original, or because it is encoded by libaom, which takes long and cannot be told to stop.
///
/// Everything else is decoded by safe Rust. The other native encoders are quick or ask whether to stop, and all see pixels of
/// ours alone, of sizes that were checked.
pub fn is_native(probe: &Probe, variant: &Variant) -> bool {
    let decodes = match probe.format {
        Source::Avif => true,
        // Our own decoder knows every scale.
        Source::Jpeg => probe.scales.len() < 8,
        _ => false,
    };
    let encodes = Output::of(variant.format(), probe.format, probe.frames) == Output::Avif;
    cfg!(feature = "native") && (decodes || encodes)
}

impl Order<'_> {
    /// The message for [`answer`].
    pub fn message(self, settings: &Settings) -> Vec<u8> {
        let variant = match self {
            Self::Render(variant) => Some(variant.name()),
            Self::Strip => None,
        };
        // Names and numbers have a JSON form always.
        serde_json::to_vec(&Asked { variant, settings }).unwrap_or_default()
    }
}

/// Does what a message asks for with the bytes of an original. Gives a message for [`outcome`], and the bytes of the picture.
///
/// It stops for nobody: whoever does not want to wait any longer kills its process.
pub fn answer(message: &[u8], original: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let made = heard(message).and_then(|(variant, settings)| match &variant {
        Some(variant) => render(original, variant, &settings, &Never),
        None => strip(original, &settings),
    });
    let (outcome, bytes) = match made {
        Ok(Rendered { bytes, media_type, width, height, frames, chosen, gain_map }) => {
            let media_type = media_type.to_owned();
            (Outcome::Made(Head { media_type, width, height, frames, chosen, gain_map }), bytes)
        }
        Err(error) => (Outcome::Failed(error), Vec::new()),
    };
    (serde_json::to_vec(&outcome).unwrap_or_default(), bytes)
}

fn heard(message: &[u8]) -> Result<(Option<Variant>, Settings), Error> {
    let wrong = |why: &dyn std::fmt::Display| Error::Encode { why: format!("the job is not understood: {why}") };
    let Heard { variant, settings } = serde_json::from_slice(message).map_err(|error| wrong(&error))?;
    settings.validate().map_err(|mistakes| wrong(&mistakes[0].key))?;
    let variant = match variant {
        Some(name) => Some(Variant::from_name(&name).ok_or_else(|| wrong(&name))?),
        None => None,
    };
    Ok((variant, settings))
}

/// What came of a job, from the message of [`answer`] and the bytes beside it.
///
/// # Errors
/// [`NotUnderstood`] where that is no such message; inside, what the render itself failed with.
pub fn outcome(message: &[u8], bytes: Vec<u8>) -> Result<Result<Rendered, Error>, NotUnderstood> {
    match serde_json::from_slice(message).map_err(|_| NotUnderstood)? {
        Outcome::Failed(error) if bytes.is_empty() => Ok(Err(error)),
        Outcome::Made(Head { media_type, width, height, frames, chosen, gain_map })
            if !bytes.is_empty() && is_said(&chosen) =>
        {
            let media_type = known(&media_type).ok_or(NotUnderstood)?;
            Ok(Ok(Rendered { bytes, media_type, width, height, frames, chosen, gain_map }))
        }
        _ => Err(NotUnderstood),
    }
}

/// The longest that what was chosen can be, in bytes; twice what is ever said.
const CHOSEN_BYTES_MAX: usize = 256;

/// Whether that can stand in a header as what a render chose.
fn is_said(chosen: &str) -> bool {
    chosen.len() <= CHOSEN_BYTES_MAX && chosen.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
}

/// One of the media types that a render can have.
fn known(media_type: &str) -> Option<&'static str> {
    const TYPES: [&str; 7] = [
        "image/jpeg",
        "image/png",
        "image/webp",
        "image/avif",
        "image/gif",
        "application/json",
        "text/plain; charset=utf-8",
    ];
    TYPES.into_iter().find(|known| *known == media_type)
}

#[cfg(test)]
mod tests {
    use super::*;
    use afterimage_variant::Format;

    fn sample(name: &str) -> Vec<u8> {
        let path = format!("{}/../../examples/pictures/{name}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    #[test]
    fn over_messages_is_as_in_process() {
        let variant = Variant::from_name("w40-h30-crop-top-bgff8800-q70.webp").expect("canonical");
        let settings = Settings { keep_copyright: true, srcset_widths: vec![7], ..Settings::default() };
        let original = sample("rose.webp");
        let (message, bytes) = answer(&Order::Render(&variant).message(&settings), &original);
        assert_eq!(outcome(&message, bytes), Ok(render(&original, &variant, &settings, &Never)));
        let (message, bytes) = answer(&Order::Strip.message(&settings), &original);
        assert_eq!(outcome(&message, bytes), Ok(strip(&original, &settings)));
        for format in [Format::Json, Format::ThumbHash] {
            let variant = variant.with_format(format);
            let (message, bytes) = answer(&Order::Render(&variant).message(&settings), &original);
            assert_eq!(outcome(&message, bytes), Ok(render(&original, &variant, &settings, &Never)));
        }
    }

    #[test]
    fn errors_cross_as_they_are() {
        let variant = Variant::from_name("w40.png").expect("canonical");
        let limits = crate::Limits { pixels_max: 10, ..crate::Limits::default() };
        let strict = Settings { limits, ..Settings::default() };
        let original = sample("rose.webp");
        for (settings, bytes) in
            [(&strict, &original[..]), (&Settings::default(), &b"<svg>"[..]), (&Settings::default(), &original[..200])]
        {
            let (message, none) = answer(&Order::Render(&variant).message(settings), bytes);
            let wanted = render(bytes, &variant, settings, &Never);
            assert!(wanted.is_err());
            assert_eq!(outcome(&message, none), Ok(wanted));
        }
    }

    #[test]
    fn what_is_made_up_is_not_believed() {
        let choosing = |media_type: &str, chosen: &str| {
            let (media_type, chosen) = (media_type.to_owned(), chosen.to_owned());
            let head = Head { media_type, width: 1, height: 1, frames: 1, chosen, gain_map: None };
            serde_json::to_vec(&Outcome::Made(head)).expect("JSON")
        };
        let made = |media_type| choosing(media_type, "");
        assert!(outcome(&made("image/png"), vec![1]).is_ok());
        let longest = "q".repeat(CHOSEN_BYTES_MAX);
        assert!(outcome(&choosing("image/png", &longest), vec![1]).is_ok());
        for chosen in [format!("{longest}q"), "a\r\nset-cookie: b".to_owned(), "é".to_owned()] {
            assert_eq!(outcome(&choosing("image/png", &chosen), vec![1]), Err(NotUnderstood));
        }
        assert_eq!(outcome(&made("text/html"), vec![1]), Err(NotUnderstood));
        assert_eq!(outcome(&made("image/png"), Vec::new()), Err(NotUnderstood));
        assert_eq!(outcome(b"", Vec::new()), Err(NotUnderstood));
        assert_eq!(outcome(b"{}", vec![1]), Err(NotUnderstood));
        for nonsense in [&b""[..], b"{}", br#"{"variant":"../x.png","settings":{}}"#] {
            let (message, bytes) = answer(nonsense, b"");
            assert!(matches!(outcome(&message, bytes), Ok(Err(Error::Encode { .. }))));
        }
    }

    #[test]
    fn only_what_safe_code_cannot_read_and_avif_is_native() {
        let native = |name: &str, variant: &str| {
            let probe = crate::probe(&sample(name), &crate::Limits::default()).expect("a picture");
            is_native(&probe, &Variant::from_name(variant).expect("canonical"))
        };
        for name in ["museum.jpg", "flower-progressive.jpg", "paper.png", "park.webp", "earth.gif"] {
            assert!(!native(name, "w9.webp") && !native(name, "w9.jpg"), "{name}");
            assert_eq!(native(name, "w9.avif"), cfg!(feature = "native"), "{name}");
        }
        for name in ["portrait-cmyk.jpg", "breakfast.avif"] {
            assert_eq!(native(name, "w9.jpg"), cfg!(feature = "native"), "{name}");
        }
    }
}
