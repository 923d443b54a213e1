//! A colour profile in an AVIF file that was just written, which its writer has no place for: it takes the place of the code points
//! in the container (those in the stream still say how luma and chroma are meant). It must never be handed a file of others.

use super::boxes::{BoxAt, Code, Reader, boxes, broken};
use crate::Error;

/// The same file with a `colr` box that holds `icc` in place of its `nclx`.
pub(crate) fn with_icc(mut file: Vec<u8>, icc: &[u8]) -> Result<Vec<u8>, Error> {
    let inside = |outer: &BoxAt, skipped: usize, kind: &Code| -> Result<BoxAt, Error> {
        let found = boxes(&file, outer.content.start + skipped..outer.content.end)?;
        found.into_iter().find(|part| &part.kind == kind).ok_or_else(|| broken("a box is missing"))
    };
    let whole = BoxAt { kind: *b"    ", start: 0, content: 0..file.len() };
    let meta = inside(&whole, 0, b"meta")?;
    // A full box: four bytes of version and flags come first.
    let (iprp, iloc) = (inside(&meta, 4, b"iprp")?, inside(&meta, 4, b"iloc")?);
    let ipco = inside(&iprp, 0, b"ipco")?;
    let colr = inside(&ipco, 0, b"colr")?;
    let grown = icc.len() + 4 - colr.content.len();
    let grow = |file: &mut Vec<u8>, at: usize| -> Result<(), Error> {
        let number = Reader { bytes: file, at }.u32()?;
        let number = u32::try_from(number as usize + grown).map_err(Error::encode)?;
        file[at..at + 4].copy_from_slice(&number.to_be_bytes());
        Ok(())
    };
    // Everything behind the box moves: the pictures, wherever they are told to be.
    let mut reader = Reader { bytes: &file, at: iloc.content.start + 4 };
    let (sizes, count) = (reader.u16()?, reader.u16()?);
    if sizes != 0x4400 || iloc.start > colr.start {
        return Err(broken("locations of items that our writer does not write"));
    }
    let mut offsets = Vec::new();
    for _ in 0..count {
        reader.at += 4;
        for _ in 0..reader.u16()? {
            offsets.push(reader.at);
            reader.at += 8;
        }
    }
    for at in offsets.into_iter().chain([meta.start, iprp.start, ipco.start, colr.start]) {
        grow(&mut file, at)?;
    }
    file.splice(colr.content, b"prof".iter().chain(icc).copied());
    Ok(file)
}
