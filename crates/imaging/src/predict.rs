//! What a render will need in memory, from headers and variant alone, so that a pool can bound the sum of all renders in flight.

use afterimage_variant::Variant;

use crate::encode::Output;
use crate::render::Shape;
use crate::{Probe, Scaling, Settings, Source, jpeg, light};

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
    let plan = variant.plan(probe.upright);
    // Our own JPEG decoder, which knows every scale, hands rows to the resampler unless the picture has to be looked at first.
    let is_looked_at = output == Output::Json || variant.trim().is_some();
    let streams = probe.format == Source::Jpeg && probe.scales.len() == 8 && !is_looked_at;
    let frame = if streams { 0 } else { scaled * channels * 2 };
    let decoding = match probe.format {
        // Coefficients of a progressive picture stay until the last scan: all, or those that the scale can show.
        Source::Jpeg if probe.progressive => {
            let block_bytes = jpeg::coefficient_bytes(eighths as u32, probe.scales);
            (pixels + u64::from(probe.width + probe.height) * 32) * channels / 64 * block_bytes + frame
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
    let canvas = u64::from(plan.canvas.width) * u64::from(plan.canvas.height);
    // The resampler's first pass keeps one side of the source; where rows stream, some dozens of them.
    let rows = u64::from(probe.width.max(plan.picture.width)) * 32 * channels;
    let pass = u64::from(plan.picture.width) * u64::from(probe.upright.height) * eighths / 8 * channels;
    let passes = match (streams, whole) {
        (true, None) => rows,
        (true, Some(whole)) => rows + pass / whole,
        (false, _) => pass,
    };
    let effects = if variant.blur().is_some() || variant.sharpen().is_some() { 32 } else { 0 };
    let encoding = match output {
        Output::Jpeg { progressive: false } => 4,
        Output::Jpeg { progressive: true } | Output::JpegOrPng => 8,
        Output::Png | Output::Png16 => 9,
        // Quantising counts colours, and a photograph has nearly as many as pixels: each takes its place in a table and in two lists.
        Output::Png8 => 96,
        Output::Webp => 16,
        Output::Avif => 40,
        Output::Gif => 96,
        Output::Json | Output::ThumbHash | Output::BlurHash => 0,
    };
    let frames_held = if output.moves() && probe.frames > 1 { 6 } else { 2 };
    // Tables, stacks and what libraries keep.
    const FIXED: u64 = 4 << 20;
    FIXED + decoding + premultiplied + lit + passes * wide + canvas * wide * (4 * frames_held + effects + encoding)
}

/// The picture in linear light, shrunk by whole numbers first, and what the resampler makes of it when there is alpha.
fn lit_bytes(pixels: u64, channels: u64, whole: u64) -> u64 {
    let copies = if channels == 4 { 2 } else { 1 };
    pixels * channels * 2 * copies / (whole * whole)
}
