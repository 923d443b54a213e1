//! Output geometry: from a variant and the size of a source to what is cut, scaled and laid where. A total function:
//! every variant with every source gives a plan that lies inside the source and inside the limits.

use serde::Serialize;

use crate::variant::{Anchor, Fit, Length, OUTPUT_SIDE_MAX, Start, Variant};

/// Width and height in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Size {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

impl Size {
    /// Joins a width and a height.
    pub fn new(width: u32, height: u32) -> Self {
        Self { width, height }
    }
}

/// A part of a source, in source pixels; fractional, so that a crop has the exact ratio of its box.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Window {
    /// From the left edge.
    pub x: f64,
    /// From the top edge.
    pub y: f64,
    /// Its width, at least one pixel unless the source allows less.
    pub width: f64,
    /// Its height, at least one pixel unless the source allows less.
    pub height: f64,
}

/// How to choose the place of a crop by looking at the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Search {
    /// Where there is most detail.
    Entropy,
    /// Where there are most edges.
    Edges,
    /// Where edges, colours that stand out and skin draw the eye.
    Smart,
}

/// What shows on the canvas where the picture does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Surround {
    /// [`Variant::background`]; without one, transparency, or white where the format has none.
    Background,
    /// Inside the padding, the picture's nearest edge pixel; the padding itself is background.
    Edge,
}

/// What to do with a source, in this order: cut `window`, scale it to `picture`, lay that on `canvas`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// What is cut out of the source, always inside it.
    pub window: Window,
    /// What the window is scaled to; each side at least 1.
    pub picture: Size,
    /// The final size; each side at least 1 and at most [`OUTPUT_SIDE_MAX`].
    pub canvas: Size,
    /// Where the picture lies on the canvas, from the left.
    pub left: u32,
    /// Where the picture lies on the canvas, from the top.
    pub top: u32,
    /// The window may be moved inside the source, its size kept, to where there is most to see.
    pub search: Option<Search>,
    /// What shows where the picture does not.
    pub surround: Surround,
    /// How much of the canvas is padding, on every side.
    pub padding: u32,
}

impl Variant {
    /// The part of an upright, turned source of this size that `rect` names, in whole pixels inside it, at least 1x1.
    pub fn rect(&self, source: Size) -> Option<Window> {
        let rect = self.rect?;
        let (x, width) = span(rect.x, rect.width, source.width.max(1));
        let (y, height) = span(rect.y, rect.height, source.height.max(1));
        Some(Window { x: f64::from(x), y: f64::from(y), width: f64::from(width), height: f64::from(height) })
    }

    /// The geometry for a source of this size, which is already upright, turned, cut to `rect` and trimmed.
    ///
    /// The box is `w` by `h`. A side that is not named follows from `ar` or from the source; with neither side named
    /// it is the largest box of that ratio inside the source, or the source. Then `max-w max-h min-w min-h` hold it,
    /// and padding is taken off where a side was named. With a source smaller than the box:
    ///
    /// | fit | small source |
    /// |---|---|
    /// | none, `max` | stays as it is, and so is smaller than the box |
    /// | `clip` | is enlarged until it touches the box |
    /// | `crop` | is enlarged until it covers the box |
    /// | `min` | the box shrinks, its ratio kept, until nothing need be enlarged |
    /// | `cropmax` | is cut only on the side that is longer than the box, and stays as it is on the other |
    /// | `fill`, `clamp` | is enlarged until it touches the box; the rest is background, or its repeated edge |
    /// | `fillmax` | stays as it is, in the middle of the box |
    /// | `scale` | is stretched to the box |
    /// | `scalemax` | is stretched to the box shrunk, its ratio kept, until nothing need be enlarged |
    ///
    /// Whatever comes out over [`OUTPUT_SIDE_MAX`] is shrunk, its ratio kept.
    pub fn plan(&self, source: Size) -> Plan {
        let (source_width, source_height) = (f64::from(source.width.max(1)), f64::from(source.height.max(1)));
        let padding = self.padding.min((OUTPUT_SIDE_MAX - 1) / 2);
        let side_max = f64::from(OUTPUT_SIDE_MAX - 2 * padding);
        let (box_width, box_height) = self.inner_box(source_width, source_height, padding);
        let (width_scale, height_scale) = (box_width / source_width, box_height / source_height);
        let whole = Window { x: 0.0, y: 0.0, width: source_width, height: source_height };
        // Less than one where a side of the box is longer than the source's: some fits give up size, not pixels.
        let shrink = (source_width / box_width).min(source_height / box_height).min(1.0);
        // A millionth of a pixel is rounding, not something to cut off or room to search in.
        let length = |side: f64, source: f64| if side > source - 1e-6 { source } else { side };

        let (window, picture, frame) = match self.fit {
            Fit::Max | Fit::Clip | Fit::Fill | Fit::FillMax | Fit::Clamp => {
                let scale = width_scale.min(height_scale);
                let scale = if self.fit.enlarges() { scale } else { scale.min(1.0) };
                let picture = (source_width * scale, source_height * scale);
                let framed = !matches!(self.fit, Fit::Max | Fit::Clip);
                (whole, picture, if framed { (box_width, box_height) } else { picture })
            }
            Fit::Scale | Fit::ScaleMax => {
                let shrink = if self.fit == Fit::ScaleMax { shrink } else { 1.0 };
                let stretched = (box_width * shrink, box_height * shrink);
                (whole, stretched, stretched)
            }
            Fit::CropMax => {
                let scale = width_scale.max(height_scale).min(1.0);
                let cut = (box_width.min(source_width * scale), box_height.min(source_height * scale));
                let (width, height) = (length(cut.0 / scale, source_width), length(cut.1 / scale, source_height));
                (self.window_at(whole, width, height), cut, cut)
            }
            Fit::Crop | Fit::Min => {
                let shrink = if self.fit == Fit::Min { shrink } else { 1.0 };
                let cut = (box_width * shrink, box_height * shrink);
                let scale = width_scale.max(height_scale);
                let (width, height) =
                    (length(box_width / scale, source_width), length(box_height / scale, source_height));
                let window = self.window_at(whole, width, height);
                (window, cut, cut)
            }
        };
        let movable = window.width < source_width || window.height < source_height;
        let limit = (side_max / frame.0).min(side_max / frame.1).min(1.0);
        // Rounding up would enlarge by a fraction; where nothing may be, the sides of the source are the bound.
        let bound =
            if self.fit.enlarges() { (OUTPUT_SIDE_MAX, OUTPUT_SIDE_MAX) } else { (source.width, source.height) };
        let picture =
            Size::new(pixels(picture.0 * limit).min(bound.0.max(1)), pixels(picture.1 * limit).min(bound.1.max(1)));
        let frame = Size::new(pixels(frame.0 * limit).max(picture.width), pixels(frame.1 * limit).max(picture.height));
        let frame = if matches!(self.fit, Fit::Fill | Fit::FillMax | Fit::Clamp) { frame } else { picture };
        Plan {
            window,
            picture,
            canvas: Size::new(frame.width + 2 * padding, frame.height + 2 * padding),
            left: padding + (frame.width - picture.width) / 2,
            top: padding + (frame.height - picture.height) / 2,
            search: match self.anchor {
                Anchor::Entropy if movable => Some(Search::Entropy),
                Anchor::Edges if movable => Some(Search::Edges),
                Anchor::Smart if movable => Some(Search::Smart),
                _ => None,
            },
            surround: if self.fit == Fit::Clamp && frame != picture { Surround::Edge } else { Surround::Background },
            padding,
        }
    }

    /// The box without its padding, for a source of these sides. Each side is at least 1.
    fn inner_box(&self, source_width: f64, source_height: f64, padding: u32) -> (f64, f64) {
        let source_ratio = source_width / source_height;
        let ratio = self.ratio.map_or(source_ratio, |ratio| ratio.value());
        let (width, height) = match (self.width.map(f64::from), self.height.map(f64::from)) {
            (Some(width), Some(height)) => (width, height),
            (Some(width), None) => (width, width / ratio),
            (None, Some(height)) => (height * ratio, height),
            (None, None) if ratio > source_ratio => (source_width, source_width / ratio),
            (None, None) => (source_height * ratio, source_height),
        };
        let hold = |side: f64, least: Option<u32>, most: Option<u32>| {
            side.min(most.map_or(f64::MAX, f64::from)).max(least.map_or(1.0, f64::from)).max(1.0)
        };
        let (width, height) =
            (hold(width, self.width_min, self.width_max), hold(height, self.height_min, self.height_max));
        let named = [self.width, self.height, self.width_max, self.height_max].iter().any(Option::is_some);
        let taken = if named { f64::from(2 * padding) } else { 0.0 };
        ((width - taken).max(1.0), (height - taken).max(1.0))
    }

    /// The window of this size inside `whole` that lies as near to the anchor as the edges allow.
    fn window_at(&self, whole: Window, width: f64, height: f64) -> Window {
        let (x, y) = match self.anchor {
            Anchor::Point { x, y } => (f64::from(x) / 10_000.0, f64::from(y) / 10_000.0),
            // The middle, until somebody has looked at the picture.
            Anchor::Entropy | Anchor::Edges | Anchor::Smart => (0.5, 0.5),
        };
        let place =
            |part: f64, side: f64, length: f64| (part * side - length / 2.0).clamp(0.0, (side - length).max(0.0));
        Window { x: place(x, whole.width, width), y: place(y, whole.height, height), width, height }
    }
}

/// The nearest whole number of pixels, from 1 to [`OUTPUT_SIDE_MAX`].
fn pixels(side: f64) -> u32 {
    // A float becomes an integer by saturation, so even an absurd side ends inside the range.
    // A half that lost its last bits on the way still rounds up, whichever of two equal formulas it came from.
    ((side + 1e-6).round() as u32).clamp(1, OUTPUT_SIDE_MAX)
}

/// Where a span of this length begins on a side, and how long it is there: whole pixels, at least one, inside.
fn span(start: Start, length: Length, side: u32) -> (u32, u32) {
    let part_of = |part: u16| ((u64::from(side) * u64::from(part) + 5_000) / 10_000) as u32;
    let length = match length {
        Length::Pixels(pixels) => pixels,
        Length::Part(part) => part_of(part),
    }
    .clamp(1, side);
    let start = match start {
        Start::Pixels(pixels) => pixels,
        Start::Part(part) => part_of(part),
        Start::Center => (side - length) / 2,
        Start::End => side - length,
    }
    .min(side - 1);
    (start, length.min(side - start))
}
