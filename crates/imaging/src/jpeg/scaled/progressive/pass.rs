//! What a scan does to the coefficients that are kept: one loop for each of the four kinds of scan.

use std::rc::Rc;

use super::super::bits::{Bits, Feed, Held};
use super::super::huffman::{ENDS_BLOCK, VALUE_BITS, Values};
use super::super::sequential::{Restarts, read_dc};
use super::super::tables::{Table, Tables};
use super::super::{Damage, Scan};
use super::{Frame, Store, band};
use crate::Error;
use crate::stop::{Stop, check};

/// One scan on its way.
pub(super) struct Pass<'a> {
    pub(super) feed: Feed<'a>,
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

impl<'a> Pass<'a> {
    pub(super) fn new(bytes: &'a [u8], scan: &Scan, restart_interval: usize) -> Self {
        let (bits, restarts) = (Bits::default(), Restarts::new(restart_interval));
        Self { feed: Feed::new(bytes, scan.data), bits, restarts }
    }

    /// Takes the whole scan into the stores.
    pub(super) fn scan(
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
