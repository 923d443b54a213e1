//! GIF 89a: palettes, frames and their control blocks stay, of the extensions only the loop count; the file ends at its trailer.

use crate::Error;

const EXTENSION: u8 = 0x21;
const IMAGE: u8 = 0x2c;
const TRAILER: u8 = 0x3b;

/// The extensions that say how often to play, by their 11 bytes of identifier and code.
const LOOPS: [&[u8; 11]; 2] = [b"NETSCAPE2.0", b"ANIMEXTS1.0"];

pub(super) fn strip(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    if !bytes.starts_with(b"GIF87a") && !bytes.starts_with(b"GIF89a") {
        return Err(Error::NotAnImage);
    }
    let mut walk = Walk { bytes, at: 0 };
    let mut clean = Vec::with_capacity(bytes.len());
    let head = walk.take(13)?;
    clean.extend_from_slice(head);
    clean.extend_from_slice(walk.take(palette_bytes(head[10]))?);
    // The control block that waits for its picture.
    let mut control: &[u8] = &[];
    let mut pictures = 0;
    loop {
        match walk.byte()? {
            EXTENSION => {
                let label = walk.byte()?;
                let blocks = walk.blocks()?;
                match label {
                    0xf9 => control = walk.since(blocks.len() + 2),
                    // Plain text is drawn like a picture and takes the control block with it.
                    0x01 => control = &[],
                    0xff => {
                        if let Some(count) = loop_count(blocks) {
                            clean.extend_from_slice(&[EXTENSION, 0xff, 11]);
                            clean.extend_from_slice(&blocks[1..12]);
                            clean.extend_from_slice(&[3, 1, count[0], count[1], 0]);
                        }
                    }
                    _ => {}
                }
            }
            IMAGE => {
                clean.extend_from_slice(std::mem::take(&mut control));
                clean.push(IMAGE);
                let head = walk.take(9)?;
                clean.extend_from_slice(head);
                clean.extend_from_slice(walk.take(palette_bytes(head[8]))?);
                clean.push(walk.byte()?);
                clean.extend_from_slice(walk.blocks()?);
                pictures += 1;
            }
            TRAILER => break,
            // Some writers pad between blocks; decoders skip it.
            0 => {}
            other => return Err(Error::broken(format_args!("GIF: block {other:02x} is not one"))),
        }
    }
    if pictures == 0 {
        return Err(Error::broken("GIF: there is no picture in it"));
    }
    clean.push(TRAILER);
    Ok(clean)
}

/// Bytes of the palette that these packed fields announce.
fn palette_bytes(packed: u8) -> usize {
    if packed & 0x80 == 0 { 0 } else { 3 << ((packed & 7) + 1) }
}

/// The two bytes of the count in a loop extension.
fn loop_count(blocks: &[u8]) -> Option<[u8; 2]> {
    let name = blocks.strip_prefix(&[11])?;
    match LOOPS.iter().find_map(|known| name.strip_prefix(known.as_slice()))? {
        [3, 1, low, high, ..] => Some([*low, *high]),
        _ => None,
    }
}

struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Walk<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let slice = self
            .bytes
            .get(self.at..self.at + count)
            .ok_or_else(|| Error::truncated("GIF: it ends before its trailer"))?;
        self.at += count;
        Ok(slice)
    }

    fn byte(&mut self) -> Result<u8, Error> {
        Ok(self.take(1)?[0])
    }

    /// Sub-blocks up to and with the empty one.
    fn blocks(&mut self) -> Result<&'a [u8], Error> {
        let start = self.at;
        loop {
            match self.byte()? {
                0 => return Ok(&self.bytes[start..self.at]),
                length => _ = self.take(usize::from(length))?,
            }
        }
    }

    /// The last `count` bytes that were taken.
    fn since(&self, count: usize) -> &'a [u8] {
        &self.bytes[self.at - count..self.at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"GIF89a\x01\0\x01\0\x80\0\0abcdef";
    const PICTURE: &[u8] = b"\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0";
    const CONTROL: &[u8] = b"\x21\xf9\x04\x01\x0a\0\x1f\0";
    const LOOP: &[u8] = b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x05\0\0";

    fn file(parts: &[&[u8]]) -> Vec<u8> {
        [HEAD, &parts.concat(), b"\x3b"].concat()
    }

    #[test]
    fn only_what_is_listed_stays() {
        let dirty = file(&[
            b"\x21\xfe\x06secret\0",
            LOOP,
            b"\x21\xff\x0bXMP DataXMP\x06secret\0",
            CONTROL,
            b"\x21\x01\x0ctext header.\x06secret\0",
            b"\0",
            CONTROL,
            b"\x21\xfe\x06secret\0",
            PICTURE,
        ]);
        let clean = file(&[LOOP, CONTROL, PICTURE]);
        assert_eq!(strip(&[&dirty[..], b"trailing"].concat()).unwrap(), clean);
        assert_eq!(strip(&clean).unwrap(), clean, "twice is once");
    }

    #[test]
    fn a_loop_extension_carries_nothing_but_its_count() {
        let dirty = file(&[b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x05\0\x06secret\0", PICTURE]);
        assert_eq!(strip(&dirty).unwrap(), file(&[LOOP, PICTURE]));
    }

    #[test]
    fn damage_is_refused() {
        let whole = file(&[LOOP, CONTROL, PICTURE]);
        for end in 0..whole.len() {
            assert!(strip(&whole[..end]).is_err(), "cut at {end}");
        }
        assert!(matches!(strip(&file(&[b"\x99", PICTURE])), Err(Error::Broken { .. })));
        assert!(matches!(strip(&file(&[LOOP])), Err(Error::Broken { .. })));
    }
}
