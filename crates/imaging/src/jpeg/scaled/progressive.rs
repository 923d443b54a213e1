//! Progressive files (ITU T.81, annex G): coefficients come in many scans, so they are kept until the last one. Kept are only those
//! that the output can show; of the others one bit each, whether it is zero yet, because later scans correct exactly those that
//! are not. Scans that can change nothing of that are jumped over.

use std::rc::Rc;

use super::bits::{Bits, Feed, Held};
use super::canvas::Canvas;
use super::frame::Frame;
use super::huffman::{ENDS_BLOCK, VALUE_BITS, Values};
use super::idct::{self, Block};
use super::sequential::{Restarts, read_dc};
use super::tables::{Divisors, Table, Tables};
use super::zigzag::TRANSPOSED;
use super::{Damage, Scan, Scans, Sink};
use crate::Error;
use crate::stop::{Stop, check};

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
        let restarts = Restarts::new(scans.tables.restart_interval);
        let mut pass = Pass { feed: Feed::new(bytes, scan.data), bits: Bits::default(), restarts };
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

/// One scan on its way.
struct Pass<'a> {
    feed: Feed<'a>,
    bits: Bits,
    restarts: Restarts,
}

/// Why a pass ends before its end: its time is over, or its data is damaged.
enum Ended {
    Stopped(Error),
    Damaged(Damage),
}

impl From<Damage> for Ended {
    fn from(damage: Damage) -> Self {
        Self::Damaged(damage)
    }
}

impl Pass<'_> {
    fn scan(
        &mut self,
        scan: &Scan,
        frame: &Frame,
        tables: &Tables,
        stores: &mut [Store],
        stop: &dyn Stop,
    ) -> Result<(), Error> {
        let mut bits = self.bits;
        let outcome = match (scan.first, scan.high) {
            (0, 0) => {
                let codes: Vec<Rc<Table>> =
                    scan.parts.iter().map(|part| tables.dc(part.1)).collect::<Result<_, _>>()?;
                self.dc_first(&mut bits, scan, frame, &codes, stores, stop)
            }
            (0, _) => self.dc_next(&mut bits, scan, frame, stores, stop),
            (_, high) => {
                let (component, _, ac) = scan.parts[0];
                let (table, store) = (tables.ac(ac)?, &mut stores[component]);
                if high == 0 {
                    self.ac_first(&mut bits, scan, frame, &table, store, stop)
                } else {
                    self.ac_next(&mut bits, scan, frame, &table, store, stop)
                }
            }
        };
        let outcome = outcome.and_then(|()| {
            self.feed.check(&mut bits)?;
            match self.feed.finish(bits)? {
                0xd0..=0xd7 => Err(Ended::Damaged(Damage::Leftover)),
                _ => Ok(()),
            }
        });
        outcome.map_err(|ended| match ended {
            Ended::Stopped(error) => error,
            Ended::Damaged(damage) => self.feed.report(damage, bits),
        })
    }

    /// To be asked before every MCU: sees to its data, and whether a restart marker was passed.
    #[inline(always)]
    fn begin(&mut self, bits: &mut Bits) -> Result<bool, Damage> {
        let is_restart = self.restarts.is_due();
        if is_restart {
            self.restarts.pass(&mut self.feed, bits)?;
        }
        self.feed.check(bits)?;
        Ok(is_restart)
    }

    fn dc_first(
        &mut self,
        bits: &mut Bits,
        scan: &Scan,
        frame: &Frame,
        codes: &[Rc<Table>],
        stores: &mut [Store],
        stop: &dyn Stop,
    ) -> Result<(), Ended> {
        let mut predictions = [0i32; 3];
        let (wide, high) = scan.mcus(frame);
        for row in 0..high {
            check(stop).map_err(Ended::Stopped)?;
            for column in 0..wide {
                if self.begin(bits)? {
                    predictions = [0; 3];
                }
                for ((part, table), prediction) in scan.parts.iter().zip(codes).zip(&mut predictions) {
                    let store = &mut stores[part.0];
                    let values = table.values();
                    for at in store.blocks(scan.blocks(frame, part.0), column, row) {
                        let difference = read_dc(bits, &self.feed.held, &table.codes, values)?;
                        *prediction = prediction.wrapping_add(difference);
                        store.values[at * store.kept] = prediction.wrapping_shl(scan.low.into()) as i16;
                    }
                }
            }
        }
        Ok(())
    }

    fn dc_next(
        &mut self,
        bits: &mut Bits,
        scan: &Scan,
        frame: &Frame,
        stores: &mut [Store],
        stop: &dyn Stop,
    ) -> Result<(), Ended> {
        let (wide, high) = scan.mcus(frame);
        for row in 0..high {
            check(stop).map_err(Ended::Stopped)?;
            for column in 0..wide {
                self.begin(bits)?;
                for part in &scan.parts {
                    let store = &mut stores[part.0];
                    for at in store.blocks(scan.blocks(frame, part.0), column, row) {
                        bits.refill(&self.feed.held);
                        store.values[at * store.kept] |= (bits.take(1) as i16) << scan.low;
                    }
                }
            }
        }
        Ok(())
    }

    fn ac_first(
        &mut self,
        bits: &mut Bits,
        scan: &Scan,
        frame: &Frame,
        table: &Table,
        store: &mut Store,
        stop: &dyn Stop,
    ) -> Result<(), Ended> {
        let (wide, high) = scan.mcus(frame);
        let by = table.values();
        // Blocks still to come in which nothing begins.
        let mut idle = 0;
        for row in 0..high {
            check(stop).map_err(Ended::Stopped)?;
            for at in row * store.wide..row * store.wide + wide {
                if self.begin(bits)? {
                    idle = 0;
                }
                if idle > 0 {
                    idle -= 1;
                    continue;
                }
                let values = &mut store.values[at * store.kept..][..store.kept];
                let nonzero = &mut store.nonzero[at];
                let mut next = scan.first;
                while next <= scan.last {
                    let (run, value, ends) = next_symbol(bits, &self.feed.held, table, by)?;
                    if ends {
                        idle = (1 << run) - 1 + bits.take(run);
                        break;
                    }
                    next += run as usize;
                    if next > scan.last {
                        return Err(Damage::PastBlock.into());
                    }
                    *nonzero |= u64::from(value != 0) << next;
                    if let Some(kept) = values.get_mut(next) {
                        *kept = value.wrapping_shl(scan.low.into()) as i16;
                    }
                    next += 1;
                }
            }
        }
        Ok(())
    }

    fn ac_next(
        &mut self,
        bits: &mut Bits,
        scan: &Scan,
        frame: &Frame,
        table: &Table,
        store: &mut Store,
        stop: &dyn Stop,
    ) -> Result<(), Ended> {
        let (wide, high) = scan.mcus(frame);
        let (by, own) = (table.values(), band(scan.first, scan.last));
        let mut idle = 0;
        for row in 0..high {
            check(stop).map_err(Ended::Stopped)?;
            for at in row * store.wide..row * store.wide + wide {
                if self.begin(bits)? {
                    idle = 0;
                }
                let held = &*self.feed.held;
                let values = &mut store.values[at * store.kept..][..store.kept];
                let mut nonzero = store.nonzero[at];
                // What of the band is still to be passed.
                let mut ahead = own;
                while idle == 0 && ahead != 0 {
                    let (run, value, ends) = next_symbol(bits, held, table, by)?;
                    if ends {
                        idle = (1 << run) + bits.take(run);
                        break;
                    }
                    if value.abs() > 1 {
                        return Err(Damage::BadCorrection.into());
                    }
                    // The place is behind `run` zeros; what is not zero on the way there is corrected first.
                    let zeros = without_lowest(!nonzero & ahead, run);
                    if zeros == 0 {
                        return Err(Damage::PastBlock.into());
                    }
                    let place = zeros.trailing_zeros();
                    let behind = u64::MAX << place << 1;
                    correct(bits, held, values, nonzero & ahead & !behind, scan.low);
                    nonzero |= u64::from(value != 0) << place;
                    if let Some(kept) = values.get_mut(place as usize) {
                        *kept = (value as i16) << scan.low;
                    }
                    ahead &= behind;
                }
                if idle > 0 {
                    idle -= 1;
                    if nonzero & ahead != 0 {
                        bits.refill(held);
                        correct(bits, held, values, nonzero & ahead, scan.low);
                    }
                }
                store.nonzero[at] = nonzero;
            }
        }
        Ok(())
    }
}

/// The next symbol: the run of zeros before its coefficient, the coefficient, and whether it ends the block instead. At least 25 bits
/// stay valid.
#[inline(always)]
fn next_symbol(bits: &mut Bits, held: &Held, table: &Table, values: &Values) -> Result<(u32, i32, bool), Damage> {
    bits.refill(held);
    let entry = values[bits.peek::<VALUE_BITS>()];
    if entry & 0xff != 0 {
        bits.skip(entry & 0xff);
        return Ok((entry >> 8 & 15, entry as i32 >> 16, entry & ENDS_BLOCK != 0));
    }
    let (symbol, value) = table.codes.long(bits)?;
    Ok((u32::from(symbol >> 4), value, symbol & 15 == 0 && symbol != 0xf0))
}

/// Clears the `count` lowest bits that are set, `count` below 16. No loop: runs are as good as random, and a branch that goes wrong
/// costs more than all of this.
#[inline(always)]
fn without_lowest(mut set: u64, count: u32) -> u64 {
    let clear = |set: u64| set & set.wrapping_sub(1);
    let choose = |condition: bool, yes: u64, no: u64| if condition { yes } else { no };
    set = choose(count & 1 != 0, clear(set), set);
    set = choose(count & 2 != 0, clear(clear(set)), set);
    set = choose(count & 4 != 0, clear(clear(clear(clear(set)))), set);
    if count & 8 != 0 {
        for _ in 0..8 {
            set = clear(set);
        }
    }
    set
}

/// Reads a bit for each of these coefficients: whether it grows by 1 in the place of that bit. Of those that are not kept the bits
/// are only passed.
#[inline(always)]
fn correct(bits: &mut Bits, held: &Held, values: &mut [i16], these: u64, low: u8) {
    let mut kept = these & band(0, values.len() - 1);
    let mut others = (these ^ kept).count_ones();
    let is_any = kept != 0;
    while kept != 0 {
        bits.refill(held);
        // As many as are surely valid.
        for _ in 0..kept.count_ones().min(56) {
            let value = &mut values[kept.trailing_zeros() as usize];
            let step = (bits.take(1) as i16) << low;
            if *value & step == 0 {
                *value = value.wrapping_add(if *value < 0 { -step } else { step });
            }
            kept &= kept - 1;
        }
    }
    if is_any {
        bits.refill(held);
    }
    // After a symbol 25 bits are valid at least.
    bits.skip(others.min(25));
    while others > 25 {
        others -= 25;
        bits.refill(held);
        bits.skip(others.min(25));
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
