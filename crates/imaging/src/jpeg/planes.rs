//! From a JPEG straight to the planes of an output: decoded at the scale that is enough for each plane, resampled as its rows come.
//! Chroma is never brought to the size of luma first.

use afterimage_variant::Window;

use super::header::Header;
use super::scaled::{self, Frame, Sink};
use super::ycc::join;
use crate::Error;
use crate::pixels::{Channels, Pixels, buffer_len};
use crate::plane::{Plane, Range, Resizer, Span};
use crate::stop::Stop;

/// What is wanted of a picture: a part of it, at a size.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    /// In pixels of the whole picture as it is stored.
    pub(crate) window: Window,
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// How much is to be left for the resampler to shrink after the scaled decoding.
    pub(crate) residual_min: f64,
    pub(crate) layout: Layout,
    /// Whether samples count as they were decoded; else the filters make up for what decoding at a smaller scale blurs.
    pub(crate) as_decoded: bool,
}

/// How chroma lies beside luma.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// As large as luma: 4:4:4, for RGB.
    Full,
    /// One sample for two by two of luma, in their middle: 4:2:0, for encoders.
    Halved {
        /// Whether the pairs are to be counted from the right and from the bottom, because the planes will be mirrored: it matters
        /// where a side is odd.
        mirrored: (bool, bool),
        /// In the ranges of video, which WebP takes, in place of JPEG's.
        video: bool,
    },
}

/// A file that our own decoder reads, ready to be decoded once.
pub(crate) struct Picture<'a> {
    pub(super) bytes: &'a [u8],
    pub(crate) header: Header<'a>,
}

/// The least scale in eighths that leaves so much to shrink.
pub(crate) fn enough(shrink: f64, residual_min: f64) -> u32 {
    // The shrink is a quotient: 8/3 of 3/8 must not fall short of 1.
    (1..=8).find(|eighths| shrink * f64::from(*eighths) / 8.0 >= residual_min - 1e-9).unwrap_or(8)
}

pub(super) fn unknown() -> Error {
    Error::unsupported("a frame that our decoder does not know")
}

impl<'a> Picture<'a> {
    /// Whether our own decoder reads files with such a header.
    pub(crate) fn is_known(header: &Header<'_>) -> bool {
        Frame::of(header, [8; 3]).is_some()
    }

    /// A file with the header that was read from it, if it is known.
    pub(crate) fn of(bytes: &'a [u8], header: Header<'a>) -> Option<Self> {
        Self::is_known(&header).then_some(Self { bytes, header })
    }

    /// The scale in eighths that brightness is decoded at.
    pub(crate) fn eighths(&self, wanted: &Wanted) -> u32 {
        Frame::of(&self.header, [8; 3]).map_or(8, |full| wanted.eighths(0, &full))
    }

    /// Decodes what is wanted: Y, Cb, Cr, or Y alone where the picture is gray.
    pub(crate) fn planes(&self, wanted: &Wanted, stop: &dyn Stop) -> Result<Vec<Plane>, Error> {
        let full = Frame::of(&self.header, [8; 3]).ok_or_else(unknown)?;
        let mut eighths = [8; 3];
        for (component, eighths) in eighths.iter_mut().enumerate().take(full.components.len()) {
            *eighths = wanted.eighths(component, &full);
        }
        let frame = Frame::of(&self.header, eighths).ok_or_else(unknown)?;
        let mut resizers: Vec<Resizer> = Vec::new();
        for (component, shape) in frame.components.iter().enumerate() {
            // The two planes of chroma are nearly always alike.
            let is_like_last = component == 2 && frame.components[1].is_like(shape);
            resizers.push(if is_like_last { resizers[1].clone() } else { wanted.resizer(component, &frame) });
        }
        let with_rows = |resizer: Resizer| (Vec::with_capacity(resizer.output_len()), resizer);
        let mut resizers = Resizers(resizers.into_iter().map(with_rows).collect());
        scaled::decode(self.bytes, &self.header, &frame, stop, &mut resizers)?;
        resizers.0.into_iter().map(|(rows, resizer)| resizer.finish(rows)).collect()
    }
}

impl Wanted {
    /// The scale in eighths that is enough for a component.
    fn eighths(&self, component: usize, full: &Frame) -> u32 {
        let (across, down) = self.spans(component, full.density(component));
        let (width, height) = self.size(component);
        let shrink = (across.length / width as f64).min(down.length / height as f64);
        enough(shrink, self.residual_min)
    }

    /// What resamples a component that is decoded as the frame says.
    pub(super) fn resizer(&self, component: usize, frame: &Frame) -> Resizer {
        let (across, down) = self.spans(component, frame.density(component));
        let shape = &frame.components[component];
        let eighths = if self.as_decoded { 8 } else { shape.eighths };
        let source = (shape.width, shape.height);
        Resizer::new(source, eighths, across, down, self.size(component), self.range(component))
    }

    fn size(&self, component: usize) -> (usize, usize) {
        let (width, height) = (self.width as usize, self.height as usize);
        match self.layout {
            Layout::Halved { .. } if component > 0 => (width.div_ceil(2), height.div_ceil(2)),
            _ => (width, height),
        }
    }

    /// What the output covers of a component's plane that has so many samples for a pixel.
    fn spans(&self, component: usize, density: (f64, f64)) -> (Span, Span) {
        let mirrored = match self.layout {
            Layout::Halved { mirrored, .. } if component > 0 => Some(mirrored),
            _ => None,
        };
        let span = |start: f64, length: f64, side: u32, density: f64, mirrored: Option<bool>| {
            let Some(mirrored) = mirrored else { return Span { start: start * density, length: length * density } };
            // Pairs cover an even number of luma samples: of an odd side one more than there are.
            let pixel = length / f64::from(side);
            let beyond = pixel * f64::from(side % 2);
            let start = if mirrored { start - beyond } else { start };
            Span { start: start * density, length: (length + beyond) * density }
        };
        let window = self.window;
        (
            span(window.x, window.width, self.width, density.0, mirrored.map(|mirrored| mirrored.0)),
            span(window.y, window.height, self.height, density.1, mirrored.map(|mirrored| mirrored.1)),
        )
    }

    fn range(&self, component: usize) -> Range {
        match (self.layout, component) {
            (Layout::Halved { video: true, .. }, 0) => Range::VideoLuma,
            (Layout::Halved { video: true, .. }, _) => Range::VideoChroma,
            _ => Range::Full,
        }
    }
}

/// Of each component the rows that it has by now.
struct Resizers(Vec<(Vec<u8>, Resizer)>);

impl Sink for Resizers {
    fn rows(&mut self, component: usize, rows: &[u8], stride: usize) -> Result<(), Error> {
        let (out, resizer) = &mut self.0[component];
        rows.chunks(stride).for_each(|row| resizer.push(row, out));
        Ok(())
    }
}

/// Joins planes of one size to gray or RGB.
pub(crate) fn to_pixels(mut planes: Vec<Plane>) -> Result<Pixels, Error> {
    let (width, height) = (planes[0].width as u32, planes[0].height as u32);
    let [luma, blue, red] = &planes[..] else {
        return Pixels::new(width, height, Channels::Gray, planes.swap_remove(0).data);
    };
    let mut data = vec![0; buffer_len(width, height, Channels::Rgb)?];
    join(&luma.data, &blue.data, &red.data, data.as_chunks_mut().0);
    Pixels::new(width, height, Channels::Rgb, data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enough_is_never_too_little() {
        for (shrink, minimum, eighths) in [
            (10.08, 1.0, 1),
            (10.08, 1.4, 2),
            (8.0, 1.0, 1),
            (7.99, 1.0, 2),
            (8.0 / 3.0, 1.0, 3),
            (1.0, 1.0, 8),
            (0.2, 1.4, 8),
        ] {
            assert_eq!(enough(shrink, minimum), eighths, "{shrink} {minimum}");
        }
    }

    #[test]
    fn known_colours() {
        let plane = |value| Plane { width: 1, height: 1, data: vec![value] };
        let pixel = |y, cb, cr| to_pixels(vec![plane(y), plane(cb), plane(cr)]).expect("one pixel").data;
        assert_eq!(pixel(255, 128, 128), [255, 255, 255]);
        assert_eq!(pixel(76, 85, 255), [254, 0, 0]);
        assert_eq!(pixel(150, 44, 21), [0, 255, 1]);
        assert_eq!(pixel(29, 255, 107), [0, 0, 254]);
        assert_eq!(to_pixels(vec![plane(7)]).expect("one pixel").channels, Channels::Gray);
    }

    #[test]
    fn pairs_are_counted_from_where_they_will_be_seen() {
        let window = Window { x: 10.0, y: 20.0, width: 70.0, height: 40.0 };
        let layout = |mirrored| Layout::Halved { mirrored, video: false };
        let wanted = Wanted {
            window,
            width: 7,
            height: 4,
            residual_min: 1.0,
            layout: layout((false, false)),
            as_decoded: false,
        };
        assert_eq!(wanted.size(1), (4, 2));
        let (across, down) = wanted.spans(1, (0.5, 0.5));
        assert_eq!((across.start, across.length, down.start, down.length), (5.0, 40.0, 10.0, 20.0));
        let (across, down) = Wanted { layout: layout((true, true)), ..wanted }.spans(1, (0.5, 0.5));
        assert_eq!((across.start, across.length, down.start, down.length), (0.0, 40.0, 10.0, 20.0));
    }
}
