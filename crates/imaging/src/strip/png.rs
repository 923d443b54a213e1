//! PNG (third edition, section 5): chunks are kept or dropped whole, and the file ends with IEND.

use super::Keep;
use crate::Error;
use crate::copyright::Copyright;
use crate::exif;

const SIGNATURE: &[u8; 8] = b"\x89PNG\r\n\x1a\n";

/// What stays: the picture, what its colours mean, how large a pixel is, and how it moves. `mDCv` and `cLLi` are the names that
/// writers used before the third edition.
const KEPT: [&[u8; 4]; 20] = [
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"sBIT", b"mDCV",
    b"cLLI", b"mDCv", b"cLLi", b"pHYs", b"bKGD", b"acTL", b"fcTL", b"fdAT",
];

pub(super) fn strip(bytes: &[u8], keep: &Keep) -> Result<Vec<u8>, Error> {
    if !bytes.starts_with(SIGNATURE) {
        return Err(Error::NotAnImage);
    }
    let mut chunks = Vec::new();
    let mut copyright = Copyright::default();
    let mut at = SIGNATURE.len();
    loop {
        let chunk = Chunk::read(bytes, at)?;
        at += chunk.whole.len();
        if chunks.is_empty() && &chunk.name != b"IHDR" {
            return Err(Error::broken("PNG: IHDR is not first"));
        }
        match &chunk.name {
            name if KEPT.contains(&name) => {
                // Decoders stop at a wrong checksum; to pass one on would be to serve a broken picture.
                if !chunk.is_sound() {
                    return Err(Error::broken("PNG: a wrong checksum"));
                }
                let last = name == b"IEND";
                chunks.push(chunk);
                if last {
                    break;
                }
            }
            b"eXIf" => copyright = Copyright::of_exif(&exif::read(chunk.content)),
            [first, ..] if first & 0x20 == 0 => {
                return Err(Error::unsupported("PNG: a critical chunk that is not in the standard"));
            }
            _ => {}
        }
    }
    let picture = chunks.iter().position(|chunk| &chunk.name == b"IDAT");
    let picture = picture.ok_or_else(|| Error::truncated("PNG: there is no picture in it"))?;
    let mut clean = SIGNATURE.to_vec();
    for (index, chunk) in chunks.iter().enumerate() {
        if index == picture
            && let Some(tiff) = keep.exif(std::mem::take(&mut copyright))
        {
            append(&mut clean, b"eXIf", &tiff);
        }
        clean.extend_from_slice(chunk.whole);
    }
    Ok(clean)
}

struct Chunk<'a> {
    name: [u8; 4],
    content: &'a [u8],
    /// With length, name and checksum.
    whole: &'a [u8],
}

impl<'a> Chunk<'a> {
    fn read(bytes: &'a [u8], at: usize) -> Result<Chunk<'a>, Error> {
        let short = || Error::truncated("PNG: it ends before IEND");
        let rest = bytes.get(at..).ok_or_else(short)?;
        let (head, _) = rest.split_first_chunk::<8>().ok_or_else(short)?;
        let [l0, l1, l2, l3, name @ ..] = *head;
        let length = u32::from_be_bytes([l0, l1, l2, l3]) as usize;
        let whole = length.checked_add(12).and_then(|end| rest.get(..end)).ok_or_else(short)?;
        Ok(Chunk { name, content: &whole[8..8 + length], whole })
    }

    fn is_sound(&self) -> bool {
        let (covered, sum) = self.whole.split_at(self.whole.len() - 4);
        checksum(&covered[4..]).to_be_bytes() == sum
    }
}

fn append(out: &mut Vec<u8>, name: &[u8; 4], content: &[u8]) {
    out.extend_from_slice(&(content.len() as u32).to_be_bytes());
    let start = out.len();
    out.extend_from_slice(name);
    out.extend_from_slice(content);
    let sum = checksum(&out[start..]);
    out.extend_from_slice(&sum.to_be_bytes());
}

/// CRC-32 of ISO 3309 (PNG annex D).
fn checksum(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut index = 0;
        while index < 256 {
            let mut value = index as u32;
            let mut bit = 0;
            while bit < 8 {
                value = if value & 1 == 1 { 0xedb8_8320 ^ (value >> 1) } else { value >> 1 };
                bit += 1;
            }
            table[index] = value;
            index += 1;
        }
        table
    };
    !bytes.iter().fold(u32::MAX, |sum, byte| TABLE[usize::from(sum as u8 ^ byte)] ^ (sum >> 8))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Keep = Keep { orientation: 1, copyright: false };

    fn file(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let mut out = SIGNATURE.to_vec();
        chunks.iter().for_each(|(name, content)| append(&mut out, name, content));
        out
    }

    #[test]
    fn the_checksum_is_the_standards() {
        assert_eq!(checksum(b"IEND"), 0xae42_6082);
        assert_eq!(checksum(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn only_what_is_listed_stays() {
        let dirty = file(&[
            (b"IHDR", b"header"),
            (b"tEXt", b"Author\0secret"),
            (b"iCCP", b"profile"),
            (b"zTXt", b"secret"),
            (b"iTXt", b"XML:com.adobe.xmp\0secret"),
            (b"tIME", b"now"),
            (b"prVt", b"secret"),
            (b"acTL", b"frames"),
            (b"IDAT", b"one"),
            (b"IDAT", b"two"),
            (b"fdAT", b"three"),
            (b"eXIf", b"MM\0\x2asecret"),
            (b"IEND", b""),
        ]);
        let clean = file(&[
            (b"IHDR", b"header"),
            (b"iCCP", b"profile"),
            (b"acTL", b"frames"),
            (b"IDAT", b"one"),
            (b"IDAT", b"two"),
            (b"fdAT", b"three"),
            (b"IEND", b""),
        ]);
        assert_eq!(strip(&[&dirty[..], b"trailing secret"].concat(), &PLAIN).unwrap(), clean);
        assert_eq!(strip(&clean, &PLAIN).unwrap(), clean, "twice is once");
    }

    #[test]
    fn orientation_stays_before_the_picture() {
        let dirty = file(&[(b"IHDR", b"header"), (b"PLTE", b"p"), (b"IDAT", b"one"), (b"IEND", b"")]);
        let clean = strip(&dirty, &Keep { orientation: 8, copyright: false }).unwrap();
        let tiff = exif::write(&exif::Facts { orientation: 8, artist: None, copyright: None }).unwrap();
        let wanted =
            file(&[(b"IHDR", b"header"), (b"PLTE", b"p"), (b"eXIf", &tiff), (b"IDAT", b"one"), (b"IEND", b"")]);
        assert_eq!(clean, wanted);
    }

    #[test]
    fn damage_is_refused() {
        let whole = file(&[(b"IHDR", b"header"), (b"tEXt", b"text"), (b"IDAT", b"one"), (b"IEND", b"")]);
        for end in 0..whole.len() {
            assert!(strip(&whole[..end], &PLAIN).is_err(), "cut at {end}");
        }
        let mut wrong = whole.clone();
        let at = wrong.windows(4).position(|window| window == b"IDAT").unwrap() + 4;
        wrong[at] ^= 1;
        assert!(matches!(strip(&wrong, &PLAIN), Err(Error::Broken { .. })));
        let mut long = whole.clone();
        long[8..12].fill(0xff);
        assert!(matches!(strip(&long, &PLAIN), Err(Error::Truncated { .. })));
        let unknown = file(&[(b"IHDR", b"header"), (b"NEWC", b""), (b"IDAT", b"one"), (b"IEND", b"")]);
        assert!(matches!(strip(&unknown, &PLAIN), Err(Error::Unsupported { .. })));
        assert!(strip(&file(&[(b"IDAT", b"one"), (b"IEND", b"")]), &PLAIN).is_err());
        assert!(strip(&file(&[(b"IHDR", b"header"), (b"IEND", b"")]), &PLAIN).is_err());
    }
}
