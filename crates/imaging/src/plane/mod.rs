//! One plane of samples, and its resampling while its rows arrive: Lanczos3, down first and then across, so that never more rows of
//! the source are kept than one row of the output needs.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod kernel;
#[cfg(target_arch = "aarch64")]
mod neon;
mod project;
mod taps;

pub(crate) use taps::Span;

use crate::Error;
use kernel::Kernels;
use taps::Taps;

/// Samples of one kind, rows tight and top down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plane {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) data: Vec<u8>,
}

/// What the numbers of the output mean, where those of the input are JPEG's: 0 to 255.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Range {
    /// The same.
    Full,
    /// Video luma: 16 to 235.
    VideoLuma,
    /// Video chroma: 16 to 240, around 128.
    VideoChroma,
}

impl Range {
    /// What to multiply with, and what to add then.
    fn scale(self) -> (f64, f64) {
        match self {
            Self::Full => (1.0, 0.0),
            Self::VideoLuma => (219.0 / 255.0, 16.0),
            Self::VideoChroma => (224.0 / 255.0, 128.0 - 128.0 * 224.0 / 255.0),
        }
    }
}

/// Resamples a plane as its rows are pushed, every one of them and top down. A copy made before the first row is cheaper than another
/// one of the same filters.
///
/// The rows that it makes are appended to whatever the caller keeps them in: all of them, or only those that still count.
#[derive(Clone)]
pub(crate) struct Resizer {
    columns: Taps,
    rows: Taps,
    bias: i32,
    /// The last rows of the source, only the columns that are needed: row r at slot r modulo the number of slots.
    ring: Vec<u8>,
    slots: usize,
    stride: usize,
    received: usize,
    /// Where the rows under one row of the output begin in the ring.
    places: Vec<usize>,
    /// One row, scaled down the picture but not yet across.
    line: Vec<i16>,
    kernels: Kernels,
    /// Rows of the output that are done, and how many there will be of which length.
    done: usize,
    height: usize,
    width: usize,
}

impl Resizer {
    /// For a source of `width` x `height` samples, of which the spans are scaled to `out_width` x `out_height`. A span may reach
    /// beyond the source: there the nearest samples count more.
    ///
    /// Samples that were decoded at less than eight `eighths` of their size have lost some detail to that; the filters make up for it
    /// as far as can be. At 8 they are plain Lanczos3.
    pub(crate) fn new(
        source: (usize, usize),
        eighths: usize,
        across: Span,
        down: Span,
        out: (usize, usize),
        range: Range,
    ) -> Self {
        let (gain, offset) = range.scale();
        let columns = Taps::new(source.0, eighths, across, out.0, gain, kernel::GROUP);
        let rows = Taps::new(source.1, eighths, down, out.1, 1.0, 2);
        let needed = columns.reach.len();
        let stride = needed.next_multiple_of(kernel::WIDE);
        let slots = rows.most;
        Self {
            bias: kernel::bias(offset),
            ring: vec![0; stride * slots],
            slots,
            stride,
            received: 0,
            places: Vec::with_capacity(rows.count),
            line: vec![0; stride.max(needed + columns.count) + kernel::GROUP],
            kernels: Kernels::fastest(),
            done: 0,
            height: out.1,
            width: out.0,
            columns,
            rows,
        }
    }

    /// Takes the next row, at least as long as the source is wide, and appends the rows of the output that it completes.
    pub(crate) fn push(&mut self, row: &[u8], out: &mut Vec<u8>) {
        let at = self.received;
        self.received += 1;
        // Rows above the span, and those below it, touch nothing.
        if self.done == self.height || at < self.rows.start(self.done) {
            return;
        }
        let reach = self.columns.reach.clone();
        self.ring[at % self.slots * self.stride..][..reach.len()].copy_from_slice(&row[reach]);
        while self.done < self.height && self.rows.end(self.done) <= self.received {
            self.produce(out);
        }
    }

    fn produce(&mut self, out: &mut Vec<u8>) {
        let (start, weights) = (self.rows.start(self.done), self.rows.weights(self.done));
        self.places.clear();
        self.places.extend((start..start + weights.len()).map(|row| row % self.slots * self.stride));
        // The last weight may only fill up a pair: its row is any, because it counts nothing.
        (self.kernels.down)(&self.ring, &self.places, weights, self.stride, &mut self.line);
        let from = out.len();
        out.resize(from + self.width, 0);
        (self.kernels.across)(&self.line, &self.columns, self.bias, &mut out[from..]);
        self.done += 1;
    }

    /// Samples of the whole output.
    pub(crate) fn output_len(&self) -> usize {
        self.width * self.height
    }

    /// The output, once every row was pushed, from where its rows were kept.
    pub(crate) fn finish(self, data: Vec<u8>) -> Result<Plane, Error> {
        match self.done == self.height {
            true => Ok(Plane { width: self.width, height: self.height, data }),
            false => Err(Error::truncated(format!("{} of {} rows", self.done, self.height))),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn resize(source: &Plane, across: Span, down: Span, out: (usize, usize), range: Range) -> Plane {
        let mut resizer = Resizer::new((source.width, source.height), 8, across, down, out, range);
        push_all(&mut resizer, source)
    }

    fn push_all(resizer: &mut Resizer, source: &Plane) -> Plane {
        let mut rows = Vec::new();
        source.data.chunks(source.width).for_each(|row| resizer.push(row, &mut rows));
        resizer.clone().finish(rows).expect("every row was pushed")
    }

    fn noise(width: usize, height: usize, mut state: u64) -> Plane {
        let mut byte = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        Plane { width, height, data: (0..width * height).map(|_| byte()).collect() }
    }

    /// The definition, in floating point and one dimension after the other.
    fn exact(source: &Plane, across: Span, down: Span, out: (usize, usize), range: Range) -> Vec<f64> {
        let weights = |span: Span, samples: usize, count: usize| -> Vec<Vec<f64>> {
            (0..count)
                .map(|at| {
                    let step = span.length / count as f64;
                    let (centre, spread) = (span.start + (at as f64 + 0.5) * step, step.max(1.0));
                    let weight = |sample: usize| {
                        let x = (sample as f64 + 0.5 - centre) / spread;
                        let sinc = |x: f64| {
                            if x == 0.0 { 1.0 } else { (std::f64::consts::PI * x).sin() / (std::f64::consts::PI * x) }
                        };
                        if x.abs() < 3.0 { sinc(x) * sinc(x / 3.0) } else { 0.0 }
                    };
                    let all: Vec<f64> = (0..samples).map(weight).collect();
                    let sum: f64 = all.iter().sum();
                    if sum < taps::MASS_MIN * spread {
                        let nearest = (centre.max(0.0) as usize).min(samples - 1);
                        return (0..samples).map(|at| f64::from(u8::from(at == nearest))).collect();
                    }
                    all.into_iter().map(|weight| weight / sum).collect()
                })
                .collect()
        };
        let (columns, rows) = (weights(across, source.width, out.0), weights(down, source.height, out.1));
        let (gain, offset) = range.scale();
        let mut all = Vec::new();
        for row in &rows {
            for column in &columns {
                let mut sum = 0.0;
                for (y, down) in row.iter().enumerate().filter(|(_, weight)| **weight != 0.0) {
                    for (x, across) in column.iter().enumerate().filter(|(_, weight)| **weight != 0.0) {
                        sum += down * across * f64::from(source.data[y * source.width + x]);
                    }
                }
                all.push((sum * gain + offset).clamp(0.0, 255.0));
            }
        }
        all
    }

    proptest! {
        #[test]
        fn within_one_of_the_definition(
            (width, height) in (1usize..90, 1usize..60),
            (out_width, out_height) in (1usize..70, 1usize..50),
            (left, top, wide, high) in (-0.02f64..0.9, -0.02f64..0.9, 0.1f64..1.0, 0.1f64..1.0),
            seed in any::<u64>(),
            range in prop_oneof![Just(Range::Full), Just(Range::VideoLuma), Just(Range::VideoChroma)],
        ) {
            let source = noise(width, height, seed);
            let span = |start: f64, length: f64, side: usize| Span { start: start * side as f64, length: length * side as f64 };
            let (across, down) = (span(left, wide, width), span(top, high, height));
            let got = resize(&source, across, down, (out_width, out_height), range);
            let exact = exact(&source, across, down, (out_width, out_height), range);
            for (at, (got, exact)) in got.data.iter().zip(&exact).enumerate() {
                prop_assert!((f64::from(*got) - exact).abs() <= 1.0, "{at}: {got} {exact}");
            }
        }

        #[test]
        fn kernels_are_the_same_as_their_twins(
            (width, height) in (1usize..150, 1usize..40),
            (out_width, out_height) in (1usize..90, 1usize..30),
            eighths in 1usize..=8,
            seed in any::<u64>(),
        ) {
            let source = noise(width, height, seed);
            let whole = |side: usize| Span { start: 0.0, length: side as f64 };
            let run = |kernels: Kernels| {
                let mut resizer = Resizer::new((width, height), eighths, whole(width), whole(height), (out_width, out_height), Range::Full);
                resizer.kernels = kernels;
                push_all(&mut resizer, &source)
            };
            prop_assert_eq!(run(Kernels::fastest()), run(Kernels::plain()));
        }
    }

    proptest! {
        /// Any samples and weights whose sums fit: what no filter makes, and what has to be held to its bounds.
        #[test]
        fn kernels_are_the_same_on_any_numbers(
            (rows, wide) in (1usize..5, 1usize..4),
            weights in proptest::collection::vec(any::<i16>(), 8),
            (samples, outputs) in (1usize..300, 1usize..40),
            seed in any::<u64>(),
        ) {
            let (rows, width) = (rows * 2, wide * kernel::WIDE);
            let ring = noise(width, rows, seed).data;
            let places: Vec<usize> = (0..rows).map(|row| row * width).collect();
            let columns = Taps::new(samples, 8, Span { start: 0.0, length: samples as f64 }, outputs, 1.0, kernel::GROUP);
            let numbers = noise(2, samples + columns.count, seed ^ 1).data;
            let numbers: Vec<i16> = numbers.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
            let run = |kernels: Kernels| {
                let (mut line, mut out) = (vec![0; width], vec![0; outputs]);
                (kernels.down)(&ring, &places, &weights[..rows], width, &mut line);
                (kernels.across)(&numbers, &columns, kernel::bias(0.0), &mut out);
                (line, out)
            };
            prop_assert_eq!(run(Kernels::fastest()), run(Kernels::plain()));
        }
    }

    #[test]
    fn whole_samples_are_copied() {
        let source = noise(70, 40, 7);
        let span = |start, length| Span { start, length };
        let whole = resize(&source, span(0.0, 70.0), span(0.0, 40.0), (70, 40), Range::Full);
        assert_eq!(whole, source);
        let part = resize(&source, span(3.0, 33.0), span(5.0, 20.0), (33, 20), Range::Full);
        let wanted: Vec<u8> = (5..25).flat_map(|y| source.data[y * 70 + 3..y * 70 + 36].to_vec()).collect();
        assert_eq!(part.data, wanted);
    }

    #[test]
    fn a_filter_right_on_a_sample_drops_nothing_that_the_next_one_needs() {
        let source = noise(1, 16, 95_252_729_195_399);
        let (one, down) =
            (Span { start: 0.0, length: 1.0 }, Span { start: 8.441_733_661_624_74, length: 5.467_979_690_093_709 });
        let got = resize(&source, one, down, (1, 47), Range::Full);
        let exact = exact(&source, one, down, (1, 47), Range::Full);
        for (at, (got, exact)) in got.data.iter().zip(&exact).enumerate() {
            assert!((f64::from(*got) - exact).abs() <= 1.0, "{at}: {got} {exact}");
        }
    }

    #[test]
    fn an_even_plane_stays_even() {
        for (value, eighths) in
            [0, 1, 127, 128, 254, 255].into_iter().flat_map(|value| (1..=8).map(move |n| (value, n)))
        {
            let source = Plane { width: 50, height: 31, data: vec![value; 50 * 31] };
            for (out, length) in [((7, 5), 50.0), ((50, 31), 49.5), ((120, 90), 12.3)] {
                let (across, down) = (Span { start: 0.4, length }, Span { start: -0.3, length: 30.5 });
                let mut resizer = Resizer::new((50, 31), eighths, across, down, out, Range::Full);
                let scaled = push_all(&mut resizer, &source);
                assert!(scaled.data.iter().all(|sample| *sample == value), "{value} {out:?} of {eighths}/8");
            }
        }
    }

    /// Means of eight, as decoding at 1/8 gives: what is made of them is nearer to Lanczos3 of all samples than plain Lanczos3 of the
    /// means is, and does not ring more at an edge.
    #[test]
    fn what_decoding_blurred_is_made_up_for() {
        let whole = |length: usize| Span { start: 0.0, length: length as f64 };
        let row = |source: &[u8], eighths: usize, count: usize| {
            let source = Plane { width: source.len(), height: 1, data: source.to_vec() };
            let across = whole(source.width);
            let mut resizer = Resizer::new((source.width, 1), eighths, across, whole(1), (count, 1), Range::Full);
            push_all(&mut resizer, &source).data
        };
        for count in [100, 85, 70, 40] {
            let (mut plain_off, mut ours_off) = (0.0, 0.0);
            for edge in 396..404 {
                let full: Vec<u8> = (0..800).map(|at| if at < edge { 40 } else { 215 }).collect();
                let means: Vec<u8> = full
                    .chunks(8)
                    .map(|block| ((block.iter().map(|v| u32::from(*v)).sum::<u32>() + 4) / 8) as u8)
                    .collect();
                let (wanted, plain, ours) = (row(&full, 8, count), row(&means, 8, count), row(&means, 1, count));
                let off =
                    |row: &[u8]| row.iter().zip(&wanted).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum::<f64>();
                (plain_off, ours_off) = (plain_off + off(&plain), ours_off + off(&ours));
                assert!(ours.iter().all(|sample| (15..=240).contains(sample)), "{count} {edge}: {ours:?}");
            }
            assert!(ours_off < 0.95 * plain_off, "{count}: {ours_off} of {plain_off}");
        }
    }

    #[test]
    fn missing_rows_are_an_error() {
        let span = Span { start: 0.0, length: 8.0 };
        let mut resizer = Resizer::new((8, 8), 8, span, span, (4, 4), Range::Full);
        let mut rows = Vec::new();
        (0..7).for_each(|_| resizer.push(&[0; 8], &mut rows));
        assert!(matches!(resizer.finish(rows), Err(Error::Truncated { .. })));
    }
}
