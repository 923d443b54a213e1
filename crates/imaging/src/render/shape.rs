//! Geometry between the stored picture and the one that is asked for: how it is turned, which part of it is used, and that part scaled.
//! Plans are made in turned pixels and carried back, so that only the small picture is ever turned.

use afterimage_variant::{Plan, Size, Variant, Window};

use super::INFO_SIDE_MAX;
use crate::encode::Output;
use crate::geometry::Turning;
use crate::pixels::{Decoded, Frames, Pixels};
use crate::scale::Scaled;
use crate::stop::{Stop, check};
use crate::trim::Bounds;
use crate::{Error, Probe, Scaling, Settings, hash, jpeg, light, scale, search, trim};

/// How many times as many pixels as without trimming a trimmed picture may have: beyond, it is refused, and so much is reserved.
const TRIM_GROWS_MAX: u64 = 4;
/// So many pixels it may have in any case.
const TRIM_PIXELS_FREE: u64 = 1 << 20;

/// How a source is turned and which part of it is used.
pub(crate) struct Shape {
    pub(super) turning: Turning,
    pub(super) stored: (f64, f64),
    /// The size once turned.
    pub(crate) turned: Size,
    /// The part named by `rect`, or all of it, in turned pixels.
    pub(super) rect: Window,
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
        let plan = self.untrimmed(variant, output);
        let across = plan.window.width / f64::from(plan.picture.width);
        let down = plan.window.height / f64::from(plan.picture.height);
        across.min(down)
    }

    /// The plan where nothing is trimmed, as far as sizes go.
    pub(crate) fn untrimmed(&self, variant: &Variant, output: Output) -> Plan {
        sized(variant.plan(size_of(self.rect)), output)
    }

    /// The most pixels that a derivative may have: where only one side is named, what trimming leaves could make the other as long as a
    /// hair, and nobody can tell from headers.
    pub(crate) fn canvas_pixels_max(&self, variant: &Variant, output: Output) -> u64 {
        let canvas = self.untrimmed(variant, output).canvas;
        let pixels = u64::from(canvas.width) * u64::from(canvas.height);
        if variant.trim().is_some() { (pixels * TRIM_GROWS_MAX).max(TRIM_PIXELS_FREE) } else { pixels }
    }

    /// The smallest scale that leaves the resampler enough to do for this shrink.
    fn enough(&self, shrink: f64, scaling: Scaling) -> u32 {
        let enough = jpeg::enough(shrink, scaling.residual_min());
        self.scales.iter().find(|eighths| **eighths >= enough).copied().unwrap_or(8)
    }

    /// What has to be known of the first frame before anything is drawn: which region is used, and the plan for it.
    pub(super) fn look(
        &self,
        source: &Frames<'_>,
        pixels: &Decoded,
        how: Look<'_>,
        stop: &dyn Stop,
    ) -> Result<Looked, Error> {
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
        let map = |size: Size| Ok(self.scale(source.extent, pixels, region, size)?.rounded());
        self.place(variant, region, map)
    }

    /// The plan for a region. `map` gives that region as stored, at a size as shown, where somebody has to look for a place.
    pub(super) fn place(
        &self,
        variant: &Variant,
        region: Window,
        map: impl FnOnce(Size) -> Result<Pixels, Error>,
    ) -> Result<Plan, Error> {
        let size = size_of(region);
        let mut plan = variant.plan(size);
        if let Some(search) = plan.search {
            let longer = size.width.max(size.height);
            let side =
                |side: u32| (u64::from(side) * u64::from(search::MAP_SIDE_MAX) / u64::from(longer)).max(1) as u32;
            let small = longer <= search::MAP_SIDE_MAX;
            let map_size = if small { size } else { Size::new(side(size.width), side(size.height)) };
            let map = self.turning.apply(map(map_size)?);
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
    pub(super) fn scale<S: Scaled>(
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
    pub(super) fn scale_light<S: Scaled>(
        &self,
        extent: (f64, f64),
        pixels: &Pixels<S>,
        window: Window,
        size: Size,
        (settings, stop): (&Settings, &dyn Stop),
    ) -> Result<Pixels<u16>, Error> {
        let steps = self.light_steps(extent, window, size, settings.scaling);
        steps.resize(&light::to_light(pixels, steps.whole, stop)?, stop)
    }

    /// How a window in turned pixels comes to a size as shown in linear light.
    pub(super) fn light_steps(&self, extent: (f64, f64), window: Window, size: Size, scaling: Scaling) -> LightSteps {
        let (width, height) = self.turning.sides(size.width, size.height);
        let window = self.stored(extent, window);
        // As much is left to the good filter as after the scaled decoding of a JPEG.
        let shrink = (window.width / f64::from(width)).min(window.height / f64::from(height));
        let whole = light::whole(shrink, scaling);
        let part = f64::from(whole);
        let window =
            Window { x: window.x / part, y: window.y / part, width: window.width / part, height: window.height / part };
        LightSteps { whole, window, width, height }
    }
}

/// First by a whole number, and then the rest.
pub(super) struct LightSteps {
    pub(super) whole: u32,
    window: Window,
    width: u32,
    height: u32,
}

impl LightSteps {
    /// The rest, from a frame that is smaller by the whole number already.
    pub(super) fn resize(&self, lit: &Pixels<u16>, stop: &dyn Stop) -> Result<Pixels<u16>, Error> {
        check(stop)?;
        Ok(light::to_code(scale::resize(lit, self.window, self.width, self.height)?))
    }
}

/// What a first look is for.
pub(super) struct Look<'a> {
    pub(super) variant: &'a Variant,
    pub(super) output: Output,
    /// Whether the plan matters: searching costs a little.
    pub(super) plans: bool,
}

/// What a first look found.
pub(super) struct Looked {
    pub(super) region: Window,
    pub(super) plan: Plan,
}

/// A placeholder stands for the picture, and is made of a small one.
pub(super) fn sized(mut plan: Plan, output: Output) -> Plan {
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

pub(super) fn size_of(window: Window) -> Size {
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
