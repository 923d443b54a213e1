//! The values of parameters: text to fixed-point numbers and words, each within its documented range. No value is
//! guessed at: what does not parse is the caller's to refuse.

use crate::variant::{Anchor, Length, Ratio, Rect, Rgba, Start, Turn};

/// A number of hundredths: `1.5` is 150. Digits with at most one point; further decimals are cut off.
pub(crate) fn hundredths(text: &str) -> Option<u64> {
    fixed(text, 2)
}

/// A decimal number in units of 10^-`decimals`; no sign, no exponent, no spaces, at most nine digits before the point.
pub(crate) fn fixed(text: &str, decimals: usize) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) || whole.len() > 9 || part.len() > 30 {
        return None;
    }
    let part: String = part.chars().chain(std::iter::repeat('0')).take(decimals).collect();
    Some(whole.parse::<u64>().ok()? * 10u64.pow(decimals as u32) + part.parse::<u64>().unwrap_or(0))
}

/// A whole number from `least` to `most`.
pub(crate) fn whole(text: &str, least: u32, most: u32) -> Option<u32> {
    let number = (text.len() <= 9 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())??;
    (least..=most).contains(&number).then_some(number)
}

/// Seconds since 1970, at most eleven digits.
pub(crate) fn seconds(text: &str) -> Option<u64> {
    ((1..=11).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// `W:H`, decimals allowed.
pub(crate) fn ratio(text: &str) -> Option<Ratio> {
    let (width, height) = text.split_once(':')?;
    let side = |text: &str| fixed(text, 3).and_then(|side| u32::try_from(side).ok());
    Ratio::new(side(width)?, side(height)?)
}

/// A part from 0 to 1 in ten-thousandths.
pub(crate) fn part(text: &str) -> Option<u16> {
    let part = fixed(text, 4)?;
    (part <= 10_000).then_some(part as u16)
}

/// What `crop` comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Crop {
    /// A place that needs no focal point.
    At(Anchor),
    /// The focal point.
    FocalPoint,
    /// Nothing that is known.
    Unsaid,
}

/// Reads `crop`: the first word that is known decides, directions join. Also the words that are not known.
/// `None` when two directions contradict each other.
pub(crate) fn crop(text: &str) -> Option<(Crop, Vec<&str>)> {
    let (mut x, mut y, mut first, mut unknown) = (None, None, None, Vec::new());
    let set = |axis: &mut Option<u16>, to: u16| axis.replace(to).is_none_or(|before| before == to);
    for word in text.split(',').filter(|word| !word.is_empty()) {
        let consistent = match word {
            "top" => set(&mut y, 0),
            "bottom" => set(&mut y, 10_000),
            "left" => set(&mut x, 0),
            "right" => set(&mut x, 10_000),
            "center" | "focalpoint" | "edges" | "entropy" | "smart" | "attention" => true,
            _ => {
                unknown.push(word);
                continue;
            }
        };
        if !consistent {
            return None;
        }
        first = first.or(Some(word));
    }
    let crop = match first {
        None => Crop::Unsaid,
        Some("focalpoint") => Crop::FocalPoint,
        Some("edges") => Crop::At(Anchor::Edges),
        Some("entropy") => Crop::At(Anchor::Entropy),
        // The second is what sharp calls it.
        Some("smart" | "attention") => Crop::At(Anchor::Smart),
        Some(_) => Crop::At(Anchor::Point { x: x.unwrap_or(5_000), y: y.unwrap_or(5_000) }),
    };
    Some((crop, unknown))
}

/// `h`, `v`, `hv`.
pub(crate) fn flip(text: &str) -> Option<Turn> {
    let (flip_h, flip_v) = match text {
        "h" => (true, false),
        "v" => (false, true),
        "hv" | "vh" => (true, true),
        _ => return None,
    };
    Some(Turn { rotate_degrees: 0, flip_h, flip_v })
}

/// `x,y,width,height` in pixels, parts and words.
pub(crate) fn rect(text: &str) -> Option<Rect> {
    let mut fields = text.split(',');
    let (x, y, width, height) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    if fields.next().is_some() {
        return None;
    }
    Some(Rect {
        x: start(x, ["left", "center", "right"])?,
        y: start(y, ["top", "middle", "bottom"])?,
        width: length(width)?,
        height: length(height)?,
    })
}

fn start(text: &str, [near, middle, far]: [&str; 3]) -> Option<Start> {
    match text {
        _ if text == near => Some(Start::Pixels(0)),
        _ if text == middle => Some(Start::Center),
        _ if text == far => Some(Start::End),
        _ if text.contains('.') => part(text).map(Start::Part),
        _ => whole(text, 0, RECT_PIXELS_MAX).map(Start::Pixels),
    }
}

fn length(text: &str) -> Option<Length> {
    match text {
        "full" => Some(Length::Part(10_000)),
        _ if text.contains('.') => part(text).filter(|part| *part > 0).map(Length::Part),
        _ => whole(text, 1, RECT_PIXELS_MAX).map(Length::Pixels),
    }
}

/// The largest pixel number in a `rect`: what JPEG can hold.
pub(crate) const RECT_PIXELS_MAX: u32 = 65_535;

/// The basic colours of CSS (level 2.1), and transparency.
const COLORS: &[(&str, u32)] = &[
    ("aqua", 0xff00_ffff),
    ("black", 0xff00_0000),
    ("blue", 0xff00_00ff),
    ("fuchsia", 0xffff_00ff),
    ("gray", 0xff80_8080),
    ("green", 0xff00_8000),
    ("lime", 0xff00_ff00),
    ("maroon", 0xff80_0000),
    ("navy", 0xff00_0080),
    ("olive", 0xff80_8000),
    ("orange", 0xffff_a500),
    ("purple", 0xff80_0080),
    ("red", 0xffff_0000),
    ("silver", 0xffc0_c0c0),
    ("teal", 0xff00_8080),
    ("transparent", 0x0000_0000),
    ("white", 0xffff_ffff),
    ("yellow", 0xffff_ff00),
];

/// imgix's hex colours, opacity first, with or without `#`; or a name.
pub(crate) fn color(text: &str) -> Option<Rgba> {
    let hex = text.strip_prefix('#').unwrap_or(text);
    let argb = if let Some((_, argb)) = COLORS.iter().find(|(name, _)| text.eq_ignore_ascii_case(name)) {
        *argb
    } else if hex.bytes().all(|byte| byte.is_ascii_hexdigit()) && matches!(hex.len(), 3 | 4 | 6 | 8) {
        let doubled: String =
            if hex.len() < 6 { hex.chars().flat_map(|digit| [digit, digit]).collect() } else { hex.to_owned() };
        let number = u32::from_str_radix(&doubled, 16).ok()?;
        if doubled.len() == 6 { number | 0xff00_0000 } else { number }
    } else {
        return None;
    };
    let [a, r, g, b] = argb.to_be_bytes();
    Some(if a == 0 { Rgba { r: 0, g: 0, b: 0, a: 0 } } else { Rgba { r, g, b, a } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_reading() {
        for (text, number) in [("1", 100), ("01", 100), ("1.5", 150), ("1.50", 150), ("1.509", 150), ("0.1", 10)] {
            assert_eq!(hundredths(text), Some(number), "{text}");
        }
        for text in ["", ".", "1.", ".5", "-1", "+1", "1e2", " 1", "1 ", "0x10", "NaN", "1,5", "1234567890", "١"] {
            assert_eq!(hundredths(text), None, "{text}");
        }
        assert_eq!(whole("1", 1, 100), Some(1));
        assert_eq!(whole("100", 1, 100), Some(100));
        assert_eq!(
            (whole("0", 1, 100), whole("101", 1, 100), whole("", 0, 9), whole("+1", 0, 9)),
            (None, None, None, None)
        );
    }

    #[test]
    fn ratios_are_reduced() {
        for (text, width, height) in
            [("16:9", 16, 9), ("32:18", 16, 9), ("1.5:1", 3, 2), ("0.85:1", 17, 20), ("10000:1", 10_000, 1)]
        {
            assert_eq!(ratio(text), Ratio::new(width, height), "{text}");
            assert!(ratio(text).is_some(), "{text}");
        }
        for text in ["", "16", "16:", ":9", "0:1", "1:0", "16x9", "1:1:1", "10001:1", "-1:1"] {
            assert_eq!(ratio(text), None, "{text}");
        }
    }

    #[test]
    fn crops_fall_back() {
        let at = |x, y| Crop::At(Anchor::Point { x, y });
        for (text, expected, unknown) in [
            ("top", at(5_000, 0), 0),
            ("top,left", at(0, 0), 0),
            ("left,top", at(0, 0), 0),
            ("center", at(5_000, 5_000), 0),
            ("faces", Crop::Unsaid, 1),
            ("faces,bottom,right", at(10_000, 10_000), 1),
            ("faces,entropy,top", Crop::At(Anchor::Entropy), 1),
            ("edges", Crop::At(Anchor::Edges), 0),
            ("faces,smart", Crop::At(Anchor::Smart), 1),
            ("attention,edges", Crop::At(Anchor::Smart), 0),
            ("focalpoint,top", Crop::FocalPoint, 0),
            ("", Crop::Unsaid, 0),
            ("top,top", at(5_000, 0), 0),
        ] {
            let (crop, ignored) = crop(text).unwrap();
            assert_eq!((crop, ignored.len()), (expected, unknown), "{text}");
        }
        assert_eq!((crop("top,bottom"), crop("left,right")), (None, None));
    }

    #[test]
    fn colors_put_opacity_first() {
        let rgba = |r, g, b, a| Some(Rgba { r, g, b, a });
        for (text, expected) in [
            ("#ff0", rgba(255, 255, 0, 255)),
            ("8f00", rgba(255, 0, 0, 0x88)),
            ("80FF0000", rgba(255, 0, 0, 0x80)),
            ("123456", rgba(0x12, 0x34, 0x56, 255)),
            ("White", rgba(255, 255, 255, 255)),
            ("00ffffff", rgba(0, 0, 0, 0)),
            ("12345", None),
            ("ggg", None),
            ("", None),
        ] {
            assert_eq!(color(text), expected, "{text}");
        }
    }

    #[test]
    fn rects_mix_pixels_parts_and_words() {
        let expected = Rect {
            x: Start::Center,
            y: Start::Part(2_500),
            width: Length::Pixels(65_535),
            height: Length::Part(10_000),
        };
        assert_eq!(rect("center,0.25,65535,full"), Some(expected));
        for text in
            ["", "1,2,3", "1,2,3,4,5", "0,0,0,1", "0,0,0.0,1", "0,0,1.5,1", "-1,0,1,1", "0,0,65536,1", "top,0,1,1"]
        {
            assert_eq!(rect(text), None, "{text}");
        }
    }
}
