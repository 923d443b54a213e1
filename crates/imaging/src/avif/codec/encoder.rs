//! The encoder: one still picture of 8-bit planes.

use std::ffi::c_int;
use std::mem::zeroed;
use std::ptr::{NonNull, null, null_mut};

use libaom_sys as aom;

use super::Context;
use crate::Error;
use crate::avif::Cicp;

/// How to encode one picture.
#[derive(Debug, Clone, Copy)]
pub(in crate::avif) struct Effort {
    /// libaom's quantiser scale, 0 (lossless) to 63.
    pub(in crate::avif) cq_level: u8,
    /// libaom's `cpu-used`, 0 to 9.
    pub(in crate::avif) speed: u8,
    /// Tune for what eyes see rather than for the least error.
    pub(in crate::avif) perceptual: bool,
}

/// 8-bit planes, rows tight; without chroma the picture is gray.
pub(in crate::avif) struct Planes {
    pub(in crate::avif) width: u32,
    pub(in crate::avif) height: u32,
    pub(in crate::avif) luma: Vec<u8>,
    pub(in crate::avif) chroma: Option<[Vec<u8>; 2]>,
    /// Whether chroma has as many columns and rows as luma (4:4:4), or half as many, rounded up (4:2:0).
    pub(in crate::avif) whole_chroma: bool,
}

/// An image of the library's own.
pub(super) struct Image(pub(super) NonNull<aom::aom_image_t>);

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
pub(in crate::avif) fn encode(planes: &Planes, cicp: Cicp, effort: Effort) -> Result<Vec<u8>, Error> {
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
pub(super) fn collect(context: &mut Context, stream: &mut Vec<u8>) {
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
