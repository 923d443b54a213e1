//! The short way of a JPEG that nobody has to look at before it is scaled: from its bits to planes of the output's size. Where the
//! output is only that, smaller and turned, the planes go to the encoder as they are and are never RGB.

use afterimage_variant::{Size, Variant};

use super::shape::sized;
use super::{Made, Rendered, Shape, Step, admit, colours};
use crate::copyright::Copyright;
use crate::encode::{Manner, Output};
use crate::jpeg::{Layout, Picture, Wanted};
use crate::pixels::{Channels, Decoded, Pixels};
use crate::plane::Plane;
use crate::stop::{Stop, check};
use crate::{Error, Settings, encode, jpeg};

/// Renders, or says that the file has to go the long way.
pub(super) fn render(
    picture: &Picture<'_>,
    shape: &Shape,
    variant: &Variant,
    output: Output,
    settings: &Settings,
    stop: &dyn Stop,
) -> Result<Option<Rendered>, Error> {
    let is_looked_at = output == Output::Json || variant.trim().is_some();
    if is_looked_at {
        return Ok(None);
    }
    // A crop that has to be looked for is looked for on a tiny picture first: two decodings that skip most are cheaper than one whole.
    let plan = sized(shape.place(variant, shape.rect, |size| map(picture, shape, size, stop))?, output);
    admit(&plan, 1, settings)?;
    check(stop)?;
    let (window, turning) = (shape.turning.store(plan.window, shape.stored), shape.turning);
    let (width, height) = turning.sides(plan.picture.width, plan.picture.height);
    let channels = if picture.header.components == 1 { Channels::Gray } else { Channels::Rgb };
    let colours = colours(picture.header.icc.as_deref(), variant, output, settings);
    // Planes are not light: their means are those of encoded numbers.
    let is_bare = !settings.linear_light
        && plan.canvas == plan.picture
        && variant.blur().is_none()
        && variant.sharpen().is_none();
    let goes_planar = output.takes_planes() && is_bare && colours.change_nothing(channels);
    let layout = match goes_planar {
        true => Layout::Halved { mirrored: turning.mirrors(), video: output == Output::Webp },
        false => Layout::Full,
    };
    let residual_min = settings.scaling.residual_min();
    let wanted = Wanted { window, width, height, residual_min, layout, as_decoded: false };
    let copyright = if settings.keep_copyright { jpeg::copyright(&picture.header) } else { Copyright::default() };
    let manner = Manner { quality: variant.quality(), settings, copyright: &copyright, icc: colours.icc(), stop };
    let (output, encoded) = if goes_planar {
        let planes = picture.planes(&wanted, stop)?;
        check(stop)?;
        let turned: Vec<Plane> = planes.into_iter().map(|plane| turn(shape, plane)).collect();
        let output = output.settled_opaque();
        (output, encode::planes(&turned, output, &manner)?)
    } else {
        // Only the steps after scaling are asked of it.
        let (colours, extent) = (&colours, shape.stored);
        let step = Step { shape, plan, variant, colours, extent, output, settings, stop };
        let pixels = drawn(picture, &step, &wanted)?;
        let output = output.settled(&pixels);
        (output, encode::decoded(pixels, output, &manner)?)
    };
    let eighths = Some(if settings.linear_light { 8 } else { picture.eighths(&wanted) });
    let gain_map = picture.header.gain_map.filter(|_| !output.is_hash());
    let made = Made { output, size: plan.canvas, variant, settings, eighths, gain_map };
    Ok(Some(made.rendered(encoded)))
}

/// The picture in pixels, scaled in linear light where that is asked for.
fn drawn(picture: &Picture<'_>, step: &Step<'_>, wanted: &Wanted) -> Result<Decoded, Error> {
    let (shape, plan, stop) = (step.shape, &step.plan, step.stop);
    if step.settings.linear_light {
        let steps = shape.light_steps(step.extent, plan.window, plan.picture, step.settings.scaling);
        let lit = picture.light(steps.whole, stop)?;
        return Ok(step.finish(steps.resize(&lit, stop)?)?.into());
    }
    let planes = picture.planes(wanted, stop)?;
    check(stop)?;
    Ok(step.finish(jpeg::to_pixels(planes)?)?.into())
}

/// The whole region as stored, at a size as shown.
fn map(picture: &Picture<'_>, shape: &Shape, size: Size, stop: &dyn Stop) -> Result<Pixels, Error> {
    let window = shape.turning.store(shape.rect, shape.stored);
    let (width, height) = shape.turning.sides(size.width, size.height);
    let wanted = Wanted { window, width, height, residual_min: 1.0, layout: Layout::Full, as_decoded: false };
    jpeg::to_pixels(picture.planes(&wanted, stop)?)
}

fn turn(shape: &Shape, plane: Plane) -> Plane {
    let Plane { width, height, data } = plane;
    let pixels = Pixels { width: width as u32, height: height as u32, channels: Channels::Gray, data };
    let turned = shape.turning.apply(pixels);
    Plane { width: turned.width as usize, height: turned.height as usize, data: turned.data }
}
