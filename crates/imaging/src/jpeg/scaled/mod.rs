//! A JPEG decoder that decodes no more than the output needs: at n/8 of the scale, as planes of Y, Cb and Cr as they are stored, a
//! few rows at a time. Entropy decoding is the floor under every thumbnail, so coefficients that n/8 cannot show are stepped over
//! several at a time, and scans of them are jumped over.
//!
//! It decodes Huffman-coded baseline, extended and progressive files of 8 bits with one or three components. For all else
//! [`Frame::of`] says `None`, and another decoder is asked. Damage is an error with its place in the file, never a made-up sample.

mod bits;
mod canvas;
mod frame;
mod huffman;
mod idct;
mod progressive;
mod sequential;
mod tables;
#[cfg(all(test, feature = "native"))]
mod tests;
mod zigzag;

pub(crate) use frame::Frame;

use super::header::{Header, Walk};
use crate::Error;
use crate::stop::Stop;
use tables::Tables;

/// Takes rows as they are decoded.
pub(crate) trait Sink {
    /// The next rows of a component's plane, top down: as many as there are chunks of `stride`, each beginning with the plane's
    /// columns. Components take turns; each gets every row once.
    fn rows(&mut self, component: usize, rows: &[u8], stride: usize) -> Result<(), Error>;
}

/// What is wrong with entropy-coded data. Its place is added where it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    /// Bits that are no code.
    NoCode,
    /// A coefficient behind the last one.
    PastBlock,
    /// The data ends within a block.
    EndsEarly,
    /// Data where a marker has to be.
    Leftover,
    /// Another marker than the restart that is due.
    NoRestart,
    /// A correction that is none.
    BadCorrection,
}

impl Damage {
    fn at(self, place: usize) -> Error {
        match self {
            Self::NoCode => Error::broken(format!("bits that are no Huffman code at byte {place}")),
            Self::PastBlock => Error::broken(format!("a coefficient outside of its block at byte {place}")),
            Self::EndsEarly => Error::truncated(format!("a scan's data ends within a block at byte {place}")),
            Self::Leftover => Error::broken(format!("more data than a scan has blocks at byte {place}")),
            Self::NoRestart => Error::broken(format!("no restart marker, or not the one due, at byte {place}")),
            Self::BadCorrection => Error::broken(format!("a refinement of more than one bit at byte {place}")),
        }
    }
}

/// What a scan header says (ITU T.81, B.2.3).
#[derive(Debug, Clone)]
struct Scan {
    /// Places of its components in the frame, with their DC and AC tables.
    parts: Vec<(usize, usize, usize)>,
    first: usize,
    last: usize,
    high: u8,
    low: u8,
    /// Where its entropy-coded data begins.
    data: usize,
}

impl Scan {
    fn read(body: &[u8], frame: &Frame, data: usize) -> Result<Self, Error> {
        let broken = |what: &str| Error::broken(format!("a scan header {what} before byte {data}"));
        let (&count, rest) = body.split_first().ok_or_else(|| broken("without a body"))?;
        let count = usize::from(count);
        let &[first, last, approximation] = rest.get(2 * count..).unwrap_or_default() else {
            return Err(broken("of the wrong length"));
        };
        if !(1..=frame.components.len()).contains(&count) {
            return Err(broken("with more components than the frame, or none"));
        }
        let mut parts: Vec<(usize, usize, usize)> = Vec::new();
        for part in rest[..2 * count].chunks_exact(2) {
            let known = frame.components.iter().position(|component| component.id == part[0]);
            let component = known.ok_or_else(|| broken("of an unknown component"))?;
            let tables = (usize::from(part[1] >> 4), usize::from(part[1] & 15));
            // Components keep the order of the frame.
            if tables.0 > 3 || tables.1 > 3 || parts.last().is_some_and(|before| before.0 >= component) {
                return Err(broken("with components out of order or tables that cannot be"));
            }
            parts.push((component, tables.0, tables.1));
        }
        let blocks: usize =
            parts.iter().map(|part| frame.components[part.0].across * frame.components[part.0].down).sum();
        if count > 1 && blocks > 10 {
            return Err(broken("with more than ten blocks in an MCU"));
        }
        let (first, last) = (usize::from(first), usize::from(last));
        Ok(Self { parts, first, last, high: approximation >> 4, low: approximation & 15, data })
    }

    /// MCUs across and down: a scan of one component has one block in each and none that only fill up.
    fn mcus(&self, frame: &Frame) -> (usize, usize) {
        match self.parts[..] {
            [(component, ..)] => (frame.components[component].blocks_wide, frame.components[component].blocks_high),
            _ => (frame.mcus_wide, frame.mcus_high),
        }
    }

    /// Blocks of a component across and down in an MCU of this scan.
    fn blocks(&self, frame: &Frame, component: usize) -> (usize, usize) {
        if self.parts.len() == 1 {
            (1, 1)
        } else {
            (frame.components[component].across, frame.components[component].down)
        }
    }
}

/// Decodes a whole file whose header and frame are known. The file's structure was walked by the header's reader, to its end.
pub(crate) fn decode(
    bytes: &[u8],
    header: &Header<'_>,
    frame: &Frame,
    stop: &dyn Stop,
    sink: &mut dyn Sink,
) -> Result<(), Error> {
    if header.progressive {
        progressive::decode(bytes, frame, stop, sink)
    } else {
        sequential::decode(bytes, frame, stop, sink)
    }
}

/// Bytes kept of each block of a progressive file at a scale.
pub(crate) fn coefficient_bytes(eighths: u32) -> u64 {
    let kept = zigzag::LAST_NEEDED[eighths as usize] as u64 + 1;
    kept * 2 + 8
}

/// Goes from scan to scan, reading the tables between them.
struct Scans<'a> {
    walk: Walk<'a>,
    tables: Tables,
}

impl<'a> Scans<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { walk: Walk { bytes, at: 2 }, tables: Tables::default() }
    }

    /// The next scan, or none at the end of the picture. Its data has still to be passed.
    fn next(&mut self, frame: &Frame) -> Result<Option<Scan>, Error> {
        loop {
            let marker = self.walk.marker()?;
            if marker == 0xd9 {
                return Ok(None);
            }
            let at = self.walk.at;
            let body = self.walk.segment()?;
            match marker {
                0xda => return Scan::read(body, frame, self.walk.at).map(Some),
                _ => self.tables.take(marker, body, at)?,
            }
        }
    }
}
