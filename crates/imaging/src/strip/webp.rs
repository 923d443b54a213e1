//! WebP (RFC 9649 section 2): chunks are kept or dropped, inside frames too, and the header's flags are made true again.

use super::Keep;
use crate::Error;
use crate::copyright::Copyright;
use crate::exif;

/// Flags of VP8X.
const HAS_XMP: u8 = 0x04;
const HAS_EXIF: u8 = 0x08;

/// Bytes of a frame before its own chunks: place, size, duration, flags.
const FRAME_HEAD_BYTES: usize = 16;

pub(super) fn strip(bytes: &[u8], keep: &Keep) -> Result<Vec<u8>, Error> {
    if !bytes.starts_with(b"RIFF") || bytes.get(8..12) != Some(b"WEBP") {
        return Err(Error::NotAnImage);
    }
    let announced = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]) as usize;
    let cut = || Error::truncated("WebP: it is shorter than its header says");
    // What lies behind the announced end is not part of the picture, and goes.
    let content = announced.checked_add(8).and_then(|end| bytes.get(12..end)).ok_or_else(cut)?;
    let mut header = None;
    let mut body = Vec::with_capacity(content.len());
    let mut copyright = Copyright::default();
    let mut pictures = 0;
    for chunk in chunks(content) {
        let (name, content) = chunk?;
        match &name {
            b"VP8X" if header.is_none() => header = content.first_chunk::<10>().copied(),
            b"ICCP" | b"ANIM" => append(&mut body, &name, content),
            b"ALPH" => append(&mut body, &name, content),
            b"VP8 " | b"VP8L" => {
                append(&mut body, &name, content);
                pictures += 1;
            }
            b"ANMF" => {
                append(&mut body, &name, &frame(content)?);
                pictures += 1;
            }
            b"EXIF" => copyright = Copyright::of_exif(&exif::read(content)),
            _ => {}
        }
    }
    if pictures == 0 {
        return Err(Error::broken("WebP: there is no picture in it"));
    }
    let mut clean = b"RIFF\0\0\0\0WEBP".to_vec();
    // Without VP8X there is nowhere to say that there is EXIF, and nobody reads it: nothing was turned, and nothing is kept.
    if let Some(mut header) = header {
        let exif = keep.exif(copyright);
        header[0] = header[0] & !(HAS_XMP | HAS_EXIF) | if exif.is_some() { HAS_EXIF } else { 0 };
        append(&mut clean, b"VP8X", &header);
        clean.append(&mut body);
        if let Some(tiff) = exif {
            append(&mut clean, b"EXIF", &tiff);
        }
    } else {
        clean.append(&mut body);
    }
    let size = u32::try_from(clean.len() - 8).map_err(|_| Error::broken("WebP: longer than its header can say"))?;
    clean[4..8].copy_from_slice(&size.to_le_bytes());
    Ok(clean)
}

/// A frame with nothing in it but its picture.
fn frame(content: &[u8]) -> Result<Vec<u8>, Error> {
    let (head, rest) =
        content.split_at_checked(FRAME_HEAD_BYTES).ok_or_else(|| Error::broken("WebP: a frame without its head"))?;
    let mut clean = head.to_vec();
    for chunk in chunks(rest) {
        let (name, content) = chunk?;
        if matches!(&name, b"ALPH" | b"VP8 " | b"VP8L") {
            append(&mut clean, &name, content);
        }
    }
    Ok(clean)
}

type Chunk<'a> = ([u8; 4], &'a [u8]);

fn chunks(bytes: &[u8]) -> impl Iterator<Item = Result<Chunk<'_>, Error>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let chunk = split(rest);
        rest = chunk.as_ref().map_or(&[], |(_, _, rest)| *rest);
        Some(
            chunk
                .map(|(name, content, _)| (name, content))
                .ok_or_else(|| Error::broken("WebP: a chunk reaches beyond its end")),
        )
    })
}

/// The first chunk and what follows it. The padding of a last chunk of odd length may be missing.
fn split(bytes: &[u8]) -> Option<([u8; 4], &[u8], &[u8])> {
    let ([n0, n1, n2, n3, length @ ..], rest) = bytes.split_first_chunk::<8>()?;
    let length = u32::from_le_bytes(*length) as usize;
    let (content, rest) = rest.split_at_checked(length)?;
    Some(([*n0, *n1, *n2, *n3], content, rest.get(length & 1..).unwrap_or(&[])))
}

fn append(out: &mut Vec<u8>, name: &[u8; 4], content: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(&(content.len() as u32).to_le_bytes());
    out.extend_from_slice(content);
    if content.len() % 2 == 1 {
        out.push(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Keep = Keep { orientation: 1, copyright: false };

    fn file(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let mut out = b"RIFF\0\0\0\0WEBP".to_vec();
        chunks.iter().for_each(|(name, content)| append(&mut out, name, content));
        let size = out.len() as u32 - 8;
        out[4..8].copy_from_slice(&size.to_le_bytes());
        out
    }

    fn framed(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let mut out = b"sixteen bytes...".to_vec();
        chunks.iter().for_each(|(name, content)| append(&mut out, name, content));
        out
    }

    #[test]
    fn only_what_is_listed_stays_and_the_flags_are_true() {
        let frame = framed(&[(b"ALPH", b"a"), (b"VP8 ", b"picture"), (b"what", b"secret")]);
        let dirty = file(&[
            (b"VP8X", &[0x3e, 0, 0, 0, 1, 0, 0, 1, 0, 0]),
            (b"ICCP", b"profile"),
            (b"ANIM", b"loops"),
            (b"ANMF", &frame),
            (b"EXIF", b"MM\0\x2asecret"),
            (b"XMP ", b"secret"),
            (b"what", b"secret"),
        ]);
        let clean = file(&[
            (b"VP8X", &[0x32, 0, 0, 0, 1, 0, 0, 1, 0, 0]),
            (b"ICCP", b"profile"),
            (b"ANIM", b"loops"),
            (b"ANMF", &framed(&[(b"ALPH", b"a"), (b"VP8 ", b"picture")])),
        ]);
        assert_eq!(strip(&[&dirty[..], b"trailing"].concat(), &PLAIN).unwrap(), clean);
        assert_eq!(strip(&clean, &PLAIN).unwrap(), clean, "twice is once");
    }

    #[test]
    fn orientation_stays_with_its_flag() {
        let dirty = file(&[(b"VP8X", &[4, 0, 0, 0, 1, 0, 0, 1, 0, 0]), (b"VP8L", b"picture"), (b"XMP ", b"secret")]);
        let clean = strip(&dirty, &Keep { orientation: 3, copyright: false }).unwrap();
        let tiff = exif::write(&exif::Facts { orientation: 3, artist: None, copyright: None }).unwrap();
        assert_eq!(clean, file(&[(b"VP8X", &[8, 0, 0, 0, 1, 0, 0, 1, 0, 0]), (b"VP8L", b"picture"), (b"EXIF", &tiff)]));
    }

    #[test]
    fn damage_is_refused() {
        let whole = file(&[(b"VP8 ", b"picture"), (b"XMP ", b"secret")]);
        for end in 0..whole.len() {
            assert!(strip(&whole[..end], &PLAIN).is_err(), "cut at {end}");
        }
        let mut long = whole.clone();
        long[16..20].fill(0xff);
        assert!(matches!(strip(&long, &PLAIN), Err(Error::Broken { .. })));
        let short_frame = file(&[(b"ANMF", b"fifteen bytes..")]);
        assert!(matches!(strip(&short_frame, &PLAIN), Err(Error::Broken { .. })));
        assert!(matches!(strip(&file(&[(b"XMP ", b"only")]), &PLAIN), Err(Error::Broken { .. })));
    }
}
