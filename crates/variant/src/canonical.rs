//! One form for every wish: what cannot change the picture is dropped, what can be written in two ways is written in one.
//! [`Variant::canonical`] is idempotent, and never changes what [`Variant::plan`] says.

use crate::variant::{Anchor, Fit, Length, Rect, Start, Variant, Wanted};

impl Variant {
    /// The canonical variant that gives the same picture.
    pub(crate) fn canonical(mut self) -> Self {
        self.turn = self.turn.canonical();
        self.rect = self.rect.map(canonical_rect).filter(|rect| *rect != Rect::WHOLE);
        self.settle_sides();
        self.settle_fit();
        if !self.fit.cuts() {
            self.anchor = Anchor::CENTER;
        }
        self.quality = self.quality.filter(|_| self.format.takes_quality());
        self
    }

    /// What is wanted when this variant is: itself, or the original when it changes nothing.
    pub(crate) fn wanted(self) -> Wanted {
        if self == Self::of_format(crate::Format::Same) { Wanted::Original } else { Wanted::Variant(Box::new(self)) }
    }

    /// Holds named sides within their limits, and derives the side that a ratio gives away.
    fn settle_sides(&mut self) {
        let hold = |side: &mut Option<u32>, least: &mut Option<u32>, most: &mut Option<u32>| {
            if let Some(side) = side {
                let most = most.take().unwrap_or(u32::MAX);
                *side = (*side).min(most).max(least.take().unwrap_or(1));
            }
        };
        hold(&mut self.width, &mut self.width_min, &mut self.width_max);
        hold(&mut self.height, &mut self.height_min, &mut self.height_max);
        if let Some(ratio) = self.ratio {
            match (self.width, self.height) {
                (Some(width), None) => self.height = Some(ratio.height_for(width)),
                (None, Some(height)) => self.width = Some(ratio.width_for(height)),
                _ => {}
            }
        }
        hold(&mut self.width, &mut self.width_min, &mut self.width_max);
        hold(&mut self.height, &mut self.height_min, &mut self.height_max);
        if self.width.is_some() || self.height.is_some() {
            self.ratio = None;
        }
        self.width_min = self.width_min.filter(|least| *least > 1);
        self.height_min = self.height_min.filter(|least| *least > 1);
        if self.fit == Fit::Max && self.ratio.is_none() && self.padding == 0 {
            // The whole picture, never enlarged: a box grown on the side that does not bind changes nothing.
            (self.width_min, self.height_min) = (None, None);
        }
    }

    /// Of the fits that come to the same for such a box, the first in the order of their names' strength.
    fn settle_fit(&mut self) {
        let limited = [self.width_max, self.height_max, self.width_min, self.height_min].iter().any(Option::is_some);
        if limited {
            return;
        }
        self.fit = match (self.width.is_some(), self.height.is_some(), self.ratio.is_some()) {
            (true, true, _) => self.fit,
            // The box has the source's ratio, so nothing is cut, filled or stretched; padding takes that away.
            (true, false, _) | (false, true, _) if self.padding > 0 => self.fit,
            (true, false, _) | (false, true, _) if self.fit.enlarges() => Fit::Clip,
            (false, false, false) | (true, false, _) | (false, true, _) => Fit::Max,
            // The box lies inside the source, so nothing could be enlarged.
            (false, false, true) => match self.fit {
                Fit::Clip => Fit::Max,
                Fit::Min => Fit::Crop,
                Fit::FillMax => Fit::Fill,
                fit => fit,
            },
        };
        if self.fit == Fit::Max && self.ratio.is_none() && self.width.is_none() && self.height.is_none() {
            self.anchor = Anchor::CENTER;
        }
    }
}

fn canonical_rect(rect: Rect) -> Rect {
    let start = |start: Start, length: Length| match (start, length) {
        (Start::Part(0), _) | (Start::Center | Start::End, Length::Part(10_000)) => Start::Pixels(0),
        _ => start,
    };
    Rect { x: start(rect.x, rect.width), y: start(rect.y, rect.height), ..rect }
}
