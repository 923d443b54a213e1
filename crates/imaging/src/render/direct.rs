//! The short way of a JPEG that nobody has to look at before it is scaled: from its bits to planes of the output's size. Where the
//! output is only that, smaller and turned, the planes go to the encoder as they are and are never RGB.

use afterimage_variant::Variant;

use super::{Rendered, Shape, Step, admit, size_of, within};
use crate::copyright::Copyright;
use crate::encode::{Manner, Output};
use crate::jpeg::{Layout, Picture, Wanted};
use crate::pixels::{Channels, Frame, Pixels};
use crate::plane::Plane;
use crate::stop::{Stop, check};
use crate::{Error, Settings, colour, encode, jpeg};

/// Renders, or says that the file has to go the long way.
pub(super) fn render(
    picture: &Picture<'_>,
    shape: &Shape,
    variant: &Variant,
    output: Output,
    settings: &Settings,
    stop: &dyn Stop,
) -> Result<Option<Rendered>, Error> {
    let plan = within(variant.plan(size_of(shape.rect)), shape.rect);
    let is_looked_at = output == Output::Json || variant.trim().is_some() || plan.search.is_some();
    if is_looked_at {
        return Ok(None);
    }
    admit(&plan, 1, settings)?;
    check(stop)?;
    let (window, turning) = (shape.turning.store(plan.window, shape.stored), shape.turning);
    let (width, height) = turning.sides(plan.picture.width, plan.picture.height);
    let channels = if picture.header.components == 1 { Channels::Gray } else { Channels::Rgb };
    let has_srgb = || picture.header.icc.as_deref().is_none_or(|icc| colour::changes_nothing(icc, channels));
    let is_bare = plan.canvas == plan.picture && variant.blur().is_none() && variant.sharpen().is_none();
    let goes_planar = output.takes_planes() && is_bare && has_srgb();
    let layout = match goes_planar {
        true => Layout::Halved { mirrored: turning.mirrors(), video: output == Output::Webp },
        false => Layout::Full,
    };
    let wanted = Wanted { window, width, height, residual_min: settings.scaling.residual_min(), layout };
    let planes = picture.planes(&wanted, stop)?;
    check(stop)?;
    let copyright = if settings.keep_copyright { jpeg::copyright(&picture.header) } else { Copyright::default() };
    let manner = Manner { quality: variant.quality(), settings, copyright: &copyright, stop };
    let (output, encoded) = if goes_planar {
        let turned: Vec<Plane> = planes.into_iter().map(|plane| turn(shape, plane)).collect();
        let output = output.settled_opaque();
        (output, encode::planes(&turned, output, &manner)?)
    } else {
        let icc = picture.header.icc.as_deref();
        // Only the steps after scaling are asked of it.
        let step = Step { shape, plan, variant, icc, extent: shape.stored, output, stop };
        let frame = step.finish(Frame { pixels: jpeg::to_pixels(planes)?, delay_ms: 0 })?;
        let output = output.settled(&frame.pixels);
        (output, encode::still(frame.pixels, output, &manner)?)
    };
    let eighths = Some(picture.eighths(&wanted));
    Ok(Some(Rendered::of(encoded, output, plan.canvas, variant, settings, eighths)))
}

fn turn(shape: &Shape, plane: Plane) -> Plane {
    let Plane { width, height, data } = plane;
    let pixels = Pixels { width: width as u32, height: height as u32, channels: Channels::Gray, data };
    let turned = shape.turning.apply(pixels);
    Plane { width: turned.width as usize, height: turned.height as usize, data: turned.data }
}
