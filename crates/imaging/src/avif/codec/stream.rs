//! The units of an AV1 stream, looked at before the library sees them. It must never read past the end of the stream.

use crate::Error;
use crate::avif::boxes::{broken, unsupported};

/// Frames in one item: a still has 1, a progressive one up to 4 layers. More is a bomb: a few bytes can repeat a whole frame.
const FRAMES_MAX: usize = 8;

/// Looks at the units (OBUs) of a stream and returns the part that holds its first picture.
///
/// The library allocates by whatever sequence header comes last, so all of them must be equal to the one that is checked.
pub(super) fn first_picture(stream: &[u8]) -> Result<&[u8], Error> {
    const SEQUENCE_HEADER: u8 = 1;
    const TEMPORAL_DELIMITER: u8 = 2;
    const FRAME_HEADER: u8 = 3;
    const FRAME: u8 = 6;
    const TILE_LIST: u8 = 8;
    let cut = || Error::truncated("AVIF: the AV1 stream ends early");
    let (mut at, mut frames, mut sequence) = (0, 0, None);
    while at < stream.len() {
        let start = at;
        let head = stream[at];
        at += if head & 4 == 0 { 1 } else { 2 };
        let size = if head & 2 == 0 {
            stream.len().checked_sub(at).ok_or_else(cut)?
        } else {
            let (size, bytes) = leb128(stream.get(at..).unwrap_or(&[])).ok_or_else(cut)?;
            at += bytes;
            size
        };
        let content = at.checked_add(size).and_then(|end| stream.get(at..end)).ok_or_else(cut)?;
        at += size;
        match (head >> 3) & 15 {
            TEMPORAL_DELIMITER if frames > 0 => return Ok(&stream[..start]),
            SEQUENCE_HEADER if *sequence.get_or_insert(content) != content => {
                return Err(unsupported("a picture whose size changes"));
            }
            FRAME_HEADER | FRAME => frames += 1,
            TILE_LIST => return Err(unsupported("tile lists")),
            _ => {}
        }
        if frames > FRAMES_MAX {
            return Err(unsupported("more frames in a still picture than it can have layers"));
        }
    }
    match (sequence, frames) {
        (None, _) => Err(broken("an AV1 stream without a sequence header")),
        (_, 0) => Err(cut()),
        _ => Ok(stream),
    }
}

/// A little-endian base-128 number of up to 8 bytes, and how many it took.
fn leb128(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0u64;
    for (index, byte) in bytes.iter().take(8).enumerate() {
        value |= u64::from(byte & 0x7f) << (index * 7);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, index + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_bounded_and_sequence_headers_agree() {
        let sequence = [0x0a, 2, 1, 2];
        let frame = [0x32, 1, 9];
        let delimiter = [0x12, 0];
        let still = [&delimiter[..], &sequence, &frame].concat();
        assert_eq!(first_picture(&still).unwrap(), still);
        let two = [&still[..], &still].concat();
        assert_eq!(first_picture(&two).unwrap(), still, "a second picture is left out");
        let many = |count| [&sequence[..], &frame.repeat(count)].concat();
        assert!(first_picture(&many(FRAMES_MAX)).is_ok());
        assert!(first_picture(&many(FRAMES_MAX + 1)).is_err());
        let other = [&sequence[..], &[0x0a, 2, 1, 3], &frame].concat();
        assert!(matches!(first_picture(&other), Err(Error::Unsupported { .. })));
        for end in 0..still.len() {
            assert!(first_picture(&still[..end]).is_err(), "cut at {end}");
        }
        assert!(first_picture(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]).is_err());
    }
}
