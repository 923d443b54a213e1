//! What a render will need in memory, from headers and variant alone, so that a pool can bound the sum of all renders in flight.

use afterimage_variant::{Quality, Size, Variant};

use crate::encode::Output;
use crate::quantise::COUNTED_MAX;
use crate::render::{INFO_SIDE_MAX, Shape};
use crate::{PngEffort, Probe, Scaling, Settings, Source, jpeg, light};

/// What a colour takes that is counted for a palette.
const COUNTED_BYTES: u64 = 32;

/// Bytes that a render may need at its peak beyond the source file itself: an upper estimate, checked against measurements.
///
/// Total: any probe with any variant gives a number.
pub fn predicted_bytes(probe: &Probe, variant: &Variant, settings: &Settings) -> u64 {
    let pixels = u64::from(probe.width) * u64::from(probe.height);
    let channels = u64::from(probe.channels);
    let output = Output::of(variant.format(), probe.format, probe.frames);
    let shape = Shape::of(probe, variant);
    let best = Settings { scaling: Scaling::Best, ..settings.clone() };
    let eighths = if probe.format == Source::Jpeg { u64::from(shape.eighths(variant, output, &best)) } else { 8 };
    let sample_bytes = if probe.wide { 2 } else { 1 };
    let scaled = (pixels * eighths * eighths).div_ceil(64);
    let plan = shape.untrimmed(variant, output);
    let picture = match output {
        Output::Json => Size::new(INFO_SIDE_MAX, INFO_SIDE_MAX),
        _ => plan.picture,
    };
    // Our own JPEG decoder, which knows every scale, hands rows to the resampler unless the picture has to be looked at first.
    let is_looked_at = output == Output::Json || variant.trim().is_some();
    let streams = probe.format == Source::Jpeg && probe.scales.len() == 8 && !is_looked_at;
    let frame = if streams { 0 } else { scaled * channels * 2 };
    let decoding = match probe.format {
        // Coefficients of a progressive picture stay until the last scan: all, or those that the scale can show.
        Source::Jpeg if !probe.blocks.is_empty() => {
            let kept = |coarser: u32| jpeg::coefficient_bytes((eighths as u32 * coarser).min(8), probe.scales);
            probe.blocks.iter().map(|(count, coarser)| count * kept(*coarser)).sum::<u64>() + frame
        }
        // Planes and pixels, where a picture has to be looked at before it is scaled.
        Source::Jpeg => frame + u64::from(probe.width) * 64,
        // Wide samples lie in the file's order first, and then in ours.
        Source::Png => pixels * channels * sample_bytes * sample_bytes + u64::from(probe.width) * 16,
        // The planes of the bitstream beside the pixels; for an animation also its canvas and the frame shown.
        Source::Webp if probe.frames > 1 => pixels * 16,
        Source::Webp => pixels * (channels + 6),
        Source::Gif => pixels * 17,
        // libaom keeps some 170 bytes about every block of 4 by 4; beside it are its planes and our pixels.
        Source::Avif => pixels * 20,
        Source::Svg => 0,
    };
    // Alpha is multiplied into a copy before scaling.
    let premultiplied = if probe.channels == 4 { scaled * 4 * sample_bytes } else { 0 };
    // What linear light is shrunk by before the resampler sees it.
    let whole = settings.linear_light.then(|| u64::from(light::whole(shape.shrink(variant, output), Scaling::Best)));
    let lit = whole.map_or(0, |whole| lit_bytes(scaled, channels, whole));
    let wide = if probe.wide || settings.linear_light { 2 } else { 1 };
    let canvas = match output {
        Output::Json => u64::from(picture.width) * u64::from(picture.height),
        // More than the limit is refused.
        _ => shape.canvas_pixels_max(variant, output).min(settings.limits.output_pixels_max),
    };
    // The resampler's first pass keeps one side of the source; where rows stream, some dozens of them.
    let side = |one: u32, other: u32| u64::from(one) * u64::from(other);
    // As stored, which may be turned against what is shown.
    let turned = shape.turned;
    let pass = side(picture.width, turned.height).max(side(picture.height, turned.width)) * eighths / 8 * channels;
    let rows = u64::from(probe.width.max(picture.width).max(picture.height)) * 32 * channels;
    let passes = match (streams, whole) {
        (true, None) => rows,
        (true, Some(whole)) => rows + pass / whole,
        (false, _) => pass,
    };
    // Planes, and pixels made of them; else pixels and what is made of them. Laying them on a canvas is one copy more.
    let drawing = match streams && whole.is_none() {
        true if plan.canvas == plan.picture => 2 * channels,
        true => 2 * channels + 4,
        false => 8,
    };
    let effects = if variant.blur().is_some() || variant.sharpen().is_some() { 32 } else { 0 };
    let encoding = match output {
        Output::Jpeg { .. } => 4,
        Output::JpegOrPng => 8,
        // What cannot be compressed, in a list that doubles; beside it the first try, where there are two.
        Output::Png | Output::Png16 => {
            if settings.png_effort == PngEffort::Small {
                12
            } else {
                6
            }
        }
        Output::Png8 => 8,
        // What is weighed (method 3 and more) keeps its tokens until the last, of which noise at high quality has many; alpha has no loss.
        Output::Webp => {
            if settings.webp_method < 3 && probe.channels < 4 {
                8
            } else if keeps_noise(variant, settings) {
                24
            } else {
                20
            }
        }
        Output::Avif => 40,
        Output::Gif => 24,
        Output::Json | Output::ThumbHash | Output::BlurHash => 0,
    };
    // Every colour that is counted takes its place in a table and in two lists.
    let counting =
        if matches!(output, Output::Png8 | Output::Gif) { canvas.min(COUNTED_MAX as u64) * COUNTED_BYTES } else { 0 };
    // An animation has the frame before, and what differs, beside the present one.
    let frames = if output.moves() && probe.frames > 1 { 16 } else { 0 };
    // Tables, stacks and what libraries keep.
    const FIXED: u64 = 4 << 20;
    FIXED
        + decoding
        + premultiplied
        + lit
        + counting
        + passes * wide
        + canvas * wide * (drawing + frames + effects + encoding)
}

/// Whether WebP is asked for at a quality that keeps even noise.
fn keeps_noise(variant: &Variant, settings: &Settings) -> bool {
    match variant.quality() {
        Some(Quality::Of(quality)) => quality > 85,
        Some(Quality::Auto) => true,
        None => settings.quality_default.webp > 85,
    }
}

/// The picture in linear light, shrunk by whole numbers first, and what the resampler makes of it when there is alpha.
fn lit_bytes(pixels: u64, channels: u64, whole: u64) -> u64 {
    let copies = if channels == 4 { 2 } else { 1 };
    pixels * channels * 2 * copies / (whole * whole)
}
