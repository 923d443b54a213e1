//! Baseline and extended files: blocks go from bits to samples at once. A file of one scan, which is nearly every one, is handed on
//! strip by strip; only where components come in scans of their own are whole planes kept.

use std::rc::Rc;

use super::bits::{Bits, Feed, Held};
use super::canvas::Canvas;
use super::frame::Frame;
use super::huffman::{self, Codes, ENDS_BLOCK, Skips, VALUE_BITS, Values};
use super::idct::{self, Block, Transform};
use super::tables::{Divisors, Table};
use super::zigzag::TRANSPOSED;
use super::{Damage, Scan, Scans, Sink};
use crate::Error;
use crate::stop::{Stop, check};

pub(super) fn decode(bytes: &[u8], frame: &Frame, stop: &dyn Stop, sink: &mut dyn Sink) -> Result<(), Error> {
    let mut scans = Scans::new(bytes);
    let mut planes: Vec<Option<Canvas>> = frame.components.iter().map(|_| None).collect();
    let mut is_done = false;
    while let Some(scan) = scans.next(frame)? {
        if is_done {
            return Err(Error::broken(format!("a scan of a finished picture before byte {}", scan.data)));
        }
        let is_whole = scan.parts.len() == frame.components.len();
        let lanes = Lane::all(&scan, &scans, frame, is_whole)?;
        let mut pass = Pass { feed: Feed::new(bytes, scan.data), bits: Bits::default(), frame, scan: &scan, lanes };
        pass.run(scans.tables.restart_interval, stop, is_whole.then_some(&mut *sink))?;
        scans.walk.at = pass.feed.marker_at();
        is_done = is_whole;
        for lane in pass.lanes {
            planes[lane.component] = Some(lane.canvas);
        }
    }
    if is_done {
        return Ok(());
    }
    for (at, (component, plane)) in frame.components.iter().zip(&planes).enumerate() {
        let plane = plane.as_ref().ok_or_else(|| Error::truncated(format!("component {at} has no scan")))?;
        sink.rows(at, plane.rows(component, 0), plane.stride)?;
    }
    Ok(())
}

/// A component in a scan.
struct Lane {
    component: usize,
    across: usize,
    down: usize,
    eighths: usize,
    last_needed: usize,
    dc: Rc<Table>,
    ac: Rc<Table>,
    divisors: Divisors,
    transform: Transform,
    prediction: i32,
    canvas: Canvas,
}

impl Lane {
    fn all(scan: &Scan, scans: &Scans<'_>, frame: &Frame, is_whole: bool) -> Result<Vec<Self>, Error> {
        let lane = |&(component, dc, ac): &(usize, usize, usize)| {
            let (across, down) = scan.blocks(frame, component);
            let shape = &frame.components[component];
            let (wide, high) = frame.padded(component);
            Ok(Self {
                component,
                across,
                down,
                eighths: shape.eighths,
                last_needed: shape.last_needed(),
                dc: scans.tables.dc(dc)?,
                ac: scans.tables.ac(ac)?,
                divisors: scans.tables.divisors(shape.table)?,
                transform: idct::transform(shape.eighths),
                prediction: 0,
                canvas: Canvas::new(shape.eighths, wide, if is_whole { down } else { high }),
            })
        };
        scan.parts.iter().map(lane).collect()
    }
}

/// One scan on its way.
struct Pass<'a> {
    feed: Feed<'a>,
    bits: Bits,
    frame: &'a Frame,
    scan: &'a Scan,
    lanes: Vec<Lane>,
}

impl Pass<'_> {
    /// Decodes the scan. With a sink every row of MCUs goes there at once.
    fn run(&mut self, restart_interval: usize, stop: &dyn Stop, mut sink: Option<&mut dyn Sink>) -> Result<(), Error> {
        let (wide, high) = self.scan.mcus(self.frame);
        let mut restarts = Restarts::new(restart_interval);
        for row in 0..high {
            check(stop)?;
            let top = if sink.is_some() { 0 } else { row };
            let mut bits = self.bits;
            let outcome = self.row(&mut bits, wide, top, &mut restarts);
            self.bits = bits;
            outcome.map_err(|damage| self.feed.report(damage, bits))?;
            let Some(sink) = &mut sink else { continue };
            for lane in &self.lanes {
                let rows = lane.canvas.rows(&self.frame.components[lane.component], row * lane.down * lane.eighths);
                if !rows.is_empty() {
                    sink.rows(lane.component, rows, lane.canvas.stride)?;
                }
            }
        }
        let marker = self.feed.finish(self.bits).map_err(|damage| self.feed.report(damage, self.bits))?;
        if matches!(marker, 0xd0..=0xd7) { Err(Damage::Leftover.at(self.feed.marker_at())) } else { Ok(()) }
    }

    /// A row of MCUs into the canvases, at this row of them.
    #[inline(always)]
    fn row(&mut self, bits: &mut Bits, wide: usize, top: usize, restarts: &mut Restarts) -> Result<(), Damage> {
        let (feed, lanes) = (&mut self.feed, &mut self.lanes);
        let tables: Vec<(Rc<Table>, Rc<Table>)> = lanes.iter().map(|lane| (lane.dc.clone(), lane.ac.clone())).collect();
        let readers: Vec<Reader<'_>> =
            tables.iter().zip(lanes.iter()).map(|((dc, ac), lane)| Reader::new(dc, ac, lane.last_needed)).collect();
        for column in 0..wide {
            if restarts.is_due() {
                restarts.pass(feed, bits)?;
                lanes.iter_mut().for_each(|lane| lane.prediction = 0);
            }
            feed.check(bits)?;
            for (lane, reader) in lanes.iter_mut().zip(&readers) {
                for down in 0..lane.down {
                    for across in 0..lane.across {
                        lane.block(bits, &feed.held, reader, column * lane.across + across, top * lane.down + down)?;
                    }
                }
            }
        }
        // The last MCUs may have been made of bits that are not there.
        feed.check(bits)
    }
}

impl Lane {
    #[inline(always)]
    fn block(
        &mut self,
        bits: &mut Bits,
        held: &Held,
        reader: &Reader<'_>,
        column: usize,
        row: usize,
    ) -> Result<(), Damage> {
        let difference = read_dc(bits, held, reader.dc_codes, reader.dc_values)?;
        self.prediction = self.prediction.wrapping_add(difference);
        // Only damage leads beyond 16 bits.
        let dc = self.prediction.wrapping_mul(self.divisors[0].into()) as i16;
        if self.eighths == 1 {
            huffman::skip_block(bits, held, reader.ac, reader.skips, 1)?;
            self.canvas.flat(column, row, dc);
            return Ok(());
        }
        let mut block: Block = [0; 64];
        block[0] = dc;
        let last = reader.ac(bits, held, &self.divisors, self.last_needed, &mut block)?;
        if last == 0 {
            self.canvas.flat(column, row, dc);
            return Ok(());
        }
        let stride = self.canvas.stride;
        let out = self.canvas.block(column, row);
        if self.eighths == 2 {
            idct::draw_two(&block, out, stride);
        } else {
            (self.transform)(&block, out, stride);
        }
        Ok(())
    }
}

/// The tables of a component, ready to be looked into.
struct Reader<'t> {
    dc_codes: &'t Codes,
    dc_values: &'t Values,
    ac: &'t Codes,
    /// The DC values stand in where no AC coefficient is needed: nobody looks.
    values: &'t Values,
    skips: &'t Skips,
}

impl<'t> Reader<'t> {
    fn new(dc: &'t Table, ac: &'t Table, last_needed: usize) -> Self {
        let values = if last_needed == 0 { dc.values() } else { ac.values() };
        Self { dc_codes: &dc.codes, dc_values: dc.values(), ac: &ac.codes, values, skips: ac.skips() }
    }

    /// Reads the AC coefficients up to the last needed one and steps over the others. Gives the last one read, 0 if none.
    #[inline(always)]
    fn ac(
        &self,
        bits: &mut Bits,
        held: &Held,
        divisors: &Divisors,
        last_needed: usize,
        block: &mut Block,
    ) -> Result<usize, Damage> {
        let (mut next, mut last) = (1, 0);
        while next <= last_needed {
            bits.refill(held);
            // Four looks of 13 bits fit into what a refill makes valid.
            for _ in 0..4 {
                let entry = self.values[bits.peek::<VALUE_BITS>()];
                let (run, value, ends) = if entry & 0xff != 0 {
                    bits.skip(entry & 0xff);
                    (entry >> 8 & 15, entry as i32 >> 16, entry & ENDS_BLOCK != 0)
                } else if entry != 0 {
                    bits.refill(held);
                    (entry >> 8 & 15, huffman::split(entry, bits), false)
                } else {
                    bits.refill(held);
                    let (symbol, value) = self.ac.long(bits)?;
                    (u32::from(symbol >> 4), value, symbol & 15 == 0 && symbol != 0xf0)
                };
                if ends {
                    return Ok(last);
                }
                next += run as usize;
                if next > 63 {
                    return Err(Damage::PastBlock);
                }
                block[usize::from(TRANSPOSED[next]) & 63] = value.wrapping_mul(divisors[next].into()) as i16;
                last = next;
                next += 1;
                if next > last_needed {
                    break;
                }
                if entry & 0xff == 0 {
                    bits.refill(held);
                }
            }
        }
        huffman::skip_block(bits, held, self.ac, self.skips, next)?;
        Ok(last)
    }
}

/// A DC difference.
#[inline(always)]
pub(super) fn read_dc(bits: &mut Bits, held: &Held, codes: &Codes, values: &Values) -> Result<i32, Damage> {
    bits.refill(held);
    let entry = values[bits.peek::<VALUE_BITS>()];
    if entry & 0xff != 0 {
        bits.skip(entry & 0xff);
        return Ok(entry as i32 >> 16);
    }
    if entry != 0 {
        return Ok(huffman::split(entry, bits));
    }
    codes.long(bits).map(|(_, value)| value)
}

/// Counts MCUs to the next restart marker.
pub(super) struct Restarts {
    interval: usize,
    left: usize,
    /// The low three bits of the next marker.
    next: u8,
}

impl Restarts {
    pub(super) fn new(interval: usize) -> Self {
        Self { interval, left: interval, next: 0 }
    }

    /// To be asked before every MCU: whether a restart marker has to be here.
    #[inline(always)]
    pub(super) fn is_due(&mut self) -> bool {
        if self.interval == 0 {
            return false;
        }
        let is_due = self.left == 0;
        self.left = if is_due { self.interval } else { self.left } - 1;
        is_due
    }

    /// Passes the marker.
    #[inline(always)]
    pub(super) fn pass(&mut self, feed: &mut Feed<'_>, bits: &mut Bits) -> Result<(), Damage> {
        if feed.finish(*bits)? != 0xd0 | self.next {
            return Err(Damage::NoRestart);
        }
        self.next = (self.next + 1) & 7;
        *bits = feed.restart();
        Ok(())
    }
}
