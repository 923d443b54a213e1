//! Which format a viewer takes, from its `Accept` header alone, so that an edge function can decide it too.

use crate::Format;

/// The format that `auto=format` comes to: AVIF or WebP where `Accept` names it with a quality above zero, AVIF first
/// where both have the same; otherwise [`Format::Compatible`].
///
/// `*/*` and `image/*` name neither: clients that decode no AVIF send them too. See RFC 9110, sections 12.4.2 and 12.5.1.
///
/// ```
/// use afterimage_variant::{Format, negotiate};
/// assert_eq!(negotiate(Some("image/avif,image/webp,*/*")), Format::AutoAvif);
/// assert_eq!(negotiate(Some("image/avif;q=0,image/webp")), Format::Webp);
/// assert_eq!(negotiate(Some("image/*,*/*")), Format::Compatible);
/// ```
pub fn negotiate(accept: Option<&str>) -> Format {
    let accept = accept.unwrap_or_default();
    let (avif, webp) = (quality_thousandths(accept, "image/avif"), quality_thousandths(accept, "image/webp"));
    match (avif, webp) {
        (0, 0) => Format::Compatible,
        _ if avif >= webp => Format::AutoAvif,
        _ => Format::Webp,
    }
}

/// Whether `Accept` names WebP with a quality above zero.
pub(crate) fn takes_webp(accept: Option<&str>) -> bool {
    quality_thousandths(accept.unwrap_or_default(), "image/webp") > 0
}

/// The quality that `Accept` gives to this media type, 0 where it does not name it; the highest where it does so twice.
fn quality_thousandths(accept: &str, media_type: &str) -> u64 {
    let entries = accept.split(',').filter_map(|entry| {
        let mut fields = entry.split(';').map(str::trim);
        if !fields.next()?.eq_ignore_ascii_case(media_type) {
            return None;
        }
        let quality = fields.find_map(|field| {
            let (name, value) = field.split_once('=')?;
            name.trim().eq_ignore_ascii_case("q").then(|| value.trim())
        });
        // A weight that is not one is no consent.
        Some(quality.map_or(1_000, |text| crate::value::fixed(text, 3).filter(|q| *q <= 1_000).unwrap_or(0)))
    });
    entries.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_alone_decides() {
        for (accept, format) in [
            (None, Format::Compatible),
            (Some(""), Format::Compatible),
            (Some("*/*"), Format::Compatible),
            (Some("image/*"), Format::Compatible),
            (Some("image/webp"), Format::Webp),
            (Some("image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"), Format::AutoAvif),
            (Some("IMAGE/AVIF"), Format::AutoAvif),
            (Some("image/avif;q=0, image/webp;q=0.1"), Format::Webp),
            (Some("image/avif;q=0.000"), Format::Compatible),
            (Some("image/avif;q=0.001"), Format::AutoAvif),
            (Some("image/avif ; Q = 0.5 , image/webp"), Format::Webp),
            (Some("image/avif;q=0.5,image/webp;q=0.5"), Format::AutoAvif),
            (Some("image/avif;q=x"), Format::Compatible),
            (Some("image/avif;q=2"), Format::Compatible),
            (Some("image/avif;v=b3"), Format::AutoAvif),
            (Some("image/webp;q=0,image/webp"), Format::Webp),
            (Some("image/avifx,ximage/webp"), Format::Compatible),
            (Some(";;,,;q=1,q=1"), Format::Compatible),
        ] {
            assert_eq!(negotiate(accept), format, "{accept:?}");
        }
    }
}
