//! A render, from bytes to bytes, in the order it happens. It must never answer with half a picture or with its input.

mod direct;
mod shape;

use afterimage_variant::{Gamut, Plan, Size, Variant, Window};

pub(crate) use self::shape::Shape;
use self::shape::{Look, Looked, size_of};
use crate::chosen::Chosen;
use crate::colour::{Colours, Managed};
use crate::copyright::Copyright;
use crate::encode::{Encoded, Manner, Output};
use crate::pixels::{Decoded, Frame, Frames, Pixels};
use crate::scale::Scaled;
use crate::stop::{Stop, check};
use crate::{Error, GainMap, Probe, Settings, Source, canvas, decode, effect, encode, info, jpeg, probe};

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
    /// The gain map that the original has and this picture has not.
    pub gain_map: Option<GainMap>,
}

/// What a picture is besides what its encoder made.
struct Made<'a> {
    /// Settled.
    output: Output,
    size: Size,
    variant: &'a Variant,
    settings: &'a Settings,
    /// How large a JPEG was decoded.
    eighths: Option<u32>,
    gain_map: Option<GainMap>,
}

impl Made<'_> {
    fn rendered(self, encoded: Encoded) -> Rendered {
        let Self { output, size: Size { width, height }, variant, settings, eighths, gain_map } = self;
        let Encoded { bytes, frames, level, told } = encoded;
        let level = level.map(|level| (level, variant.quality(), settings.auto_score));
        let chosen = Chosen { output, asked: variant.format(), level, told, eighths }.to_string();
        Rendered { bytes, media_type: output.media_type(), width, height, frames, chosen, gain_map }
    }
}

/// Longest side of the picture that a JSON answer is computed from.
pub(crate) const INFO_SIDE_MAX: u32 = 128;

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
    if variant.trim().is_some() {
        admit_pixels(&plan, 1, shape.canvas_pixels_max(variant, output))?;
    }
    let nobody = Copyright::default();
    let copyright = if settings.keep_copyright { source.copyright.clone() } else { nobody };
    let (colours, loops) = (colours(source.icc.as_deref(), variant, output, settings), source.loops);
    let manner = Manner { quality: variant.quality(), settings, copyright: &copyright, icc: colours.icc(), stop };
    let step = Step { shape: &shape, plan, variant, colours: &colours, extent: source.extent, output, settings, stop };
    let size = plan.canvas;
    let eighths = (probe.format == Source::Jpeg).then_some(eighths);
    let gain_map = probe.gain_map.filter(|_| !output.is_hash());
    let made = |output| Made { output, size, variant, settings, eighths, gain_map };
    let shown = step.run(first)?;
    if frames_kept == 1 {
        let output = output.settled(&shown.pixels);
        return Ok(made(output).rendered(encode::decoded(shown.pixels, output, &manner)?));
    }
    let bytes = |frame: Frame<Decoded>| frame.map(Decoded::into_bytes);
    let mut rest = source.frames.map(|frame| step.run(frame?).map(bytes));
    let encoded = encode::animation(bytes(shown), &mut rest, loops, output, &manner)?;
    Ok(made(output).rendered(encoded))
}

/// From which colour space to which.
fn colours(icc: Option<&[u8]>, variant: &Variant, output: Output, settings: &Settings) -> Colours {
    let gamut = variant.gamut().unwrap_or(settings.gamut_default);
    Colours::new(icc, if output.takes_profile() { gamut } else { Gamut::Srgb })
}

/// Whether a derivative may be so large.
fn admit(plan: &Plan, frames: u32, settings: &Settings) -> Result<(), Error> {
    admit_pixels(plan, frames, settings.limits.output_pixels_max)
}

fn admit_pixels(plan: &Plan, frames: u32, max: u64) -> Result<(), Error> {
    let asked = u64::from(plan.canvas.width) * u64::from(plan.canvas.height) * u64::from(frames);
    if asked > max { Err(Error::OutputTooLarge { asked, max }) } else { Ok(()) }
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
        let pixels = self.shape.scale_light(self.extent, pixels, window, size, (self.settings, self.stop))?;
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
    let media_type = Output::Json.media_type();
    Ok(Rendered { bytes: json, media_type, width, height, frames: 1, chosen: String::new(), gain_map: None })
}
