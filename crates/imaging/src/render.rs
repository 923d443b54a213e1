//! A render, from bytes to bytes, in the order it happens. It must never answer with half a picture or with its input.

mod direct;

use afterimage_variant::{Plan, Size, Variant, Window};

use crate::chosen::Chosen;
use crate::copyright::Copyright;
use crate::encode::{Encoded, Manner, Output};
use crate::geometry::Turning;
use crate::pixels::{Frame, Frames, Pixels};
use crate::stop::{Stop, check};
use crate::trim::Bounds;
use crate::{
    Error, Probe, Scaling, Settings, Source, canvas, colour, decode, effect, encode, info, jpeg, probe, scale, search,
    trim,
};

/// A picture, ready to be sent or stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The whole file.
    pub bytes: Vec<u8>,
    /// Its media type.
    pub media_type: &'static str,
    /// Width in pixels as shown; of the original where the answer is JSON.
    pub width: u32,
    /// Height in pixels as shown.
    pub height: u32,
    /// Frames; 1 in a still.
    pub frames: u32,
    /// What was chosen where the variant left it open, and why: a dictionary of structured fields (RFC 9651), such as
    /// `format=webp;by=accept, quality=71;by=auto;score=75, encoder=64.5, chroma=420, decoded-eighths=3`. The same pixels and
    /// settings always give the same words. Empty where nothing was open.
    pub chosen: String,
}

impl Rendered {
    /// A picture that was encoded. `output` is settled.
    fn of(
        encoded: Encoded,
        output: Output,
        size: Size,
        variant: &Variant,
        settings: &Settings,
        eighths: Option<u32>,
    ) -> Self {
        let Encoded { bytes, frames, level, told } = encoded;
        let level = level.map(|level| (level, variant.quality(), settings.auto_score));
        let chosen = Chosen { output, asked: variant.format(), level, told, eighths }.to_string();
        Self { bytes, media_type: output.media_type(), width: size.width, height: size.height, frames, chosen }
    }
}

/// Longest side of the picture that a JSON answer is computed from.
const INFO_SIDE_MAX: u32 = 128;

/// Makes the derivative that `variant` describes.
///
/// The result depends on nothing but its arguments; `stop` is asked between steps and inside long loops.
///
/// # Errors
/// Any [`Error`]; never a panic that is not a bug, and never a partial picture.
pub fn render(bytes: &[u8], variant: &Variant, settings: &Settings, stop: &dyn Stop) -> Result<Rendered, Error> {
    check(stop)?;
    let (probe, header) = probe::open(bytes, &settings.limits)?;
    let output = Output::of(variant.format(), probe.format, probe.frames);
    let shape = Shape::of(&probe, variant);
    let picture = header.and_then(|header| jpeg::Picture::of(bytes, header));
    if let Some(picture) = picture
        && let Some(rendered) = direct::render(&picture, &shape, variant, output, settings, stop)?
    {
        return Ok(rendered);
    }
    let scaling = settings.scaling;
    let eighths = if output == Output::Json {
        shape.eighths_for(INFO_SIDE_MAX, scaling)
    } else {
        shape.eighths(variant, scaling)
    };
    let mut source = decode::open(bytes, probe.format, eighths, &settings.limits, stop)?;
    if (source.width, source.height, source.orientation) != (probe.width, probe.height, probe.orientation) {
        return Err(Error::broken("the headers say one size, the picture another"));
    }
    let first = source.frames.next().ok_or_else(|| Error::broken("no frame"))??;
    check(stop)?;
    let region = shape.trimmed(&source, &first.pixels, variant, stop)?;
    if output == Output::Json {
        return describe(bytes, &probe, &shape, &source, region, &first.pixels, settings);
    }
    let plan = shape.plan(&source, &first.pixels, region, variant)?;
    let frames_kept = if output.moves() { probe.frames } else { 1 };
    admit(&plan, frames_kept, settings)?;
    let nobody = Copyright::default();
    let copyright = if settings.keep_copyright { source.copyright.clone() } else { nobody };
    let manner = Manner { quality: variant.quality(), settings, copyright: &copyright, stop };
    let (icc, extent, loops) = (source.icc.take(), source.extent, source.loops);
    let step = Step { shape: &shape, plan, variant, icc: icc.as_deref(), extent, output, stop };
    let size = plan.canvas;
    let eighths = (probe.format == Source::Jpeg).then_some(eighths);
    let shown = step.run(first)?;
    if frames_kept == 1 {
        let output = output.settled(&shown.pixels);
        let encoded = encode::still(shown.pixels, output, &manner)?;
        return Ok(Rendered::of(encoded, output, size, variant, settings, eighths));
    }
    let mut rest = source.frames.map(|frame| frame.and_then(|frame| step.run(frame)));
    let encoded = encode::animation((size.width, size.height), shown, &mut rest, loops, output, &manner)?;
    Ok(Rendered::of(encoded, output, size, variant, settings, eighths))
}

/// Whether a derivative may be so large.
fn admit(plan: &Plan, frames: u32, settings: &Settings) -> Result<(), Error> {
    let asked = u64::from(plan.canvas.width) * u64::from(plan.canvas.height) * u64::from(frames);
    let max = settings.limits.output_pixels_max;
    if asked > max { Err(Error::OutputTooLarge { asked, max }) } else { Ok(()) }
}

/// How a source is turned and which part of it is used.
pub(crate) struct Shape {
    turning: Turning,
    stored: (f64, f64),
    /// The size once turned.
    turned: Size,
    /// The part named by `rect`, or all of it, in turned pixels.
    rect: Window,
    /// The scales in eighths at which the source can be decoded.
    scales: &'static [u32],
}

impl Shape {
    pub(crate) fn of(probe: &Probe, variant: &Variant) -> Self {
        let turning = Turning::of_exif(probe.orientation).then(Turning::of_turn(variant.turn()));
        let (width, height) = turning.sides(probe.width, probe.height);
        let turned = Size::new(width, height);
        let whole = Window { x: 0.0, y: 0.0, width: width.into(), height: height.into() };
        let stored = (f64::from(probe.width), f64::from(probe.height));
        Self { turning, stored, turned, rect: variant.rect(turned).unwrap_or(whole), scales: probe.scales }
    }

    /// The scale in eighths that is enough to decode a JPEG at. Trimming looks at every pixel.
    pub(crate) fn eighths(&self, variant: &Variant, scaling: Scaling) -> u32 {
        if variant.trim().is_some() {
            return 8;
        }
        let plan = variant.plan(size_of(self.rect));
        let across = plan.window.width / f64::from(plan.picture.width);
        let down = plan.window.height / f64::from(plan.picture.height);
        self.enough(across.min(down), scaling)
    }

    fn eighths_for(&self, side_max: u32, scaling: Scaling) -> u32 {
        self.enough(self.rect.width.max(self.rect.height) / f64::from(side_max), scaling)
    }

    /// The smallest scale that leaves the resampler enough to do for this shrink.
    fn enough(&self, shrink: f64, scaling: Scaling) -> u32 {
        let enough = jpeg::enough(shrink, scaling.residual_min());
        self.scales.iter().find(|eighths| **eighths >= enough).copied().unwrap_or(8)
    }

    /// The part that is left of `rect` when the border is trimmed, in turned pixels.
    fn trimmed(
        &self,
        source: &Frames<'_>,
        pixels: &Pixels,
        variant: &Variant,
        stop: &dyn Stop,
    ) -> Result<Window, Error> {
        let Some(trim) = variant.trim() else { return Ok(self.rect) };
        let scale = (source.extent.0 / self.stored.0, source.extent.1 / self.stored.1);
        let bounds = |window: Window| {
            let window = self.turning.store(window, self.stored);
            let hold = |value: f64, side: u32| (value.round().max(0.0) as u32).min(side);
            let left = hold(window.x * scale.0, pixels.width - 1);
            let top = hold(window.y * scale.1, pixels.height - 1);
            let right = hold((window.x + window.width) * scale.0, pixels.width).max(left + 1);
            let bottom = hold((window.y + window.height) * scale.1, pixels.height).max(top + 1);
            Bounds { left, top, right, bottom }
        };
        let corner = bounds(Window { width: 1.0, height: 1.0, ..self.rect });
        let left = trim::inside(pixels, bounds(self.rect), (corner.left, corner.top), trim, stop)?;
        let stored = Window {
            x: f64::from(left.left) / scale.0,
            y: f64::from(left.top) / scale.1,
            width: f64::from(left.right - left.left) / scale.0,
            height: f64::from(left.bottom - left.top) / scale.1,
        };
        Ok(self.turning.show(stored, self.stored))
    }

    /// The plan for a region, its window in turned pixels of the whole picture, moved to where there is most to see if so asked.
    fn plan(&self, source: &Frames<'_>, pixels: &Pixels, region: Window, variant: &Variant) -> Result<Plan, Error> {
        let size = size_of(region);
        let mut plan = variant.plan(size);
        if let Some(search) = plan.search {
            let longer = size.width.max(size.height);
            let side =
                |side: u32| (u64::from(side) * u64::from(search::MAP_SIDE_MAX) / u64::from(longer)).max(1) as u32;
            let small = longer <= search::MAP_SIDE_MAX;
            let (width, height) = if small { (size.width, size.height) } else { (side(size.width), side(size.height)) };
            let map = self.cut(source.extent, pixels, region, Size::new(width, height))?;
            plan.window = search::place(&map, search, (size.width.into(), size.height.into()), plan.window);
        }
        Ok(within(plan, region))
    }

    /// Cuts a window in turned pixels out of a decoded frame, scales it and turns it.
    fn cut(&self, extent: (f64, f64), pixels: &Pixels, window: Window, size: Size) -> Result<Pixels, Error> {
        Ok(self.turning.apply(self.scale(extent, pixels, window, size)?))
    }

    fn scale(&self, extent: (f64, f64), pixels: &Pixels, window: Window, size: Size) -> Result<Pixels, Error> {
        let (across, down) = (extent.0 / self.stored.0, extent.1 / self.stored.1);
        let window = self.turning.store(window, self.stored);
        let window = Window {
            x: window.x * across,
            y: window.y * down,
            width: window.width * across,
            height: window.height * down,
        };
        let (width, height) = self.turning.sides(size.width, size.height);
        scale::resize(pixels, window, width, height)
    }
}

fn size_of(window: Window) -> Size {
    Size::new((window.width.round() as u32).max(1), (window.height.round() as u32).max(1))
}

/// A plan that was made for a region as if it were the whole picture, with its window in the whole picture.
fn within(mut plan: Plan, region: Window) -> Plan {
    let size = size_of(region);
    // A trimmed region of a scaled picture is fractional; the plan was made for whole pixels.
    let (across, down) = (region.width / f64::from(size.width), region.height / f64::from(size.height));
    plan.window = Window {
        x: region.x + plan.window.x * across,
        y: region.y + plan.window.y * down,
        width: plan.window.width * across,
        height: plan.window.height * down,
    };
    plan
}

/// What is done to every frame.
struct Step<'a> {
    shape: &'a Shape,
    plan: Plan,
    variant: &'a Variant,
    icc: Option<&'a [u8]>,
    extent: (f64, f64),
    output: Output,
    stop: &'a dyn Stop,
}

impl Step<'_> {
    fn run(&self, frame: Frame) -> Result<Frame, Error> {
        check(self.stop)?;
        let pixels = self.shape.scale(self.extent, &frame.pixels, self.plan.window, self.plan.picture)?;
        check(self.stop)?;
        self.finish(Frame { pixels, delay_ms: frame.delay_ms })
    }

    /// What comes after scaling.
    fn finish(&self, frame: Frame) -> Result<Frame, Error> {
        let (plan, stop) = (&self.plan, self.stop);
        let mut pixels = frame.pixels;
        if let Some(icc) = self.icc {
            pixels = colour::to_srgb(pixels, icc);
        }
        pixels = self.shape.turning.apply(pixels);
        if let Some(blur) = self.variant.blur() {
            pixels = effect::blur(&pixels, blur.sigma(), stop)?;
        }
        if let Some(sharpen) = self.variant.sharpen() {
            pixels = effect::sharpen(&pixels, sharpen.amount(), stop)?;
        }
        let pixels = canvas::lay(pixels, plan, self.variant.background(), self.output.keeps_alpha())?;
        check(stop)?;
        Ok(Frame { pixels, delay_ms: frame.delay_ms })
    }
}

/// The JSON answer: facts about the original, and what a small picture of it tells.
fn describe(
    bytes: &[u8],
    probe: &Probe,
    shape: &Shape,
    source: &Frames<'_>,
    region: Window,
    pixels: &Pixels,
    settings: &Settings,
) -> Result<Rendered, Error> {
    let size = size_of(region);
    let shrink = (f64::from(INFO_SIDE_MAX) / f64::from(size.width.max(size.height))).min(1.0);
    let side = |side: u32| ((f64::from(side) * shrink).round() as u32).max(1);
    let mut small = shape.scale(source.extent, pixels, region, Size::new(side(size.width), side(size.height)))?;
    if let Some(icc) = &source.icc {
        small = colour::to_srgb(small, icc);
    }
    let small = shape.turning.apply(small);
    let json = info::describe(probe, bytes.len() as u64, &small, settings)?;
    let Size { width, height } = shape.turned;
    let media_type = Output::Json.media_type();
    Ok(Rendered { bytes: json, media_type, width, height, frames: 1, chosen: String::new() })
}
