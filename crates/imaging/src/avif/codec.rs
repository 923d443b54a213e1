//! libaom behind safe types: one decoder, one encoder, one still picture each. All `unsafe` of the crate's AVIF lies in this file.
//! It must never decode a stream whose size was not announced, and every handle frees itself.

use std::ffi::{CStr, c_int};
use std::marker::PhantomData;
use std::mem::zeroed;
use std::ptr::{NonNull, null, null_mut};

use libaom_sys as aom;

use super::cicp::Cicp;
use super::container::{broken, unsupported};
use crate::{Error, Limits};

/// Frames in one item: a still has 1, a progressive one up to 4 layers. More is a bomb: a few bytes can repeat a whole frame.
const FRAMES_MAX: usize = 8;

/// A libaom context that has been initialised. Boxed, because the library may keep its address.
struct Context(Box<aom::aom_codec_ctx_t>);

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: only made after a successful init; destroyed once, here.
        unsafe { aom::aom_codec_destroy(&mut *self.0) };
    }
}

impl Context {
    /// The library's words for its last error.
    fn why(&self) -> String {
        // SAFETY: the context is initialised; both calls return null or NUL-terminated text that lives until the next call.
        let texts = unsafe { [aom::aom_codec_error(&*self.0), aom::aom_codec_error_detail(&*self.0)] };
        let text = |text: *const std::ffi::c_char| {
            // SAFETY: not null, and NUL-terminated as said above.
            (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
        };
        texts.into_iter().filter_map(text).collect::<Vec<_>>().join(": ")
    }

    /// Sets one control whose argument is an int.
    fn control(&mut self, id: u32, value: c_int) -> Result<(), Error> {
        // SAFETY: the context is initialised; every id passed in this file takes an int (aomcx.h).
        match unsafe { aom::aom_codec_control(&mut *self.0, id as c_int, value) } {
            aom::AOM_CODEC_OK => Ok(()),
            _ => Err(Error::encode(format_args!("libaom control {id}: {}", self.why()))),
        }
    }
}

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

/// The size in the sequence header.
fn announced_size(stream: &[u8]) -> Result<(u32, u32), Error> {
    // SAFETY: all-zero is a valid value of this plain struct of integers.
    let mut info: aom::aom_codec_stream_info_t = unsafe { zeroed() };
    // SAFETY: the pointer and length are of one live slice, which the library only reads.
    let code =
        unsafe { aom::aom_codec_peek_stream_info(aom::aom_codec_av1_dx(), stream.as_ptr(), stream.len(), &mut info) };
    if code != aom::AOM_CODEC_OK || info.w == 0 || info.h == 0 {
        return Err(broken("an AV1 stream without a readable sequence header"));
    }
    Ok((info.w, info.h))
}

/// Decodes one AV1 picture of exactly the size that its container announces.
pub(super) struct Decoder {
    context: Context,
}

impl Decoder {
    pub(super) fn new() -> Result<Decoder, Error> {
        // One thread: the caller's pool is what uses the other cores.
        let config = aom::aom_codec_dec_cfg_t { threads: 1, w: 0, h: 0, allow_lowbitdepth: 1 };
        // SAFETY: all-zero is how the library wants an unused context (aom_codec.h).
        let mut context: Box<aom::aom_codec_ctx_t> = Box::new(unsafe { zeroed() });
        // SAFETY: the library copies the configuration during the call.
        let code = unsafe {
            aom::aom_codec_dec_init_ver(
                &mut *context,
                aom::aom_codec_av1_dx(),
                &config,
                0,
                aom::AOM_DECODER_ABI_VERSION as c_int,
            )
        };
        if code != aom::AOM_CODEC_OK {
            return Err(Error::unsupported("AVIF: libaom has no decoder"));
        }
        Ok(Decoder { context: Context(context) })
    }

    /// Decodes `stream`; the picture borrows the decoder's buffers.
    pub(super) fn decode(&mut self, stream: &[u8], size: (u32, u32), limits: &Limits) -> Result<Picture<'_>, Error> {
        let stream = first_picture(stream)?;
        let announced = announced_size(stream)?;
        super::check_size(announced.0, announced.1, limits)?;
        if announced != size {
            return Err(broken("a picture of another size than its container says"));
        }
        // SAFETY: pointer and length are of one live slice, only read; the context is initialised.
        let code = unsafe { aom::aom_codec_decode(&mut *self.context.0, stream.as_ptr(), stream.len(), null_mut()) };
        match code {
            aom::AOM_CODEC_OK => {}
            aom::AOM_CODEC_MEM_ERROR => return Err(Error::encode("AVIF: libaom has no memory left")),
            aom::AOM_CODEC_UNSUP_BITSTREAM | aom::AOM_CODEC_UNSUP_FEATURE => {
                return Err(unsupported(&self.context.why()));
            }
            _ => return Err(broken(&self.context.why())),
        }
        let mut iterator: aom::aom_codec_iter_t = null();
        let mut last = None;
        // SAFETY: the context is initialised and `iterator` started as null; each pointer lives until the next decode.
        while let Some(image) = NonNull::new(unsafe { aom::aom_codec_get_frame(&mut *self.context.0, &mut iterator) }) {
            last = Some(image);
        }
        let image = last.ok_or_else(|| broken("no picture in the AV1 stream"))?;
        // The exclusive borrow of `self` in the returned picture keeps the decoder still while it is read.
        Picture::new(image, size)
    }
}

/// A decoded picture in planes.
pub(super) struct Picture<'a> {
    image: NonNull<aom::aom_image_t>,
    owner: PhantomData<&'a mut Decoder>,
}

impl Picture<'_> {
    fn new(image: NonNull<aom::aom_image_t>, size: (u32, u32)) -> Result<Self, Error> {
        let picture = Picture { image, owner: PhantomData };
        let facts = picture.facts();
        if (facts.d_w, facts.d_h) != size {
            return Err(broken("a picture of another size than its container says"));
        }
        let planar = [aom::AOM_IMG_FMT_I420, aom::AOM_IMG_FMT_I422, aom::AOM_IMG_FMT_I444];
        if !planar.contains(&(facts.fmt & !aom::AOM_IMG_FMT_HIGHBITDEPTH))
            || facts.x_chroma_shift > 1
            || facts.y_chroma_shift > 1
        {
            return Err(unsupported("this arrangement of planes"));
        }
        if ![8, 10, 12].contains(&facts.bit_depth) {
            return Err(unsupported("this bit depth"));
        }
        if facts.planes[..picture.planes()].iter().any(|plane| plane.is_null()) {
            return Err(broken("a plane is missing"));
        }
        Ok(picture)
    }

    fn facts(&self) -> &aom::aom_image_t {
        // SAFETY: the library's image lives as long as the decoder is not used again, which the borrow in `owner` prevents.
        unsafe { self.image.as_ref() }
    }

    pub(super) fn is_gray(&self) -> bool {
        self.facts().monochrome != 0
    }

    fn planes(&self) -> usize {
        if self.is_gray() { 1 } else { 3 }
    }

    /// Bits of a sample: 8, 10 or 12.
    pub(super) fn depth(&self) -> u32 {
        self.facts().bit_depth
    }

    /// Whether chroma has half as many columns, rows.
    pub(super) fn subsampled(&self) -> (bool, bool) {
        (self.facts().x_chroma_shift == 1, self.facts().y_chroma_shift == 1)
    }

    /// What the stream itself says about its colours.
    pub(super) fn cicp(&self) -> Cicp {
        let facts = self.facts();
        Cicp {
            primaries: facts.cp as u16,
            transfer: facts.tc as u16,
            matrix: facts.mc as u16,
            full_range: facts.range == aom::AOM_CR_FULL_RANGE,
        }
    }

    pub(super) fn plane_size(&self, plane: usize) -> (usize, usize) {
        let facts = self.facts();
        let (shift_x, shift_y) = if plane == 0 { (0, 0) } else { (facts.x_chroma_shift, facts.y_chroma_shift) };
        (((facts.d_w + shift_x) >> shift_x) as usize, ((facts.d_h + shift_y) >> shift_y) as usize)
    }

    /// Copies one row of samples. Panics, never reads outside, if the plane, row or length is not the picture's.
    pub(super) fn row(&self, plane: usize, y: usize, samples: &mut [u16]) {
        let (width, height) = self.plane_size(plane);
        assert!(plane < self.planes() && y < height && samples.len() == width);
        let facts = self.facts();
        let start = facts.planes[plane].cast_const();
        let offset = y as isize * facts.stride[plane] as isize;
        if facts.fmt & aom::AOM_IMG_FMT_HIGHBITDEPTH == 0 {
            // SAFETY: the plane is not null (checked in `new`) and holds `height` rows of at least `width` bytes, `stride` apart.
            let row = unsafe { std::slice::from_raw_parts(start.offset(offset), width) };
            samples.iter_mut().zip(row).for_each(|(sample, byte)| *sample = u16::from(*byte));
        } else {
            // SAFETY: as above with two bytes a sample; the library aligns rows to 16 bytes or more, and strides are in bytes.
            let row = unsafe { std::slice::from_raw_parts(start.offset(offset).cast::<u16>(), width) };
            samples.copy_from_slice(row);
        }
    }
}

/// How to encode one picture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Effort {
    /// libaom's quantiser scale, 0 (lossless) to 63.
    pub(super) cq_level: u8,
    /// libaom's `cpu-used`, 0 to 9.
    pub(super) speed: u8,
    /// Tune for what eyes see rather than for the least error.
    pub(super) perceptual: bool,
}

/// 8-bit planes, rows tight; without chroma the picture is gray.
pub(super) struct Planes {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) luma: Vec<u8>,
    pub(super) chroma: Option<[Vec<u8>; 2]>,
    /// Whether chroma has as many columns and rows as luma (4:4:4), or half as many, rounded up (4:2:0).
    pub(super) whole_chroma: bool,
}

/// An image of the library's own.
struct Image(NonNull<aom::aom_image_t>);

impl Drop for Image {
    fn drop(&mut self) {
        // SAFETY: made by aom_img_alloc and freed once, here.
        unsafe { aom::aom_img_free(self.0.as_ptr()) };
    }
}

impl Image {
    fn of(planes: &Planes, cicp: Cicp) -> Result<Image, Error> {
        let format = if planes.whole_chroma { aom::AOM_IMG_FMT_I444 } else { aom::AOM_IMG_FMT_I420 };
        // SAFETY: a null first argument asks the library to allocate the descriptor too; it returns null on failure.
        let image = unsafe { aom::aom_img_alloc(null_mut(), format, planes.width, planes.height, 32) };
        let mut image =
            Image(NonNull::new(image).ok_or_else(|| Error::encode("libaom has no memory for the picture"))?);
        // SAFETY: just made, not shared.
        let facts = unsafe { image.0.as_mut() };
        facts.monochrome = c_int::from(planes.chroma.is_none());
        facts.range = if cicp.full_range { aom::AOM_CR_FULL_RANGE } else { aom::AOM_CR_STUDIO_RANGE };
        (facts.cp, facts.tc, facts.mc) = (cicp.primaries.into(), cicp.transfer.into(), cicp.matrix.into());
        let (width, height) = (planes.width as usize, planes.height as usize);
        let small = if planes.whole_chroma { (width, height) } else { (width.div_ceil(2), height.div_ceil(2)) };
        let gray;
        let chroma = match &planes.chroma {
            Some([u, v]) => [u.as_slice(), v.as_slice()],
            None => {
                gray = vec![128; small.0 * small.1];
                [gray.as_slice(), gray.as_slice()]
            }
        };
        for (plane, (pixels, (width, height))) in
            [(planes.luma.as_slice(), (width, height)), (chroma[0], small), (chroma[1], small)].into_iter().enumerate()
        {
            assert_eq!(pixels.len(), width * height);
            let stride = facts.stride[plane] as usize;
            assert!(stride >= width && !facts.planes[plane].is_null());
            for (y, row) in pixels.chunks_exact(width).enumerate() {
                // SAFETY: the library allocated `height` rows of `stride` bytes for this plane, and width <= stride.
                unsafe { std::ptr::copy_nonoverlapping(row.as_ptr(), facts.planes[plane].add(y * stride), width) };
            }
        }
        Ok(image)
    }
}

/// Encodes one still picture into an AV1 stream.
pub(super) fn encode(planes: &Planes, cicp: Cicp, effort: Effort) -> Result<Vec<u8>, Error> {
    // SAFETY: all-zero is a valid value of this plain struct; the library fills it.
    let mut config: aom::aom_codec_enc_cfg_t = unsafe { zeroed() };
    // SAFETY: the interface pointer is the library's own constant.
    let code =
        unsafe { aom::aom_codec_enc_config_default(aom::aom_codec_av1_cx(), &mut config, aom::AOM_USAGE_ALL_INTRA) };
    if code != aom::AOM_CODEC_OK {
        return Err(Error::encode("libaom has no encoder"));
    }
    (config.g_w, config.g_h) = (planes.width, planes.height);
    config.g_profile = u32::from(planes.whole_chroma);
    config.g_threads = 1;
    config.g_limit = 1;
    config.g_lag_in_frames = 0;
    config.rc_end_usage = aom::AOM_Q;
    config.rc_max_quantizer = 63;
    config.monochrome = u32::from(planes.chroma.is_none());
    // SAFETY: all-zero is how the library wants an unused context.
    let mut context: Box<aom::aom_codec_ctx_t> = Box::new(unsafe { zeroed() });
    // SAFETY: the library copies the configuration during the call.
    let code = unsafe {
        aom::aom_codec_enc_init_ver(
            &mut *context,
            aom::aom_codec_av1_cx(),
            &config,
            0,
            aom::AOM_ENCODER_ABI_VERSION as c_int,
        )
    };
    if code != aom::AOM_CODEC_OK {
        return Err(Error::encode(format_args!("libaom does not take this picture: code {code}")));
    }
    let mut context = Context(context);
    let tuning = if effort.perceptual { aom::AOM_TUNE_SSIM } else { aom::AOM_TUNE_PSNR };
    let range = if cicp.full_range { aom::AOM_CR_FULL_RANGE } else { aom::AOM_CR_STUDIO_RANGE };
    for (id, value) in [
        (aom::AOME_SET_CPUUSED, c_int::from(effort.speed)),
        (aom::AOME_SET_CQ_LEVEL, c_int::from(effort.cq_level)),
        (aom::AOME_SET_TUNING, tuning as c_int),
        (aom::AV1E_SET_COLOR_PRIMARIES, c_int::from(cicp.primaries)),
        (aom::AV1E_SET_TRANSFER_CHARACTERISTICS, c_int::from(cicp.transfer)),
        (aom::AV1E_SET_MATRIX_COEFFICIENTS, c_int::from(cicp.matrix)),
        (aom::AV1E_SET_COLOR_RANGE, range as c_int),
    ] {
        context.control(id, value)?;
    }
    let image = Image::of(planes, cicp)?;
    let mut stream = Vec::new();
    // The second call flushes.
    for input in [image.0.as_ptr().cast_const(), null()] {
        // SAFETY: the context is initialised; the image outlives the call, null means the end.
        if unsafe { aom::aom_codec_encode(&mut *context.0, input, 0, 1, 0) } != aom::AOM_CODEC_OK {
            return Err(Error::encode(format_args!("libaom: {}", context.why())));
        }
        collect(&mut context, &mut stream);
    }
    if stream.is_empty() {
        return Err(Error::encode("libaom made nothing"));
    }
    Ok(stream)
}

/// Appends the packets that are ready.
fn collect(context: &mut Context, stream: &mut Vec<u8>) {
    let mut iterator: aom::aom_codec_iter_t = null();
    // SAFETY: the context is initialised and `iterator` started as null; a packet lives until the next encode.
    while let Some(packet) = unsafe { aom::aom_codec_get_cx_data(&mut *context.0, &mut iterator).as_ref() } {
        if packet.kind != aom::AOM_CODEC_CX_FRAME_PKT {
            continue;
        }
        // SAFETY: the kind says which member of the union is set; buffer and size are one live allocation of the library.
        stream.extend_from_slice(unsafe {
            let frame = packet.data.frame;
            std::slice::from_raw_parts(frame.buf.cast::<u8>(), frame.sz)
        });
    }
}

#[cfg(test)]
mod tests;
