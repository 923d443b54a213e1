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
use super::tables::{Divisors, Table};
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
        let mut pass = Pass { feed: Feed::new(bytes, scan.data), bits: Bits::default(), run: 0 };
        let restarts = Restarts::new(scans.tables.restart_interval);
        pass.scan(&scan, frame, &scans, &mut stores, restarts, stop)?;
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

    /// Bits for the kept coefficients.
    fn kept_band(&self) -> u64 {
        band(0, self.kept - 1)
    }
}

/// One scan on its way.
struct Pass<'a> {
    feed: Feed<'a>,
    bits: Bits,
    /// Blocks still to come in which nothing begins.
    run: u32,
}

/// What a scan does to a block.
#[derive(Clone, Copy)]
enum Work {
    DcFirst,
    DcNext,
    AcFirst,
    AcNext,
}

impl Pass<'_> {
    fn scan(
        &mut self,
        scan: &Scan,
        frame: &Frame,
        scans: &Scans<'_>,
        stores: &mut [Store],
        mut restarts: Restarts,
        stop: &dyn Stop,
    ) -> Result<(), Error> {
        let work = match (scan.first, scan.high) {
            (0, 0) => Work::DcFirst,
            (0, _) => Work::DcNext,
            (_, 0) => Work::AcFirst,
            _ => Work::AcNext,
        };
        let table = |part: &(usize, usize, usize)| match work {
            Work::DcFirst => scans.tables.dc(part.1).map(Some),
            Work::DcNext => Ok(None),
            Work::AcFirst | Work::AcNext => scans.tables.ac(part.2).map(Some),
        };
        let tables: Vec<Option<Rc<Table>>> = scan.parts.iter().map(table).collect::<Result<_, _>>()?;
        let (wide, high) = scan.mcus(frame);
        let mut predictions = [0i32; 3];
        let mut run = || -> Result<(), Result<Error, Damage>> {
            for row in 0..high {
                check(stop).map_err(Ok)?;
                for column in 0..wide {
                    if restarts.is_due() {
                        restarts.pass(&mut self.feed, &mut self.bits).map_err(Err)?;
                        predictions = [0; 3];
                        self.run = 0;
                    }
                    self.feed.check(&mut self.bits).map_err(Err)?;
                    for ((part, table), prediction) in scan.parts.iter().zip(&tables).zip(&mut predictions) {
                        let (across, down) = scan.blocks(frame, part.0);
                        let store = &mut stores[part.0];
                        for block in 0..across * down {
                            let at = (row * down + block / across) * store.wide + column * across + block % across;
                            match (work, table) {
                                (Work::DcFirst, Some(table)) => self.dc_first(scan, table, store, at, prediction),
                                (Work::AcFirst, Some(table)) => self.ac_first(scan, table, store, at),
                                (Work::AcNext, Some(table)) => self.ac_next(scan, table, store, at),
                                _ => {
                                    self.dc_next(scan, store, at);
                                    Ok(())
                                }
                            }
                            .map_err(Err)?;
                        }
                    }
                }
            }
            self.feed.check(&mut self.bits).map_err(Err)?;
            match self.feed.finish(self.bits).map_err(Err)? {
                0xd0..=0xd7 => Err(Err(Damage::Leftover)),
                _ => Ok(()),
            }
        };
        run().map_err(|error| error.unwrap_or_else(|damage| self.feed.report(damage, self.bits)))
    }

    fn dc_first(
        &mut self,
        scan: &Scan,
        table: &Table,
        store: &mut Store,
        at: usize,
        prediction: &mut i32,
    ) -> Result<(), Damage> {
        let difference = read_dc(&mut self.bits, &self.feed.held, &table.codes, table.values())?;
        *prediction = prediction.wrapping_add(difference);
        store.values[at * store.kept] = prediction.wrapping_shl(scan.low.into()) as i16;
        Ok(())
    }

    fn dc_next(&mut self, scan: &Scan, store: &mut Store, at: usize) {
        self.bits.refill(&self.feed.held);
        store.values[at * store.kept] |= (self.bits.take(1) as i16) << scan.low;
    }

    fn ac_first(&mut self, scan: &Scan, table: &Table, store: &mut Store, at: usize) -> Result<(), Damage> {
        if self.run > 0 {
            self.run -= 1;
            return Ok(());
        }
        let mut bits = self.bits;
        let outcome = self.ac_first_by(&mut bits, scan, table, store, at);
        self.bits = bits;
        outcome
    }

    #[inline(always)]
    fn ac_first_by(
        &mut self,
        bits: &mut Bits,
        scan: &Scan,
        table: &Table,
        store: &mut Store,
        at: usize,
    ) -> Result<(), Damage> {
        let (held, values) = (&*self.feed.held, table.values());
        let mut nonzero = store.nonzero[at];
        let mut next = scan.first;
        while next <= scan.last {
            let (run, value, ends) = next_symbol(bits, held, table, values)?;
            if ends {
                self.run = (1 << run) - 1 + bits.take(run);
                break;
            }
            next += run as usize;
            if next > scan.last {
                return Err(Damage::PastBlock);
            }
            if value != 0 {
                nonzero |= 1 << next;
                if next < store.kept {
                    store.values[at * store.kept + next] = value.wrapping_shl(scan.low.into()) as i16;
                }
            }
            next += 1;
        }
        store.nonzero[at] = nonzero;
        Ok(())
    }

    fn ac_next(&mut self, scan: &Scan, table: &Table, store: &mut Store, at: usize) -> Result<(), Damage> {
        let mut bits = self.bits;
        let outcome = self.ac_next_by(&mut bits, scan, table, store, at);
        self.bits = bits;
        outcome
    }

    #[inline(always)]
    fn ac_next_by(
        &mut self,
        bits: &mut Bits,
        scan: &Scan,
        table: &Table,
        store: &mut Store,
        at: usize,
    ) -> Result<(), Damage> {
        let (held, table_values) = (&*self.feed.held, table.values());
        let kept = store.kept;
        let values = &mut store.values[at * kept..][..kept];
        let own = band(scan.first, scan.last);
        let mut nonzero = store.nonzero[at];
        let mut next = scan.first;
        while self.run == 0 && next <= scan.last {
            let (run, value, ends) = next_symbol(bits, held, table, table_values)?;
            if ends {
                self.run = (1 << run) + bits.take(run);
                break;
            }
            if value.abs() > 1 {
                return Err(Damage::BadCorrection);
            }
            let value = (value as i16) << scan.low;
            // The place is behind `run` zeros; what is not zero on the way there is corrected first.
            let zeros = without_lowest(!nonzero & own & u64::MAX << next, run);
            if zeros == 0 {
                return Err(Damage::PastBlock);
            }
            let place = zeros.trailing_zeros() as usize;
            correct(bits, held, values, nonzero & own & band(next, place), scan.low);
            if value != 0 {
                nonzero |= 1 << place;
                if let Some(kept) = values.get_mut(place) {
                    *kept = value;
                }
            }
            next = place + 1;
        }
        if self.run > 0 {
            self.run -= 1;
            if next <= scan.last {
                bits.refill(held);
                correct(bits, held, values, nonzero & band(next, scan.last), scan.low);
            }
        }
        store.nonzero[at] = nonzero;
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
