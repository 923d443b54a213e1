//! A copyable `<img srcset=…>`: the widths that the policy allows, so that a page asks for nothing that would be snapped.

use afterimage_identity::OriginalKey;

use crate::target::natural_path;
use crate::{Policy, Rules, Size, sign};

/// Widths below this are icons; they only make a `srcset` longer.
const WIDTH_MIN: u32 = 160;
/// How many candidates a `srcset` has at most. Eight widths are never more than a fifth apart from 320 to 1,920.
const CANDIDATES_MAX: usize = 12;

/// The URLs and widths that suit one picture, ascending: rungs of the ladder, none wider than the source if that is known,
/// spread evenly over it. Signed by the first key where unsigned requests are refused.
///
/// `base_url` goes in front of the path as it is, such as `https://img.example.com`; it may be empty.
pub fn srcset_candidates(rules: &Rules, base_url: &str, key: &OriginalKey, source: Option<Size>) -> Vec<(String, u32)> {
    let (widths, parameter): (&[u32], &str) = match &rules.policy {
        Policy::Ladder => (&rules.ladder, "w"),
        Policy::Dims { sizes, .. } => (sizes, "d"),
    };
    let width_max = source.map_or(u32::MAX, |source| source.width);
    let mut fitting: Vec<u32> =
        widths.iter().copied().filter(|width| (WIDTH_MIN.min(width_max)..=width_max).contains(width)).collect();
    if fitting.is_empty() {
        fitting.extend(widths.iter().copied().filter(|width| *width <= width_max).max().or(widths.first().copied()));
    }
    // From the widest down, each at most five sixths of the one before: below that the bytes saved are not worth a URL.
    let mut chosen: Vec<u32> = Vec::new();
    for width in fitting.into_iter().rev() {
        if chosen.len() < CANDIDATES_MAX
            && chosen.last().is_none_or(|last| u64::from(width) * 6 <= u64::from(*last) * 5)
        {
            chosen.push(width);
        }
    }
    let base_url = base_url.trim_end_matches('/');
    let candidate = |width: u32| {
        let target = format!("{}?{parameter}={width}&auto=format", natural_path(key));
        let target = match rules.keys.first() {
            Some(signing_key) if rules.require_signature => sign(signing_key, &target),
            _ => target,
        };
        (format!("{base_url}{target}"), width)
    };
    chosen.into_iter().rev().map(candidate).collect()
}

/// A copyable `<img srcset=…>` for one picture. `sizes` is HTML's attribute: how wide the picture will stand on the page,
/// such as `100vw` or `(min-width: 60em) 50vw, 100vw`. `width` and `height` are given where the source's are known, so
/// that the page does not jump.
pub fn srcset(
    rules: &Rules,
    base_url: &str,
    key: &OriginalKey,
    source: Option<Size>,
    sizes: &str,
    alternative_text: &str,
) -> String {
    let candidates = srcset_candidates(rules, base_url, key, source);
    let widths: Vec<String> = candidates.iter().map(|(url, width)| format!("{} {width}w", attribute(url))).collect();
    // What a browser without `srcset` gets: the one nearest to a common page width.
    let plain = candidates.iter().min_by_key(|(_, width)| width.abs_diff(800)).map_or("", |(url, _)| url.as_str());
    let sides = source.map_or(String::new(), |size| format!(" width=\"{}\" height=\"{}\"", size.width, size.height));
    format!(
        "<img src=\"{}\"\n     srcset=\"{}\"\n     sizes=\"{}\"{sides} alt=\"{}\" loading=\"lazy\" decoding=\"async\">",
        attribute(plain),
        widths.join(",\n             "),
        attribute(sizes),
        attribute(alternative_text),
    )
}

/// Escapes text for a double-quoted HTML attribute.
fn attribute(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;")
}
