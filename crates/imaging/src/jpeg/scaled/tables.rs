//! Quantisation and Huffman tables and the restart interval, as the segments between scans define them.

use std::rc::Rc;

use super::huffman::{Codes, Skips, Values};
use crate::Error;

/// Divisors of the 64 coefficients, in coded order.
pub(super) type Divisors = [u16; 64];

/// A Huffman table with what is made of it once somebody reads by it.
pub(super) struct Table {
    pub(super) codes: Codes,
    values: std::cell::OnceCell<Box<Values>>,
    skips: std::cell::OnceCell<Box<Skips>>,
}

impl Table {
    pub(super) fn values(&self) -> &Values {
        self.values.get_or_init(|| self.codes.values())
    }

    pub(super) fn skips(&self) -> &Skips {
        self.skips.get_or_init(|| self.codes.skips())
    }
}

/// Tables kept by a thread: cameras and encoders write the same few over and over, and making one costs as much as decoding a
/// small thumbnail.
const KEPT_MAX: usize = 8;

thread_local! {
    static KEPT: std::cell::RefCell<Vec<Rc<Table>>> = const { std::cell::RefCell::new(Vec::new()) };
}

fn table(codes: Codes) -> Rc<Table> {
    KEPT.with_borrow_mut(|kept| {
        let table = match kept.iter().position(|table| table.codes == codes) {
            Some(at) => kept.remove(at),
            None => Rc::new(Table { codes, values: Default::default(), skips: Default::default() }),
        };
        kept.insert(0, Rc::clone(&table));
        kept.truncate(KEPT_MAX);
        table
    })
}

/// What is defined at a point of the file.
#[derive(Default)]
pub(super) struct Tables {
    divisors: [Option<Divisors>; 4],
    dc: [Option<Rc<Table>>; 4],
    ac: [Option<Rc<Table>>; 4],
    /// MCUs between restart markers; 0 = none.
    pub(super) restart_interval: usize,
}

impl Tables {
    /// Takes a segment that defines something; leaves all others.
    pub(super) fn take(&mut self, marker: u8, body: &[u8], at: usize) -> Result<(), Error> {
        let known = match marker {
            0xdb => self.take_divisors(body),
            0xc4 => self.take_codes(body),
            0xdd => match body {
                &[high, low] => {
                    self.restart_interval = usize::from(u16::from_be_bytes([high, low]));
                    Some(())
                }
                _ => None,
            },
            _ => Some(()),
        };
        known.ok_or_else(|| Error::broken(format!("a table that cannot be in the segment at byte {at}")))
    }

    fn take_divisors(&mut self, mut body: &[u8]) -> Option<()> {
        while let Some((&kind, rest)) = body.split_first() {
            let bytes = match kind >> 4 {
                0 => 1,
                1 => 2,
                _ => return None,
            };
            let values = rest.get(..64 * bytes)?;
            let mut divisors = [0; 64];
            for (divisor, value) in divisors.iter_mut().zip(values.chunks_exact(bytes)) {
                *divisor = value.iter().fold(0, |value, &byte| value << 8 | u16::from(byte));
            }
            *self.divisors.get_mut(usize::from(kind & 15))? = Some(divisors);
            body = &rest[64 * bytes..];
        }
        Some(())
    }

    fn take_codes(&mut self, mut body: &[u8]) -> Option<()> {
        while let Some((&kind, rest)) = body.split_first() {
            let (codes, bytes) = Codes::read(rest)?;
            let slots = match kind >> 4 {
                0 if codes.is_for_dc() => &mut self.dc,
                1 => &mut self.ac,
                _ => return None,
            };
            *slots.get_mut(usize::from(kind & 15))? = Some(table(codes));
            body = &rest[bytes..];
        }
        Some(())
    }

    pub(super) fn divisors(&self, at: usize) -> Result<Divisors, Error> {
        self.divisors[at].ok_or_else(|| Error::broken(format!("quantisation table {at} is nowhere")))
    }

    pub(super) fn dc(&self, at: usize) -> Result<Rc<Table>, Error> {
        self.dc[at].clone().ok_or_else(|| Error::broken(format!("DC Huffman table {at} is nowhere")))
    }

    pub(super) fn ac(&self, at: usize) -> Result<Rc<Table>, Error> {
        self.ac[at].clone().ok_or_else(|| Error::broken(format!("AC Huffman table {at} is nowhere")))
    }
}
