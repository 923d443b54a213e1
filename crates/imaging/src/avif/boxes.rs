//! A file of boxes (ISO/IEC 14496-12), split and read. Offsets stay absolute, so that the sanitiser can overwrite in place.
//! It must never trust a length, and never loop without consuming input.

use std::ops::Range;

use crate::Error;

/// Most boxes, items, properties, references and extents together: a photograph of a telephone has some 200, and the
/// bound keeps the quadratic look-ups below it cheap.
pub(super) const ENTRIES_MAX: usize = 8192;

/// A four-character code.
pub(crate) type Code = [u8; 4];

/// One box: its type, and where its content lies in the file.
#[derive(Clone, Debug)]
pub(crate) struct BoxAt {
    pub kind: Code,
    /// Where the header begins.
    pub start: usize,
    pub content: Range<usize>,
}

pub(crate) fn broken(why: &str) -> Error {
    Error::broken(format_args!("AVIF: {why}"))
}

pub(super) fn truncated() -> Error {
    Error::truncated("AVIF: a box reaches beyond its end")
}

pub(crate) fn unsupported(what: &str) -> Error {
    Error::unsupported(format_args!("AVIF: {what}"))
}

/// Splits a range of the file into boxes. A last box of size 0 reaches to the end of the range.
///
/// Fails when a box is longer than the range, shorter than its header, or there are more than [`ENTRIES_MAX`].
pub(crate) fn boxes(bytes: &[u8], range: Range<usize>) -> Result<Vec<BoxAt>, Error> {
    let mut found = Vec::new();
    let mut at = range.start;
    let end = range.end.min(bytes.len());
    while at < end {
        let mut reader = Reader { bytes: bytes.get(..end).ok_or_else(truncated)?, at };
        let short = reader.u32()?;
        let kind = reader.code()?;
        let size = match short {
            0 => (end - at) as u64,
            1 => reader.u64()?,
            other => u64::from(other),
        };
        let header = (reader.at - at) as u64;
        if size < header {
            return Err(broken("a box is shorter than its header"));
        }
        if size > (end - at) as u64 {
            return Err(truncated());
        }
        let stop = at + size as usize;
        found.push(BoxAt { kind, start: at, content: reader.at..stop });
        if found.len() > ENTRIES_MAX {
            return Err(broken("too many boxes"));
        }
        at = stop;
    }
    Ok(found)
}

/// Reads big-endian numbers and refuses to read past the end.
pub(crate) struct Reader<'a> {
    pub bytes: &'a [u8],
    pub at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn over(bytes: &'a [u8], range: &Range<usize>) -> Result<Reader<'a>, Error> {
        Ok(Reader { bytes: bytes.get(..range.end).ok_or_else(truncated)?, at: range.start })
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let stop = self.at.checked_add(count).ok_or_else(truncated)?;
        let slice = self.bytes.get(self.at..stop).ok_or_else(truncated)?;
        self.at = stop;
        Ok(slice)
    }

    /// An unsigned number of 0 to 8 bytes; 0 bytes read as 0.
    pub(super) fn number(&mut self, count: usize) -> Result<u64, Error> {
        Ok(self.take(count)?.iter().fold(0, |sum, &byte| (sum << 8) | u64::from(byte)))
    }

    pub fn u8(&mut self) -> Result<u8, Error> {
        Ok(self.number(1)? as u8)
    }

    pub fn u16(&mut self) -> Result<u16, Error> {
        Ok(self.number(2)? as u16)
    }

    pub fn u32(&mut self) -> Result<u32, Error> {
        Ok(self.number(4)? as u32)
    }

    fn u64(&mut self) -> Result<u64, Error> {
        self.number(8)
    }

    pub fn code(&mut self) -> Result<Code, Error> {
        let slice = self.take(4)?;
        Ok([slice[0], slice[1], slice[2], slice[3]])
    }

    /// Version and flags of a full box.
    pub(super) fn version(&mut self) -> Result<(u8, u32), Error> {
        let word = self.u32()?;
        Ok(((word >> 24) as u8, word & 0x00ff_ffff))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(kind: &Code, content: &[u8]) -> Vec<u8> {
        let mut bytes = (content.len() as u32 + 8).to_be_bytes().to_vec();
        bytes.extend_from_slice(kind);
        bytes.extend_from_slice(content);
        bytes
    }

    #[test]
    fn boxes_end_exactly_or_are_refused() {
        let bytes = [boxed(b"free", b"abc"), boxed(b"mdat", b"")].concat();
        assert_eq!(boxes(&bytes, 0..bytes.len()).unwrap().len(), 2);
        assert!(boxes(&bytes[..bytes.len() - 1], 0..bytes.len() - 1).is_err());
        for (size, good) in [(7u32, false), (8, true), (11, true), (12, false), (2, false)] {
            let mut one = boxed(b"free", b"abc");
            one[..4].copy_from_slice(&size.to_be_bytes());
            let end = if size == 8 { 8 } else { one.len() };
            assert_eq!(boxes(&one, 0..end).is_ok(), good, "size {size}");
        }
    }

    #[test]
    fn a_long_size_and_a_size_to_the_end_are_read() {
        let mut long = vec![0, 0, 0, 1];
        long.extend_from_slice(b"mdat");
        long.extend_from_slice(&19u64.to_be_bytes());
        long.extend_from_slice(b"xyz");
        assert_eq!(boxes(&long, 0..19).unwrap()[0].content, 16..19);
        let mut open = boxed(b"mdat", b"xyz");
        open[..4].fill(0);
        assert_eq!(boxes(&open, 0..11).unwrap()[0].content, 8..11);
        long[8..16].fill(0xff);
        assert!(boxes(&long, 0..19).is_err());
    }
}
