//! AVIF: places in the file are named all over its boxes, so nothing moves. What must go is overwritten where it lies.
//!
//! EXIF items become an EXIF block that says nothing (or artist and copyright, by choice); XMP becomes spaces; other items that
//! are no pictures, and thumbnails (they may show what was cropped away), become zeros under a type that readers skip; bytes of
//! `mdat` and `idat` that no picture uses become zeros; boxes that can only hold metadata become `free`. A file of the same
//! length and the same pictures is left.

use std::ops::Range;

use super::Keep;
use crate::avif::boxes::{BoxAt, boxes, broken, unsupported};
use crate::avif::container::{Container, Item};
use crate::avif::tiff_of_exif_item;
use crate::copyright::Copyright;
use crate::{Error, Limits, exif};

/// Items that are pictures or make pictures of others.
const PICTURES: [&[u8; 4]; 6] = [b"av01", b"grid", b"iovl", b"iden", b"tmap", b"sato"];

/// Properties that are texts or times: user description, alternative text, creation, modification, precise time stamps.
const TEXT_PROPERTIES: [&[u8; 4]; 6] = [b"udes", b"altt", b"crtt", b"mdft", b"itai", b"uuid"];

/// What may stand beside each other at the top; the rest is blanked.
const TOP_KEPT: [&[u8; 4]; 4] = [b"ftyp", b"meta", b"mdat", b"moov"];

/// What a `meta` box needs to find pictures; the rest (`xml `, `bxml`, `uuid`, `udta`) is blanked.
const META_KEPT: [&[u8; 4]; 10] =
    [b"hdlr", b"pitm", b"iloc", b"iinf", b"iref", b"iprp", b"idat", b"dinf", b"grpl", b"free"];

/// Boxes of a sequence that hold boxes, and those in them that are only metadata.
const MOVIE_BRANCHES: [&[u8; 4]; 6] = [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts"];
const MOVIE_METADATA: [&[u8; 4]; 4] = [b"udta", b"meta", b"uuid", b"name"];

/// The smallest EXIF item: no offset, a TIFF header, a directory of no entries and no successor.
const EXIF_EMPTY: &[u8] = b"\0\0\0\0MM\0\x2a\0\0\0\x08\0\0\0\0\0\0";

pub(super) fn strip(bytes: &[u8], keep: &Keep, limits: &Limits) -> Result<Vec<u8>, Error> {
    let container = Container::parse(bytes, limits.metadata_bytes_max)?;
    let is_picture = |item: &Item| PICTURES.contains(&&item.kind) && container.targets(b"thmb", item.id).is_empty();
    let (pictures, others): (Vec<&Item>, Vec<&Item>) = container.items.iter().partition(|item| is_picture(item));
    if !pictures.iter().any(|item| item.id == container.primary) {
        return Err(unsupported("a primary item that is no picture"));
    }
    let spaces = [(&container.top, b"mdat"), (&container.meta, b"idat")];
    let spaces: Vec<&BoxAt> =
        spaces.iter().flat_map(|(parts, kind)| parts.iter().filter(move |part| &part.kind == *kind)).collect();
    let inside = |extent: &Range<usize>| {
        spaces.iter().any(|space| space.content.start <= extent.start && extent.end <= space.content.end)
    };
    // Elsewhere an item would be written over the boxes that say where everything is.
    if !others.iter().flat_map(|item| &item.extents).all(inside) {
        return Err(unsupported("metadata outside the media boxes"));
    }
    let used = merged(pictures.iter().flat_map(|item| item.extents.iter().cloned()).collect());
    let mut clean = Blank { bytes: bytes.to_vec(), used };
    blank_boxes(&container, &mut clean)?;
    // A sequence says in its sample tables what it uses of `mdat`; there, only named items are blanked.
    if container.top.iter().all(|part| &part.kind != b"moov") {
        for space in container.top.iter().filter(|part| &part.kind == b"mdat") {
            clean.unused(space.content.clone());
        }
    }
    for space in container.meta.iter().filter(|part| &part.kind == b"idat") {
        clean.unused(space.content.clone());
    }
    for item in others {
        blank_item(bytes, &container, item, keep, &mut clean)?;
    }
    Ok(clean.bytes)
}

fn blank_boxes(container: &Container, clean: &mut Blank) -> Result<(), Error> {
    for part in container.top.iter().filter(|part| !TOP_KEPT.contains(&&part.kind)) {
        clean.free(part)?;
    }
    for part in container.meta.iter().filter(|part| !META_KEPT.contains(&&part.kind)) {
        clean.free(part)?;
    }
    for part in container.meta.iter().filter(|part| &part.kind == b"free") {
        clean.fill(part.content.clone(), 0)?;
    }
    // A property keeps its place in the list, by whose index items name it.
    for part in container.properties.iter().filter(|part| TEXT_PROPERTIES.contains(&&part.kind)) {
        clean.free(part)?;
    }
    let mut branches: Vec<BoxAt> = container.top.iter().filter(|part| &part.kind == b"moov").cloned().collect();
    while let Some(branch) = branches.pop() {
        for part in boxes(&clean.bytes, branch.content)? {
            match &part.kind {
                kind if MOVIE_METADATA.contains(&kind) => clean.free(&part)?,
                kind if MOVIE_BRANCHES.contains(&kind) => branches.push(part),
                _ => {}
            }
        }
    }
    Ok(())
}

fn blank_item(bytes: &[u8], container: &Container, item: &Item, keep: &Keep, clean: &mut Blank) -> Result<(), Error> {
    let length: usize = item.extents.iter().map(Range::len).sum();
    let mut content = match &item.kind {
        b"Exif" => {
            // Orientation is in properties here, never in EXIF: `orientation` 1 leaves it out.
            let rights = container
                .bytes_of(bytes, item)
                .ok()
                .and_then(|block| tiff_of_exif_item(&block).map(|tiff| Copyright::of_exif(&exif::read(tiff))));
            let tiff = Keep { orientation: 1, ..*keep }.exif(rights.unwrap_or_default());
            let block = tiff.map(|tiff| [&[0; 4][..], &tiff].concat()).filter(|block| block.len() <= length);
            let mut content = block.unwrap_or_else(|| EXIF_EMPTY.to_vec());
            content.resize(length, 0);
            content
        }
        // White space is no XMP packet, and no error to those who look for one.
        b"mime" => vec![b' '; length],
        _ => {
            let kind = item.kind_at..item.kind_at + 4;
            clean.bytes.get_mut(kind).ok_or_else(|| broken("an item type outside the file"))?.copy_from_slice(b"skip");
            vec![0; length]
        }
    };
    for extent in &item.extents {
        let rest = content.split_off(extent.len().min(content.len()));
        clean.write(extent.clone(), &content)?;
        content = rest;
    }
    Ok(())
}

/// The file as it is blanked.
struct Blank {
    bytes: Vec<u8>,
    /// What pictures use, sorted, without overlaps.
    used: Vec<Range<usize>>,
}

impl Blank {
    /// Writes, unless a picture uses any of it.
    fn write(&mut self, range: Range<usize>, content: &[u8]) -> Result<(), Error> {
        let after = self.used.partition_point(|used| used.end <= range.start);
        if self.used.get(after).is_some_and(|used| used.start < range.end) {
            return Err(unsupported("metadata in the bytes of a picture"));
        }
        let place = self.bytes.get_mut(range).ok_or_else(|| broken("metadata outside the file"))?;
        place.iter_mut().zip(content).for_each(|(old, new)| *old = *new);
        Ok(())
    }

    fn fill(&mut self, range: Range<usize>, value: u8) -> Result<(), Error> {
        let content = vec![value; range.len()];
        self.write(range, &content)
    }

    /// Makes a box into one that every reader skips. Its length stays, and with it the place of everything else.
    fn free(&mut self, part: &BoxAt) -> Result<(), Error> {
        self.fill(part.content.clone(), 0)?;
        self.write(part.start + 4..part.start + 8, b"free")
    }

    /// Zeroes what no picture uses within a range.
    fn unused(&mut self, range: Range<usize>) {
        let mut at = range.start;
        for used in &self.used {
            let (start, end) = (used.start.clamp(at, range.end), used.end.clamp(at, range.end));
            self.bytes[at..start].fill(0);
            at = end;
        }
        self.bytes[at..range.end].fill(0);
    }
}

fn merged(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_by_key(|range| range.start);
    let mut merged: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

#[cfg(test)]
mod tests;
