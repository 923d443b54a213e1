//! The decoder: one still picture, of exactly the size that was announced. Its planes are borrowed, row by row.

use std::ffi::c_int;
use std::marker::PhantomData;
use std::mem::zeroed;
use std::ptr::{NonNull, null, null_mut};

use libaom_sys as aom;

use super::Context;
use super::stream::first_picture;
use crate::avif::Cicp;
use crate::avif::boxes::{broken, unsupported};
use crate::{Error, Limits};

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
pub(in crate::avif) struct Decoder {
    context: Context,
}

impl Decoder {
    pub(in crate::avif) fn new() -> Result<Decoder, Error> {
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
    pub(in crate::avif) fn decode(
        &mut self,
        stream: &[u8],
        size: (u32, u32),
        limits: &Limits,
    ) -> Result<Picture<'_>, Error> {
        let stream = first_picture(stream)?;
        let announced = announced_size(stream)?;
        crate::avif::check_size(announced.0, announced.1, limits)?;
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
pub(in crate::avif) struct Picture<'a> {
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

    pub(in crate::avif) fn is_gray(&self) -> bool {
        self.facts().monochrome != 0
    }

    fn planes(&self) -> usize {
        if self.is_gray() { 1 } else { 3 }
    }

    /// Bits of a sample: 8, 10 or 12.
    pub(in crate::avif) fn depth(&self) -> u32 {
        self.facts().bit_depth
    }

    /// Whether chroma has half as many columns, rows.
    pub(in crate::avif) fn subsampled(&self) -> (bool, bool) {
        (self.facts().x_chroma_shift == 1, self.facts().y_chroma_shift == 1)
    }

    /// What the stream itself says about its colours.
    pub(in crate::avif) fn cicp(&self) -> Cicp {
        let facts = self.facts();
        Cicp {
            primaries: facts.cp as u16,
            transfer: facts.tc as u16,
            matrix: facts.mc as u16,
            full_range: facts.range == aom::AOM_CR_FULL_RANGE,
        }
    }

    pub(in crate::avif) fn plane_size(&self, plane: usize) -> (usize, usize) {
        let facts = self.facts();
        let (shift_x, shift_y) = if plane == 0 { (0, 0) } else { (facts.x_chroma_shift, facts.y_chroma_shift) };
        (((facts.d_w + shift_x) >> shift_x) as usize, ((facts.d_h + shift_y) >> shift_y) as usize)
    }

    /// Copies one row of samples. Panics, never reads outside, if the plane, row or length is not the picture's.
    pub(in crate::avif) fn row(&self, plane: usize, y: usize, samples: &mut [u16]) {
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
