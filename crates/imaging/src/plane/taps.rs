//! Which samples make up each sample of the output, and how much each counts.

use std::ops::Range;

use super::project::Projection;

/// The lobes of the filter: how far it reaches, in samples of whichever side is coarser.
pub(super) const LOBES: f64 = 3.0;

/// The least part of a filter that has to lie on samples.
pub(super) const MASS_MIN: f64 = 0.25;

/// Filters through a scaled decoding reach one sample farther where they are narrower than this: there it shows.
const NARROW: f64 = 1.5;

/// A weight of one.
pub(super) const ONE: i32 = 1 << 14;

/// A part of a line of samples, which may be fractional.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Span {
    pub(crate) start: f64,
    pub(crate) length: f64,
}

/// The filter of every output sample of a line.
#[derive(Debug, Clone)]
pub(super) struct Taps {
    /// Where in the reach each filter begins, and where its samples end.
    spans: Vec<(usize, usize)>,
    /// `count` weights for each, of which those behind its end are 0.
    weights: Vec<i16>,
    pub(super) count: usize,
    /// The most samples that any filter truly has.
    pub(super) most: usize,
    /// The samples of the source that any filter touches.
    pub(super) reach: Range<usize>,
}

impl Taps {
    /// For a line of `samples` decoded at so many eighths; weights come in multiples of `group` and sum up to `gain`.
    pub(super) fn new(samples: usize, eighths: usize, span: Span, outputs: usize, gain: f64, group: usize) -> Self {
        let step = span.length / outputs as f64;
        // Enlarging, the filter is as wide as it is between samples; never narrower.
        let spread = step.max(1.0);
        let total = (gain * f64::from(ONE)).round() as i32;
        let mut projection = Projection::of(eighths);
        let mut filters: Vec<(usize, Vec<i16>)> = (0..outputs)
            .map(|at| {
                let centre = span.start + (at as f64 + 0.5) * step;
                filter(samples, centre, spread, total, projection.as_mut())
            })
            .collect();
        keep_order(&mut filters);
        let most = filters.iter().map(|(_, weights)| weights.len()).max().unwrap_or(1);
        let first = filters.iter().map(|(start, _)| *start).min().unwrap_or(0);
        let end = filters.iter().map(|(start, weights)| start + weights.len()).max().unwrap_or(1);
        let count = most.next_multiple_of(group);
        let mut weights = vec![0; count * outputs];
        for (place, (_, filter)) in weights.chunks_exact_mut(count).zip(&filters) {
            place[..filter.len()].copy_from_slice(filter);
        }
        let spans = filters.iter().map(|(start, weights)| (*start, start + weights.len())).collect();
        Self { spans, weights, count, most, reach: first..end }
    }

    /// The first sample of a filter, in samples of the source.
    pub(super) fn start(&self, at: usize) -> usize {
        self.spans[at].0
    }

    /// Behind the last sample of a filter.
    pub(super) fn end(&self, at: usize) -> usize {
        self.spans[at].1
    }

    /// Where the filters begin in the reach, and their weights.
    pub(super) fn all(&self) -> impl Iterator<Item = (usize, &[i16])> {
        let starts = self.spans.iter().map(|span| span.0 - self.reach.start);
        starts.zip(self.weights.chunks_exact(self.count))
    }

    pub(super) fn weights(&self, at: usize) -> &[i16] {
        &self.weights[at * self.count..][..self.count]
    }
}

/// The first sample and the weights of a filter around `centre`, without zeros at its ends. There is always at least one.
fn filter(
    samples: usize,
    centre: f64,
    spread: f64,
    total: i32,
    projection: Option<&mut Projection>,
) -> (usize, Vec<i16>) {
    let hold = |at: f64| (at.max(0.0) as usize).min(samples);
    let farther = if projection.is_some() && spread < NARROW { 1.0 } else { 0.0 };
    let start = hold((centre - LOBES * spread - 0.5).ceil() - farther);
    let end = hold((centre + LOBES * spread + 0.5).floor() + farther);
    let weights: Vec<f64> = match projection {
        Some(projection) => projection.weights(start, end, centre, spread),
        None => (start..end).map(|at| lanczos((at as f64 + 0.5 - centre) / spread)).collect(),
    };
    let sum: f64 = weights.iter().sum();
    if sum < MASS_MIN * spread {
        // So far outside that little but tails reaches the source: the nearest sample.
        return (hold(centre).min(samples - 1), vec![total as i16]);
    }
    let mut whole: Vec<i32> = weights.iter().map(|weight| (weight / sum * f64::from(total)).round() as i32).collect();
    // What rounding lost or won goes where it shows least: to the heaviest.
    let missing = total - whole.iter().sum::<i32>();
    if let Some(heaviest) = whole.iter_mut().max_by_key(|weight| **weight) {
        *heaviest += missing;
    }
    let first = whole.iter().position(|weight| *weight != 0).unwrap_or(0);
    let last = whole.iter().rposition(|weight| *weight != 0).unwrap_or(0);
    let hold = |weight: &i32| (*weight).clamp(i16::MIN.into(), i16::MAX.into()) as i16;
    (start + first, whole[first..=last].iter().map(hold).collect())
}

/// Puts zeros around filters where it takes them for none to begin before the one before it, nor to end before it. A filter right on a
/// sample is that sample alone, and the next one begins samples earlier: whoever keeps only what is still to come would have dropped
/// them.
fn keep_order(filters: &mut [(usize, Vec<i16>)]) {
    let mut next = usize::MAX;
    for (start, weights) in filters.iter_mut().rev() {
        let early = start.saturating_sub(next);
        weights.splice(..0, std::iter::repeat_n(0, early));
        *start -= early;
        next = *start;
    }
    let mut end = 0usize;
    for (start, weights) in filters {
        weights.resize(weights.len().max(end.saturating_sub(*start)), 0);
        end = *start + weights.len();
    }
}

pub(super) fn lanczos(x: f64) -> f64 {
    let x = x.abs();
    if x < 1e-9 {
        return 1.0;
    }
    if x >= LOBES {
        return 0.0;
    }
    // Of the two sines one follows from the other: sin 3a = 3 sin a - 4 sin³ a.
    let third = std::f64::consts::PI * x / LOBES;
    let sine = third.sin();
    sine * (3.0 - 4.0 * sine * sine) * sine / (LOBES * third * third)
}
