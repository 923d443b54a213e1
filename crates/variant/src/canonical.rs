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
        self.gamut = self.gamut.filter(|_| self.format.takes_gamut());
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
            // The box has the source's ratio, so nothing is cut, filled or stretched; padding takes that away. A small
            // picture is not laid on a larger canvas by `fillmax` either: with one side named there is no box to fill.
            (true, false, _) | (false, true, _) if self.padding > 0 => self.fit,
            (true, false, _) | (false, true, _) if self.fit.enlarges() => Fit::Clip,
            (false, false, false) | (true, false, _) | (false, true, _) => Fit::Max,
            // The box lies inside the source, so nothing could be enlarged.
            (false, false, true) => match self.fit {
                Fit::Clip => Fit::Max,
                Fit::Min | Fit::CropMax => Fit::Crop,
                Fit::ScaleMax => Fit::Scale,
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::query::Query;
    use crate::wish::Wish;
    use crate::{Size, Turn};

    fn draft(query: &str) -> Option<Variant> {
        Some(Wish::new(&Query::new(query).ok()?.pairs, 5, &mut Vec::new()).ok()?.draft(100))
    }

    /// What a turn does to three corners of a picture: enough to tell all eight apart.
    fn turned(turn: Turn) -> [(i8, i8); 3] {
        [(-1, -1), (1, -1), (-1, 1)].map(|(x, y)| {
            let (x, y) = (if turn.flip_h { -x } else { x }, if turn.flip_v { -y } else { y });
            (0..turn.rotate_degrees / 90).fold((x, y), |(x, y), _| (-y, x))
        })
    }

    #[test]
    fn sixteen_spellings_are_eight_turns() {
        let mut canonical = Vec::new();
        for rotate_degrees in [0, 90, 180, 270] {
            for (flip_h, flip_v) in [(false, false), (true, false), (false, true), (true, true)] {
                let turn = Turn { rotate_degrees, flip_h, flip_v };
                assert_eq!(turned(turn.canonical()), turned(turn), "{turn:?}");
                canonical.push(turn.canonical());
            }
        }
        canonical.sort();
        canonical.dedup();
        assert_eq!(canonical.len(), 8);
    }

    fn query() -> impl Strategy<Value = String> {
        let side =
            |name: &'static str| proptest::option::of((20..500u32).prop_map(move |side| format!("{name}={side}")));
        let word = |name: &'static str, words: &'static [&'static str]| {
            proptest::option::of(proptest::sample::select(words).prop_map(move |word| format!("{name}={word}")))
        };
        let fits = &["clip", "max", "min", "crop", "cropmax", "fill", "fillmax", "scale", "scalemax", "clamp"];
        let pairs = (
            side("w"),
            side("h"),
            word("ar", &["1:1", "16:9", "3:4", "1:7"]),
            word("fit", fits),
            word("crop", &["top", "left", "entropy", "smart"]),
            word("pad", &["1", "9"]),
            side("max-w"),
            side("min-h"),
            word("rect", &["0,0,full,full", "center,bottom,full,0.5", "0.0,0.0,1.0,1.0"]),
        );
        pairs.prop_map(|(a, b, c, d, e, f, g, h, i)| {
            [a, b, c, d, e, f, g, h, i].into_iter().flatten().collect::<Vec<_>>().join("&")
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

        #[test]
        fn canonical_is_idempotent(query in query()) {
            if let Some(draft) = draft(&query) {
                let once = draft.canonical();
                prop_assert_eq!(once.clone().canonical(), once);
            }
        }

        /// Where no side comes out below a pixel, which is as small as a box gets. Except that a named side beyond its own bound is a request for the bound, and what follows from it follows.
        #[test]
        fn canonical_changes_no_plan(query in query(), width in 50..900u32, height in 50..900u32) {
            let Some(draft) = draft(&query) else { return Ok(()) };
            // A side derived from a ratio is a whole number of pixels, so the box is not quite of that ratio.
            if draft.ratio.is_some() && (draft.width.is_some() || draft.height.is_some()) {
                return Ok(());
            }
            let bounded = |side: Option<u32>, least: Option<u32>, most: Option<u32>| {
                side.is_some_and(|side| least.is_some_and(|least| side < least) || most.is_some_and(|most| side > most))
            };
            if bounded(draft.width, draft.width_min, draft.width_max) || bounded(draft.height, draft.height_min, draft.height_max) {
                return Ok(());
            }
            // `fillmax` with one side named is `max` by definition.
            if draft.fit == Fit::FillMax && draft.width.is_some() != draft.height.is_some() {
                return Ok(());
            }
            let source = Size::new(width, height);
            let (before, after) = (draft.plan(source), draft.clone().canonical().plan(source));
            prop_assert_eq!(draft.rect(source).unwrap_or(whole(source)), draft.clone().canonical().rect(source).unwrap_or(whole(source)));
            prop_assert_eq!(before, after);
        }
    }

    fn whole(source: Size) -> crate::Window {
        crate::Window { x: 0.0, y: 0.0, width: source.width.into(), height: source.height.into() }
    }
}
