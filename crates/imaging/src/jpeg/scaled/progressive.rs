//! Progressive files (ITU T.81, annex G): coefficients come in many scans, so they are kept until the last one. Kept are only those
//! that the output can show; of the others one bit each, whether it is zero yet, because later scans correct exactly those that
//! are not. Scans that can change nothing of that are jumped over.

mod pass;

use super::canvas::Canvas;
use super::frame::Frame;
use super::idct::{self, Block};
use super::tables::Divisors;
use super::zigzag::TRANSPOSED;
use super::{Scans, Sink};
use crate::Error;
use crate::stop::{Stop, check};
use pass::Pass;

pub(super) fn decode(bytes: &[u8], frame: &Frame, stop: &dyn Stop, sink: &mut dyn Sink) -> Result<(), Error> {
    let needed = needed(bytes, frame)?;
    let mut stores: Vec<Store> = (0..frame.components.len()).map(|component| Store::new(frame, component)).collect();
    let mut scans = Scans::new(bytes);
    for is_needed in needed {
        let scan = scans.next(frame)?.ok_or_else(|| Error::broken("a scan that was there is gone"))?;
        for part in &scan.parts {
            let store = &mut stores[part.0];
            if store.divisors.is_none() {
                store.divisors = Some(scans.tables.divisors(frame.components[part.0].table)?);
            }
        }
        if !is_needed {
            scans.walk.skip_entropy();
            continue;
        }
        let mut pass = Pass::new(bytes, &scan, scans.tables.restart_interval);
        pass.scan(&scan, frame, &scans.tables, &mut stores, stop)?;
        scans.walk.at = pass.feed.marker_at();
    }
    draw(frame, &stores, stop, sink)
}

/// Which scans matter, once it is clear that all of them can follow each other. Damage in one that does not matter stays unseen, as
/// do its coefficients.
fn needed(bytes: &[u8], frame: &Frame) -> Result<Vec<bool>, Error> {
    let mut scans = Scans::new(bytes);
    let mut all = Vec::new();
    // How many low bits of each coefficient are still to come.
    let mut left: Vec<[Option<u8>; 64]> = vec![[None; 64]; frame.components.len()];
    while let Some(scan) = scans.next(frame)? {
        scans.walk.skip_entropy();
        let wrong = |what: &str| Error::broken(format!("a scan {what} before byte {}", scan.data));
        let is_dc = scan.first == 0;
        if scan.first > scan.last || scan.last > 63 || (is_dc && scan.last > 0) || (!is_dc && scan.parts.len() > 1) {
            return Err(wrong("of coefficients that cannot go together"));
        }
        if scan.low > 13 || (scan.high != 0 && scan.high != scan.low + 1) {
            return Err(wrong("of bits that cannot go together"));
        }
        for &(component, ..) in &scan.parts {
            let left = &mut left[component];
            if !is_dc && left[0].is_none() {
                return Err(wrong("of details without a base"));
            }
            for left in &mut left[scan.first..=scan.last] {
                if *left != (scan.high != 0).then_some(scan.high) {
                    return Err(wrong("that does not follow the one before"));
                }
                *left = Some(scan.low);
            }
        }
        all.push(scan);
    }
    if left.iter().any(|left| left[0].is_none()) {
        return Err(Error::truncated("a component has no base"));
    }
    let mut bands: Vec<u64> = frame.components.iter().map(|component| band(1, component.last_needed())).collect();
    // A file may leave out what it likes, but one that does is more likely cut short: its last scan has to be whole, shown or not.
    let is_complete = left.iter().flatten().all(|left| *left == Some(0));
    if let Some(scan) = all.last().filter(|scan| scan.first > 0 && !is_complete) {
        bands[scan.parts[0].0] |= band(scan.first, scan.last);
    }
    // A correction reads by what it corrects, all across its band: that then matters too, which may bring in more scans.
    loop {
        let before = bands.clone();
        for scan in all.iter().filter(|scan| scan.first > 0 && scan.high > 0) {
            let (component, own) = (scan.parts[0].0, band(scan.first, scan.last));
            if bands[component] & own != 0 {
                bands[component] |= own;
            }
        }
        if bands == before {
            break;
        }
    }
    Ok(all.iter().map(|scan| scan.first == 0 || bands[scan.parts[0].0] & band(scan.first, scan.last) != 0).collect())
}

/// A bit for each coefficient from `first` to `last`; none if they are the wrong way round.
fn band(first: usize, last: usize) -> u64 {
    if first > last { 0 } else { u64::MAX << first & u64::MAX >> (63 - last) }
}

/// The coefficients of a component.
struct Store {
    /// Blocks across, with those that fill up the last MCU.
    wide: usize,
    /// Coefficients kept of each block, in coded order.
    kept: usize,
    values: Vec<i16>,
    /// A bit for each AC coefficient that is not zero.
    nonzero: Vec<u64>,
    divisors: Option<Divisors>,
}

impl Store {
    fn new(frame: &Frame, component: usize) -> Self {
        let (wide, high) = frame.padded(component);
        let kept = frame.components[component].last_needed() + 1;
        Self { wide, kept, values: vec![0; wide * high * kept], nonzero: vec![0; wide * high], divisors: None }
    }

    /// The blocks of an MCU that is so many blocks across and down.
    fn blocks(&self, (across, down): (usize, usize), column: usize, row: usize) -> impl Iterator<Item = usize> + use<> {
        let first = row * down * self.wide + column * across;
        let wide = self.wide;
        (0..down).flat_map(move |y| (0..across).map(move |x| first + y * wide + x))
    }

    /// Bits for the kept coefficients.
    fn kept_band(&self) -> u64 {
        band(0, self.kept - 1)
    }
}

/// From coefficients to rows.
fn draw(frame: &Frame, stores: &[Store], stop: &dyn Stop, sink: &mut dyn Sink) -> Result<(), Error> {
    let mut strips: Vec<Canvas> =
        (0..stores.len()).map(|at| Canvas::new(frame.components[at].eighths, stores[at].wide, 1)).collect();
    for mcu_row in 0..frame.mcus_high {
        check(stop)?;
        for (at, (store, strip)) in stores.iter().zip(&mut strips).enumerate() {
            let component = &frame.components[at];
            let divisors = store.divisors.ok_or_else(|| Error::truncated(format!("component {at} has no scan")))?;
            for row in (mcu_row * component.down..(mcu_row + 1) * component.down)
                .take_while(|row| *row < component.blocks_high)
            {
                draw_row(store, &divisors, row, component.blocks_wide, component.eighths, strip);
                let rows = strip.rows(component, row * component.eighths);
                if !rows.is_empty() {
                    sink.rows(at, rows, strip.stride)?;
                }
            }
        }
    }
    Ok(())
}

fn draw_row(store: &Store, divisors: &Divisors, row: usize, blocks: usize, eighths: usize, strip: &mut Canvas) {
    let transform = idct::transform(eighths);
    let stride = strip.stride;
    let kept = store.kept_band();
    for column in 0..blocks {
        let at = row * store.wide + column;
        let values = &store.values[at * store.kept..][..store.kept];
        let scaled = |place: usize| i32::from(values[place]).wrapping_mul(divisors[place].into()) as i16;
        let mut nonzero = store.nonzero[at] & kept;
        if nonzero == 0 {
            strip.flat(column, 0, scaled(0));
            continue;
        }
        let mut block: Block = [0; 64];
        block[0] = scaled(0);
        while nonzero != 0 {
            let place = nonzero.trailing_zeros() as usize;
            block[usize::from(TRANSPOSED[place])] = scaled(place);
            nonzero &= nonzero - 1;
        }
        let out = strip.block(column, 0);
        if eighths == 2 { idct::draw_two(&block, out, stride) } else { transform(&block, out, stride) }
    }
}
