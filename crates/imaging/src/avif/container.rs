//! What the boxes of an AVIF file say: which items there are, where their bytes lie, what is said about them (ISO/IEC 23008-12
//! "HEIF", 23000-22 "MIAF"). It must never trust a length, and never copy a payload.
//!
//! Written here because decoders want more than the demultiplexing crates tell: `ispe` (limits before allocation), `irot`,
//! `imir` and `clap` (upright), `colr` (ICC, nclx), `grid` (photos of telephones), and where metadata lies.

use std::ops::Range;

use super::boxes::{BoxAt, Code, ENTRIES_MAX, Reader, boxes, broken, truncated, unsupported};
use crate::Error;

/// One item: a picture, a tile, a grid, or metadata.
#[derive(Clone, Debug, Default)]
pub(crate) struct Item {
    pub id: u32,
    pub kind: Code,
    /// Where the four bytes of `kind` lie in the file.
    pub kind_at: usize,
    /// Where its bytes lie in the file, in order.
    pub extents: Vec<Range<usize>>,
    /// Indices into [`Container::properties`], in the order in which transformations apply; whether essential.
    pub properties: Vec<(usize, bool)>,
}

/// From one item to others: `auxl`, `dimg`, `cdsc`, `thmb`, `prem`.
#[derive(Clone, Debug)]
pub(crate) struct Reference {
    pub kind: Code,
    pub from: u32,
    pub to: Vec<u32>,
}

/// The parsed `meta` box.
#[derive(Clone, Debug, Default)]
pub(crate) struct Container {
    pub top: Vec<BoxAt>,
    pub meta: Vec<BoxAt>,
    pub primary: u32,
    pub items: Vec<Item>,
    pub references: Vec<Reference>,
    pub properties: Vec<BoxAt>,
}

impl Container {
    /// Parses the boxes of a file; `meta_bytes_max` bounds the `meta` box.
    ///
    /// Fails on a file that is not AVIF, has no primary picture, or whose boxes or items reach beyond the end.
    pub fn parse(bytes: &[u8], meta_bytes_max: u64) -> Result<Container, Error> {
        if crate::sniff(bytes) != Some(crate::Source::Avif) {
            return Err(Error::NotAnImage);
        }
        let top = boxes(bytes, 0..bytes.len())?;
        let meta = top.iter().find(|part| &part.kind == b"meta").ok_or_else(|| broken("no meta box"))?.content.clone();
        if meta.len() as u64 > meta_bytes_max {
            return Err(Error::MetadataTooLarge { asked: meta.len() as u64, max: meta_bytes_max });
        }
        Reader::over(bytes, &meta)?.version()?;
        let parts = boxes(bytes, meta.start + 4..meta.end)?;
        let mut container = Container { top, meta: parts.clone(), ..Container::default() };
        let find = |kind: &Code| parts.iter().find(|part| &part.kind == kind).map(|part| part.content.clone());
        if let Some(range) = find(b"pitm") {
            container.read_pitm(bytes, &range)?;
        }
        if let Some(range) = find(b"iinf") {
            container.read_iinf(bytes, &range)?;
        }
        if let Some(range) = find(b"iloc") {
            container.read_iloc(bytes, &range, find(b"idat"))?;
        }
        if let Some(range) = find(b"iref") {
            container.read_iref(bytes, &range)?;
        }
        if let Some(range) = find(b"iprp") {
            container.read_iprp(bytes, &range)?;
        }
        match container.item(container.primary) {
            Some(_) => Ok(container),
            None if container.top.iter().any(|part| &part.kind == b"moov") => {
                Err(unsupported("a sequence without a still picture"))
            }
            None => Err(broken("no primary picture")),
        }
    }

    pub fn item(&self, id: u32) -> Option<&Item> {
        self.items.iter().find(|item| item.id == id)
    }

    /// The targets of the first reference of this kind from this item.
    pub fn targets(&self, kind: &Code, from: u32) -> &[u32] {
        self.references
            .iter()
            .find(|reference| &reference.kind == kind && reference.from == from)
            .map_or(&[], |reference| &reference.to)
    }

    /// The contents of an item's properties of one kind.
    pub fn properties_of<'a>(&'a self, item: &'a Item, kind: &'a Code) -> impl Iterator<Item = Range<usize>> + 'a {
        item.properties
            .iter()
            .filter_map(|(index, _)| self.properties.get(*index))
            .filter(move |property| &property.kind == kind)
            .map(|property| property.content.clone())
    }

    /// The bytes of an item, joined where there are several extents.
    pub fn bytes_of<'a>(&self, bytes: &'a [u8], item: &Item) -> Result<std::borrow::Cow<'a, [u8]>, Error> {
        let part = |range: &Range<usize>| bytes.get(range.clone()).ok_or_else(truncated);
        match item.extents.as_slice() {
            [] => Err(broken("an item has no bytes")),
            [one] => Ok(part(one)?.into()),
            several => {
                // Extents may overlap: without this bound a small file unfolds to 8192 times its size.
                if several.iter().map(Range::len).sum::<usize>() > bytes.len() {
                    return Err(broken("extents overlap"));
                }
                let mut joined = Vec::new();
                for range in several {
                    joined.extend_from_slice(part(range)?);
                }
                Ok(joined.into())
            }
        }
    }

    fn read_pitm(&mut self, bytes: &[u8], range: &Range<usize>) -> Result<(), Error> {
        let mut reader = Reader::over(bytes, range)?;
        let (version, _) = reader.version()?;
        self.primary = if version == 0 { reader.u16()?.into() } else { reader.u32()? };
        Ok(())
    }

    fn read_iinf(&mut self, bytes: &[u8], range: &Range<usize>) -> Result<(), Error> {
        let mut reader = Reader::over(bytes, range)?;
        let (version, _) = reader.version()?;
        reader.number(if version == 0 { 2 } else { 4 })?;
        for part in boxes(bytes, reader.at..range.end)? {
            if &part.kind != b"infe" {
                continue;
            }
            let mut reader = Reader::over(bytes, &part.content)?;
            let (version, _) = reader.version()?;
            let id = match version {
                2 => reader.u16()?.into(),
                3 => reader.u32()?,
                _ => return Err(unsupported("item information before version 2")),
            };
            if reader.u16()? != 0 {
                return Err(unsupported("protected items"));
            }
            let kind_at = reader.at;
            let kind = reader.code()?;
            if self.item(id).is_some() {
                return Err(broken("two items have one id"));
            }
            self.items.push(Item { id, kind, kind_at, ..Item::default() });
        }
        Ok(())
    }

    fn read_iloc(&mut self, bytes: &[u8], range: &Range<usize>, idat: Option<Range<usize>>) -> Result<(), Error> {
        let mut reader = Reader::over(bytes, range)?;
        let (version, _) = reader.version()?;
        let sizes = reader.u16()?;
        let size = |shift: u16| match (sizes >> shift) & 15 {
            size @ (0 | 4 | 8) => Ok(usize::from(size)),
            _ => Err(broken("a field of the item locations is neither 0, 4 nor 8 bytes")),
        };
        let (offset_size, length_size, base_size) = (size(12)?, size(8)?, size(4)?);
        let index_size = if version == 0 { 0 } else { size(0)? };
        let count = reader.number(if version < 2 { 2 } else { 4 })?;
        let mut extents_sum = 0;
        for _ in 0..count {
            let id = reader.number(if version < 2 { 2 } else { 4 })? as u32;
            let method = if version == 0 { 0 } else { reader.u16()? & 15 };
            let reference = reader.u16()?;
            let base = reader.number(base_size)?;
            let extent_count = reader.u16()?;
            let space = match (method, &idat) {
                (0, _) => 0..bytes.len(),
                (1, Some(idat)) => idat.clone(),
                (1, None) => return Err(broken("an item lies in an idat box that is not there")),
                _ => return Err(unsupported("items made of other items' bytes")),
            };
            let mut extents = Vec::new();
            for _ in 0..extent_count {
                reader.number(index_size)?;
                let offset = reader.number(offset_size)?;
                let length = reader.number(length_size)?;
                extents_sum += 1;
                if extents_sum > ENTRIES_MAX {
                    return Err(broken("too many extents"));
                }
                extents.push(place(&space, base, offset, length)?);
            }
            if reference != 0 {
                return Err(unsupported("items in other files"));
            }
            if let Some(item) = self.items.iter_mut().find(|item| item.id == id) {
                if !item.extents.is_empty() {
                    return Err(broken("an item has two places"));
                }
                item.extents = extents;
            }
        }
        Ok(())
    }

    fn read_iref(&mut self, bytes: &[u8], range: &Range<usize>) -> Result<(), Error> {
        let mut reader = Reader::over(bytes, range)?;
        let (version, _) = reader.version()?;
        let size = if version == 0 { 2 } else { 4 };
        let mut sum = 0;
        for part in boxes(bytes, reader.at..range.end)? {
            let mut reader = Reader::over(bytes, &part.content)?;
            let from = reader.number(size)? as u32;
            let count = reader.u16()?;
            sum += usize::from(count);
            if sum > ENTRIES_MAX {
                return Err(broken("too many references"));
            }
            let to = (0..count).map(|_| Ok(reader.number(size)? as u32)).collect::<Result<Vec<u32>, Error>>()?;
            self.references.push(Reference { kind: part.kind, from, to });
        }
        Ok(())
    }

    fn read_iprp(&mut self, bytes: &[u8], range: &Range<usize>) -> Result<(), Error> {
        let parts = boxes(bytes, range.clone())?;
        if let Some(ipco) = parts.iter().find(|part| &part.kind == b"ipco") {
            self.properties = boxes(bytes, ipco.content.clone())?;
        }
        let mut sum = 0;
        for part in parts.iter().filter(|part| &part.kind == b"ipma") {
            let mut reader = Reader::over(bytes, &part.content)?;
            let (version, flags) = reader.version()?;
            for _ in 0..reader.u32()? {
                let id = reader.number(if version == 0 { 2 } else { 4 })? as u32;
                for _ in 0..reader.u8()? {
                    sum += 1;
                    if sum > ENTRIES_MAX {
                        return Err(broken("too many property associations"));
                    }
                    let (word, wide) = if flags & 1 == 1 { (reader.u16()?, 15) } else { (reader.u8()?.into(), 7) };
                    let index = usize::from(word & ((1 << wide) - 1));
                    let item = self.items.iter_mut().find(|item| item.id == id);
                    if let (Some(item), Some(index)) = (item, index.checked_sub(1)) {
                        item.properties.push((index, word >> wide == 1));
                    }
                }
            }
        }
        Ok(())
    }
}

/// Where an extent lies in the file; a length of 0 means to the end of its space.
fn place(space: &Range<usize>, base: u64, offset: u64, length: u64) -> Result<Range<usize>, Error> {
    let outside = || Error::truncated("AVIF: an item reaches beyond the end of the file");
    let start = base.checked_add(offset).and_then(|at| at.checked_add(space.start as u64)).ok_or_else(outside)?;
    let stop = if length == 0 { space.end as u64 } else { start.checked_add(length).ok_or_else(outside)? };
    if start >= stop || stop > space.end as u64 {
        return Err(outside());
    }
    Ok(start as usize..stop as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extent_lies_inside_its_space_or_is_refused() {
        assert_eq!(place(&(10..20), 0, 0, 10).unwrap(), 10..20);
        assert_eq!(place(&(10..20), 2, 3, 0).unwrap(), 15..20);
        assert!(place(&(10..20), 0, 0, 11).is_err());
        assert!(place(&(10..20), 0, 10, 0).is_err());
        assert!(place(&(0..20), u64::MAX, 1, 1).is_err());
        assert!(place(&(0..20), 1, 1, u64::MAX).is_err());
    }
}
