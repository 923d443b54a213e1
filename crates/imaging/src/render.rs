//! A render, from bytes to bytes, in the order it happens. It must never answer with half a picture or with its input.

mod direct;

use afterimage_variant::{Gamut, Plan, Size, Variant, Window};

use crate::colour::{Colours, Managed};
use crate::copyright::Copyright;
use crate::encode::{Manner, Output};
use crate::geometry::Turning;
use crate::pixels::{Decoded, Frame, Frames, Pixels};
use crate::scale::Scaled;
use crate::stop::{Stop, check};
use crate::trim::Bounds;
use crate::{
    Error, GainMap, Probe, Settings, canvas, decode, effect, encode, hash, info, jpeg, light, probe, scale, search,
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
    /// The gain map that the original has and this picture has not.
    pub gain_map: Option<GainMap>,
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
    let eighths = shape.eighths(variant, output, settings);
    let mut source = decode::open(bytes, probe.format, eighths, &settings.limits, stop)?;
    if (source.width, source.height, source.orientation) != (probe.width, probe.height, probe.orientation) {
        return Err(Error::broken("the headers say one size, the picture another"));
    }
    let first = source.frames.next().ok_or_else(|| Error::broken("no frame"))??;
    check(stop)?;
    let look = |how: Look<'_>| shape.look(&source, &first.pixels, how, stop);
    if output == Output::Json {
        let Looked { region, .. } = look(Look { variant, output, plans: false })?;
        return describe(bytes, &probe, &shape, &source, region, first.pixels, settings);
    }
    let Looked { plan, .. } = look(Look { variant, output, plans: true })?;
    let frames_kept = if output.moves() { probe.frames } else { 1 };
    admit(&plan, frames_kept, settings)?;
    let nobody = Copyright::default();
    let copyright = if settings.keep_copyright { source.copyright.clone() } else { nobody };
    let (colours, loops) = (colours(source.icc.as_deref(), variant, output, settings), source.loops);
    let manner = Manner { quality: variant.quality(), settings, copyright: &copyright, icc: colours.icc(), stop };
    let step = Step { shape: &shape, plan, variant, colours: &colours, extent: source.extent, output, settings, stop };
    let Size { width, height } = plan.canvas;
    let gain_map = probe.gain_map.filter(|_| !output.is_hash());
    let shown = step.run(first)?;
    if frames_kept == 1 {
        let output = output.settled(&shown.pixels);
        let bytes = encode::decoded(shown.pixels, output, &manner)?;
        return Ok(Rendered { bytes, media_type: output.media_type(), width, height, frames: 1, gain_map });
    }
    let rest = source.frames.map(|frame| step.run(frame?));
    let mut frames =
        std::iter::once(Ok(shown)).chain(rest).map(|frame| frame.map(|frame| frame.map(Decoded::into_bytes)));
    let (bytes, frames) = encode::animation((width, height), &mut frames, loops, output, &manner)?;
    Ok(Rendered { bytes, media_type: output.media_type(), width, height, frames, gain_map })
}

/// From which colour space to which.
fn colours(icc: Option<&[u8]>, variant: &Variant, output: Output, settings: &Settings) -> Colours {
    let gamut = variant.gamut().unwrap_or(settings.gamut_default);
    Colours::new(icc, if output.takes_profile() { gamut } else { Gamut::Srgb })
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

    /// The scale in eighths that is enough to decode a JPEG at. Trimming looks at every pixel, and what the decoder shrinks is not
    /// shrunk in linear light.
    pub(crate) fn eighths(&self, variant: &Variant, output: Output, settings: &Settings) -> u32 {
        if variant.trim().is_some() || settings.linear_light && output != Output::Json {
            return 8;
        }
        self.enough(self.shrink(variant, output), settings.scaling)
    }

    /// How much smaller the picture becomes.
    pub(crate) fn shrink(&self, variant: &Variant, output: Output) -> f64 {
        if output == Output::Json {
            return self.rect.width.max(self.rect.height) / f64::from(INFO_SIDE_MAX);
        }
        let plan = sized(variant.plan(size_of(self.rect)), output);
        let across = plan.window.width / f64::from(plan.picture.width);
        let down = plan.window.height / f64::from(plan.picture.height);
        across.min(down)
    }

    /// The smallest scale that leaves the resampler enough to do for this shrink.
    fn enough(&self, shrink: f64, scaling: crate::Scaling) -> u32 {
        let enough = jpeg::enough(shrink, scaling.residual_min());
        self.scales.iter().find(|eighths| **eighths >= enough).copied().unwrap_or(8)
    }

    /// What has to be known of the first frame before anything is drawn: which region is used, and the plan for it.
    fn look(&self, source: &Frames<'_>, pixels: &Decoded, how: Look<'_>, stop: &dyn Stop) -> Result<Looked, Error> {
        match pixels {
            Decoded::Bytes(pixels) => self.look_at(source, pixels, how, stop),
            Decoded::Words(pixels) => self.look_at(source, pixels, how, stop),
        }
    }

    fn look_at<S: Scaled>(
        &self,
        source: &Frames<'_>,
        pixels: &Pixels<S>,
        how: Look<'_>,
        stop: &dyn Stop,
    ) -> Result<Looked, Error> {
        let region = self.trimmed(source, pixels, how.variant, stop)?;
        let plan = match how.plans {
            true => self.plan(source, pixels, region, how.variant)?,
            false => within(how.variant.plan(size_of(region)), region),
        };
        Ok(Looked { region, plan: sized(plan, how.output) })
    }

    /// The part that is left of `rect` when the border is trimmed, in turned pixels.
    fn trimmed<S: Scaled>(
        &self,
        source: &Frames<'_>,
        pixels: &Pixels<S>,
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
    fn plan<S: Scaled>(
        &self,
        source: &Frames<'_>,
        pixels: &Pixels<S>,
        region: Window,
        variant: &Variant,
    ) -> Result<Plan, Error> {
        let size = size_of(region);
        let mut plan = variant.plan(size);
        if let Some(search) = plan.search {
            let longer = size.width.max(size.height);
            let side =
                |side: u32| (u64::from(side) * u64::from(search::MAP_SIDE_MAX) / u64::from(longer)).max(1) as u32;
            let small = longer <= search::MAP_SIDE_MAX;
            let (width, height) = if small { (size.width, size.height) } else { (side(size.width), side(size.height)) };
            let map =
                self.turning.apply(self.scale(source.extent, pixels, region, Size::new(width, height))?).rounded();
            plan.window = search::place(&map, search, (size.width.into(), size.height.into()), plan.window);
        }
        Ok(within(plan, region))
    }

    /// A window in turned pixels of the whole picture, in pixels of a decoded frame.
    fn stored(&self, extent: (f64, f64), window: Window) -> Window {
        let (across, down) = (extent.0 / self.stored.0, extent.1 / self.stored.1);
        let window = self.turning.store(window, self.stored);
        Window { x: window.x * across, y: window.y * down, width: window.width * across, height: window.height * down }
    }

    /// Cuts a window in turned pixels out of a decoded frame and scales it to a size as shown; it is not turned yet.
    fn scale<S: Scaled>(
        &self,
        extent: (f64, f64),
        pixels: &Pixels<S>,
        window: Window,
        size: Size,
    ) -> Result<Pixels<S>, Error> {
        let (width, height) = self.turning.sides(size.width, size.height);
        scale::resize(pixels, self.stored(extent, window), width, height)
    }

    /// The same in linear light; the result is encoded again, with 16 bits.
    fn scale_light<S: Scaled>(
        &self,
        extent: (f64, f64),
        pixels: &Pixels<S>,
        window: Window,
        size: Size,
        stop: &dyn Stop,
    ) -> Result<Pixels<u16>, Error> {
        let (width, height) = self.turning.sides(size.width, size.height);
        let window = self.stored(extent, window);
        // Half of what is to be shrunk, at least, is left to the good filter.
        let shrink = (window.width / f64::from(width)).min(window.height / f64::from(height));
        let whole = ((shrink / 2.0) as u32).max(1);
        let lit = light::to_light(pixels, whole, stop)?;
        let part = f64::from(whole);
        let window =
            Window { x: window.x / part, y: window.y / part, width: window.width / part, height: window.height / part };
        check(stop)?;
        Ok(light::to_code(scale::resize(&lit, window, width, height)?))
    }
}

/// What a first look is for.
struct Look<'a> {
    variant: &'a Variant,
    output: Output,
    /// Whether the plan matters: searching costs a little.
    plans: bool,
}

/// What a first look found.
struct Looked {
    region: Window,
    plan: Plan,
}

/// A placeholder stands for the picture, and is made of a small one.
fn sized(mut plan: Plan, output: Output) -> Plan {
    let longer = plan.canvas.width.max(plan.canvas.height);
    if output.is_hash() && longer > hash::SIDE_MAX {
        let small = |side: u32| (u64::from(side) * u64::from(hash::SIDE_MAX) / u64::from(longer)) as u32;
        let size = |size: Size| Size::new(small(size.width).max(1), small(size.height).max(1));
        plan.canvas = size(plan.canvas);
        plan.picture = size(plan.picture);
        // Rounding must not push the picture off its canvas.
        plan.left = small(plan.left).min(plan.canvas.width - plan.picture.width);
        plan.top = small(plan.top).min(plan.canvas.height - plan.picture.height);
        plan.padding = small(plan.padding);
    }
    plan
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
    colours: &'a Colours,
    extent: (f64, f64),
    output: Output,
    settings: &'a Settings,
    stop: &'a dyn Stop,
}

impl Step<'_> {
    fn run(&self, frame: Frame<Decoded>) -> Result<Frame<Decoded>, Error> {
        check(self.stop)?;
        let delay_ms = frame.delay_ms;
        let pixels = match frame.pixels {
            Decoded::Bytes(pixels) if self.settings.linear_light => self.draw_light(&pixels)?,
            Decoded::Words(pixels) if self.settings.linear_light => self.draw_light(&pixels)?,
            Decoded::Bytes(pixels) => self.draw(&pixels)?.into(),
            Decoded::Words(pixels) => self.draw(&pixels)?.into(),
        };
        Ok(Frame { pixels, delay_ms })
    }

    fn draw<S: Scaled + Managed>(&self, pixels: &Pixels<S>) -> Result<Pixels<S>, Error> {
        let pixels = self.shape.scale(self.extent, pixels, self.plan.window, self.plan.picture)?;
        check(self.stop)?;
        self.finish(pixels)
    }

    fn draw_light<S: Scaled>(&self, pixels: &Pixels<S>) -> Result<Decoded, Error> {
        let (window, size) = (self.plan.window, self.plan.picture);
        let pixels = self.shape.scale_light(self.extent, pixels, window, size, self.stop)?;
        check(self.stop)?;
        Ok(self.finish(pixels)?.into())
    }

    /// What comes after scaling.
    fn finish<S: Managed>(&self, pixels: Pixels<S>) -> Result<Pixels<S>, Error> {
        let (plan, stop) = (&self.plan, self.stop);
        let mut pixels = self.shape.turning.apply(self.colours.apply(pixels));
        if let Some(blur) = self.variant.blur().filter(|_| !self.output.is_hash()) {
            pixels = effect::blur(&pixels, blur.sigma(), stop)?;
        }
        if let Some(sharpen) = self.variant.sharpen().filter(|_| !self.output.is_hash()) {
            pixels = effect::sharpen(&pixels, sharpen.amount(), stop)?;
        }
        let background = self.variant.background().map(|colour| self.colours.named(colour));
        let pixels = canvas::lay(pixels, plan, background, self.output.keeps_alpha())?;
        check(stop)?;
        Ok(pixels)
    }
}

/// The JSON answer: facts about the original, and what a small picture of it tells.
fn describe(
    bytes: &[u8],
    probe: &Probe,
    shape: &Shape,
    source: &Frames<'_>,
    region: Window,
    pixels: Decoded,
    settings: &Settings,
) -> Result<Rendered, Error> {
    let size = size_of(region);
    let shrink = (f64::from(INFO_SIDE_MAX) / f64::from(size.width.max(size.height))).min(1.0);
    let side = |side: u32| ((f64::from(side) * shrink).round() as u32).max(1);
    let to = Size::new(side(size.width), side(size.height));
    let small = match pixels {
        Decoded::Bytes(pixels) => shape.scale(source.extent, &pixels, region, to)?,
        Decoded::Words(pixels) => shape.scale(source.extent, &pixels, region, to)?.rounded(),
    };
    let small = shape.turning.apply(Colours::new(source.icc.as_deref(), Gamut::Srgb).apply(small));
    let json = info::describe(probe, bytes.len() as u64, &small, settings)?;
    let Size { width, height } = shape.turned;
    Ok(Rendered { bytes: json, media_type: Output::Json.media_type(), width, height, frames: 1, gain_map: None })
}
