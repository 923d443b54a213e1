//! Where a crop shows most: by entropy, by edges, or by what draws the eye. A small map of the picture is scored cell by cell, and the
//! window of the crop's size with the highest sum wins; among equals the one nearest to the middle. Deterministic, and cheap whatever
//! the picture's size.

mod smart;

use afterimage_variant::{Search, Window};

use crate::pixels::{Channels, Pixels};

/// Longest side of the map that is searched.
pub(crate) const MAP_SIDE_MAX: u32 = 128;

/// Side of the neighbourhood whose histogram gives a cell's entropy.
const NEIGHBOURHOOD: usize = 7;
const BINS: usize = 16;

/// Moves a window of this size inside a region of `region` source pixels to where `map`, a picture of that whole region, shows most.
pub(crate) fn place(map: &Pixels, search: Search, region: (f64, f64), window: Window) -> Window {
    let (width, height) = (map.width as usize, map.height as usize);
    let (cell_x, cell_y) = (region.0 / width as f64, region.1 / height as f64);
    let cells = |length: f64, cell: f64, side: usize| ((length / cell).round() as usize).clamp(1, side);
    let (columns, rows) = (cells(window.width, cell_x, width), cells(window.height, cell_y, height));
    let sums = match search {
        Search::Entropy => Sums::new(&entropy(&luma(map), width, height), width, height).windows(columns, rows),
        Search::Edges => Sums::new(&edges(&luma(map), width, height), width, height).windows(columns, rows),
        Search::Smart => smart::sums(map, columns, rows),
    };
    let (middle_x, middle_y) = ((width - columns) as f64 / 2.0, (height - rows) as f64 / 2.0);
    let mut best = (f64::MIN, f64::MAX, 0, 0);
    for (at, sum) in sums.into_iter().enumerate() {
        let (x, y) = (at % (width - columns + 1), at / (width - columns + 1));
        let away = (x as f64 - middle_x).hypot(y as f64 - middle_y);
        if sum > best.0 || (sum == best.0 && away < best.1) {
            best = (sum, away, x, y);
        }
    }
    // Where the window fills a side there is only one place; else the best cell, spread so that the last cell is the far edge.
    let start = |at: usize, free: usize, room: f64| if free == 0 { room / 2.0 } else { room * at as f64 / free as f64 };
    Window {
        x: start(best.2, width - columns, (region.0 - window.width).max(0.0)),
        y: start(best.3, height - rows, (region.1 - window.height).max(0.0)),
        ..window
    }
}

/// Rec. 601 luma, on black where transparent: what cannot be seen scores nothing.
fn luma(map: &Pixels) -> Vec<u8> {
    let luma = |p: &[u8]| (u32::from(p[0]) * 77 + u32::from(p[1]) * 150 + u32::from(p[2]) * 29) >> 8;
    match map.channels {
        Channels::Gray => map.data.clone(),
        Channels::Rgb => map.data.chunks_exact(3).map(|p| luma(p) as u8).collect(),
        Channels::Rgba => map.data.chunks_exact(4).map(|p| (luma(p) * u32::from(p[3]) / 255) as u8).collect(),
    }
}

fn entropy(luma: &[u8], width: usize, height: usize) -> Vec<f64> {
    let reach = NEIGHBOURHOOD / 2;
    let mut scores = Vec::with_capacity(luma.len());
    for y in 0..height {
        let rows = y.saturating_sub(reach)..(y + reach + 1).min(height);
        for x in 0..width {
            let columns = x.saturating_sub(reach)..(x + reach + 1).min(width);
            let mut bins = [0u32; BINS];
            for row in rows.clone() {
                for &value in &luma[row * width + columns.start..row * width + columns.end] {
                    bins[usize::from(value) * BINS / 256] += 1;
                }
            }
            let total = f64::from(bins.iter().sum::<u32>());
            let shares = bins.iter().filter(|&&count| count > 0).map(|&count| f64::from(count) / total);
            scores.push(shares.map(|share| -share * share.log2()).sum());
        }
    }
    scores
}

fn edges(luma: &[u8], width: usize, height: usize) -> Vec<f64> {
    let at = |x: usize, y: usize| i32::from(luma[y.min(height - 1) * width + x.min(width - 1)]);
    let mut scores = Vec::with_capacity(luma.len());
    for y in 0..height {
        for x in 0..width {
            let across = at(x + 1, y) - at(x.saturating_sub(1), y);
            let down = at(x, y + 1) - at(x, y.saturating_sub(1));
            scores.push(f64::from(across.abs() + down.abs()));
        }
    }
    scores
}

/// Sums over rectangles in constant time.
struct Sums {
    table: Vec<f64>,
    stride: usize,
}

impl Sums {
    /// Of every window of so many cells, row by row.
    fn windows(&self, columns: usize, rows: usize) -> Vec<f64> {
        let (width, height) = (self.stride - 1, self.table.len() / self.stride - 1);
        let places = (0..=height - rows).flat_map(|y| (0..=width - columns).map(move |x| (x, y)));
        places.map(|(x, y)| self.of(x, y, columns, rows)).collect()
    }

    fn new(scores: &[f64], width: usize, height: usize) -> Self {
        let stride = width + 1;
        let mut table = vec![0.0; stride * (height + 1)];
        for y in 0..height {
            let mut row = 0.0;
            for x in 0..width {
                row += scores[y * width + x];
                table[(y + 1) * stride + x + 1] = table[y * stride + x + 1] + row;
            }
        }
        Self { table, stride }
    }

    fn of(&self, x: usize, y: usize, width: usize, height: usize) -> f64 {
        let at = |x: usize, y: usize| self.table[y * self.stride + x];
        // Rounded, so that equal pictures score equal whatever the order of addition.
        let sum = at(x + width, y + height) - at(x, y + height) - at(x + width, y) + at(x, y);
        (sum * 1024.0).round() / 1024.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A flat 64x32 map with checkered cells in columns `busy`.
    fn map(busy: std::ops::Range<u32>) -> Pixels {
        let data = (0..32u32).flat_map(|y| {
            let busy = busy.clone();
            (0..64u32).map(move |x| if busy.contains(&x) && (x + y) % 2 == 0 { 230 } else { 40 })
        });
        Pixels::new(64, 32, Channels::Gray, data.collect()).expect("right length")
    }

    fn placed(map: &Pixels, search: Search) -> Window {
        let window = Window { x: 160.0, y: 0.0, width: 320.0, height: 320.0 };
        place(map, search, (640.0, 320.0), window)
    }

    #[test]
    fn goes_where_something_is() {
        for search in [Search::Entropy, Search::Edges, Search::Smart] {
            assert!(placed(&map(50..64), search).x > 250.0, "{search:?}");
            assert!(placed(&map(0..14), search).x < 70.0, "{search:?}");
        }
    }

    #[test]
    fn stays_in_the_middle_of_nothing_and_inside_the_region() {
        for search in [Search::Entropy, Search::Edges, Search::Smart] {
            let window = placed(&map(0..0), search);
            assert_eq!((window.x, window.y, window.width, window.height), (160.0, 0.0, 320.0, 320.0));
            let whole = Window { x: 0.0, y: 0.0, width: 640.0, height: 320.0 };
            assert_eq!(place(&map(3..9), search, (640.0, 320.0), whole), whole);
        }
    }

    #[test]
    fn tiny_maps_have_a_place() {
        let dot = Pixels::filled(1, 1, Channels::Rgba, &[1, 2, 3, 4]).expect("small");
        let window = Window { x: 0.0, y: 0.0, width: 0.5, height: 1.0 };
        for search in [Search::Entropy, Search::Edges, Search::Smart] {
            assert_eq!(place(&dot, search, (1.0, 1.0), window), Window { x: 0.25, ..window });
        }
    }
}
