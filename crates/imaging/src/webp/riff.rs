//! The WebP container (RFC 9649, section 2): what chunks there are and where, and how to put one around other chunks.

use std::ops::Range;

use crate::encode::About;
use crate::{Error, Limits};

/// One chunk.
#[derive(Debug, Clone)]
pub(super) struct Chunk {
    pub(super) name: [u8; 4],
    pub(super) body: Range<usize>,
}

/// What was found. Ranges lie inside the file.
#[derive(Debug, Default)]
pub(super) struct Container {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) alpha: bool,
    /// How often it plays; 0 = for ever.
    pub(super) loops: u16,
    /// Bodies of the ANMF chunks; empty in a still.
    pub(super) frames: Vec<Range<usize>>,
    /// ALPH, VP8 and VP8L of a still.
    pub(super) image: Vec<Chunk>,
    pub(super) icc: Option<Range<usize>>,
    pub(super) exif: Option<Range<usize>>,
}

/// Reads the chunks of `bytes[at..end]`. A chunk that reaches past the end is damage.
pub(super) fn chunks(bytes: &[u8], at: usize, end: usize) -> Result<Vec<Chunk>, Error> {
    let mut found = Vec::new();
    let mut at = at;
    while at < end {
        let header =
            bytes.get(at..at + 8).filter(|_| at + 8 <= end).ok_or_else(|| Error::broken("a chunk without a header"))?;
        let length = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
        let body = at + 8
            ..(at + 8)
                .checked_add(length)
                .filter(|stop| *stop <= end)
                .ok_or_else(|| Error::broken("a chunk too long"))?;
        at = body.end + (length & 1);
        found.push(Chunk { name: [header[0], header[1], header[2], header[3]], body });
    }
    Ok(found)
}

/// Reads the whole container. The file may be longer than it says, never shorter.
pub(super) fn read(bytes: &[u8], limits: &Limits) -> Result<Container, Error> {
    let header = bytes.get(..12).ok_or_else(|| Error::truncated("the file ends within its header"))?;
    let riff_bytes = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
    let end = riff_bytes.checked_add(8).filter(|end| *end <= bytes.len());
    let end = end.ok_or_else(|| {
        Error::truncated(format!("{} bytes, the header says {}", bytes.len(), riff_bytes.saturating_add(8)))
    })?;
    let chunks = chunks(bytes, 12, end)?;
    let first = chunks.first().ok_or_else(|| Error::broken("no chunk"))?;
    let mut container = Container::default();
    if &first.name == b"VP8X" {
        let body = bytes[first.body.clone()].first_chunk::<10>().ok_or_else(|| Error::broken("VP8X too short"))?;
        container.alpha = body[0] & 0x10 != 0;
        container.width = u24(&body[4..]) + 1;
        container.height = u24(&body[7..]) + 1;
        if body[0] & 0x02 != 0 {
            read_animation(bytes, &chunks, limits, &mut container)?;
        }
    }
    let is_bitstream = |chunk: &&Chunk| matches!(&chunk.name, b"VP8 " | b"VP8L");
    if container.frames.is_empty() {
        let image = chunks.iter().find(is_bitstream).ok_or_else(|| Error::broken("no picture"))?;
        let alpha = chunks.iter().find(|chunk| &chunk.name == b"ALPH" && chunk.body.start < image.body.start);
        let (width, height, has_alpha) = bitstream_size(image, &bytes[image.body.clone()])?;
        if &first.name == b"VP8X" && (width, height) != (container.width, container.height) {
            return Err(Error::broken("the picture is not as large as its canvas"));
        }
        (container.width, container.height) = (width, height);
        container.alpha = has_alpha || alpha.is_some();
        container.image = alpha.into_iter().chain([image]).cloned().collect();
    }
    let metadata = |name: &[u8; 4]| chunks.iter().find(|chunk| &chunk.name == name).map(|chunk| chunk.body.clone());
    container.icc = metadata(b"ICCP");
    container.exif = metadata(b"EXIF");
    let metadata_bytes: usize = [&container.icc, &container.exif].into_iter().flatten().map(Range::len).sum();
    limits.admit_metadata(metadata_bytes as u64)?;
    limits.admit(container.width, container.height, container.frames.len().max(1) as u64)?;
    Ok(container)
}

fn read_animation(bytes: &[u8], chunks: &[Chunk], limits: &Limits, container: &mut Container) -> Result<(), Error> {
    let control =
        chunks.iter().find(|chunk| &chunk.name == b"ANIM").ok_or_else(|| Error::broken("an animation without ANIM"))?;
    let control = bytes[control.body.clone()].first_chunk::<6>().ok_or_else(|| Error::broken("ANIM too short"))?;
    container.loops = u16::from_le_bytes([control[4], control[5]]);
    container.frames = chunks.iter().filter(|chunk| &chunk.name == b"ANMF").map(|chunk| chunk.body.clone()).collect();
    match container.frames.len() as u64 {
        0 => Err(Error::broken("an animation without frames")),
        frames if frames > u64::from(limits.frames_max) => {
            Err(Error::TooManyFrames { asked: frames, max: limits.frames_max.into() })
        }
        _ => Ok(()),
    }
}

pub(super) fn u24(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0])
}

/// Width, height and whether there is alpha, from the head of a bitstream (RFC 6386 section 9.1, RFC 9649 section 3.4).
pub(super) fn bitstream_size(chunk: &Chunk, body: &[u8]) -> Result<(u32, u32, bool), Error> {
    let short = || Error::truncated("the file ends within a bitstream's header");
    let (width, height, alpha) = if &chunk.name == b"VP8L" {
        let head = body.first_chunk::<5>().ok_or_else(short)?;
        let word = u32::from_le_bytes([head[1], head[2], head[3], head[4]]);
        ((word & 0x3fff) + 1, (word >> 14 & 0x3fff) + 1, word >> 28 & 1 == 1)
    } else {
        let head = body.first_chunk::<10>().ok_or_else(short)?;
        let side = |at: usize| u32::from(u16::from_le_bytes([head[at], head[at + 1]]) & 0x3fff);
        (side(6), side(8), false)
    };
    if width == 0 || height == 0 {
        return Err(Error::broken(format!("{width}x{height} pixels")));
    }
    Ok((width, height, alpha))
}

/// A file of these chunks.
pub(super) fn write(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut file = b"RIFF\0\0\0\0WEBP".to_vec();
    for (name, body) in chunks {
        file.extend_from_slice(*name);
        file.extend_from_slice(&(body.len() as u32).to_le_bytes());
        file.extend_from_slice(body);
        file.resize(file.len() + (body.len() & 1), 0);
    }
    let riff_bytes = (file.len() as u32 - 8).to_le_bytes();
    file[4..8].copy_from_slice(&riff_bytes);
    file
}

/// The body of a VP8X chunk.
pub(super) fn extended_header(width: u32, height: u32, flags: u8) -> [u8; 10] {
    let [w0, w1, w2, _] = (width - 1).to_le_bytes();
    let [h0, h1, h2, _] = (height - 1).to_le_bytes();
    [flags, 0, 0, 0, w0, w1, w2, h0, h1, h2]
}

/// The same picture or animation with this said about it, and nothing else.
pub(crate) fn with_about(webp: &[u8], about: &About<'_>) -> Result<Vec<u8>, Error> {
    let container = read(webp, &Limits { metadata_bytes_max: u64::MAX, ..Limits::default() })?;
    let old = chunks(webp, 12, webp.len())?;
    let flags = old.iter().find(|chunk| &chunk.name == b"VP8X").and_then(|chunk| webp.get(chunk.body.start)).copied();
    let flags = flags.unwrap_or(if container.alpha { 0x10 } else { 0 });
    let flags = flags | about.icc.map_or(0, |_| 0x20) | about.exif.map_or(0, |_| 0x08);
    let head = extended_header(container.width, container.height, flags);
    let kept = old.iter().filter(|chunk| !matches!(&chunk.name, b"VP8X" | b"ICCP" | b"EXIF"));
    let mut parts: Vec<(&[u8; 4], &[u8])> = vec![(b"VP8X", &head)];
    // The profile stands before the picture, EXIF behind it.
    parts.extend(about.icc.map(|icc| (b"ICCP", icc)));
    parts.extend(kept.map(|chunk| (&chunk.name, &webp[chunk.body.clone()])));
    parts.extend(about.exif.map(|tiff| (b"EXIF", tiff)));
    Ok(write(&parts))
}
