//! Rows of deep and differently subsampled pictures, which this crate reads but does not write.

use std::mem::zeroed;
use std::ptr::{NonNull, null, null_mut};

use super::encoder::{Image, collect};
use super::*;
use crate::Limits;

/// The sample at a place of a plane: a slope, within the depth.
fn sample(plane: usize, x: usize, y: usize, depth: u32) -> u16 {
    (((x + 2 * y) << (depth - 8)) as u16 + (plane as u16) * 16) & ((1 << depth) - 1)
}

/// Encodes such slopes, without loss, in any depth and subsampling.
fn slopes(width: u32, height: u32, depth: u32, format: aom::aom_img_fmt, profile: u32) -> Vec<u8> {
    // SAFETY: as in `encode`; the calls and their order are the same, with another image.
    unsafe {
        let mut config: aom::aom_codec_enc_cfg_t = zeroed();
        assert_eq!(
            aom::aom_codec_enc_config_default(aom::aom_codec_av1_cx(), &mut config, aom::AOM_USAGE_ALL_INTRA),
            0
        );
        (config.g_w, config.g_h, config.g_limit, config.g_lag_in_frames) = (width, height, 1, 0);
        (config.g_profile, config.g_bit_depth, config.g_input_bit_depth) = (profile, depth, depth);
        config.rc_end_usage = aom::AOM_Q;
        let mut context: Box<aom::aom_codec_ctx_t> = Box::new(zeroed());
        let flags = i64::from(aom::AOM_CODEC_USE_HIGHBITDEPTH);
        let version = aom::AOM_ENCODER_ABI_VERSION as c_int;
        assert_eq!(aom::aom_codec_enc_init_ver(&mut *context, aom::aom_codec_av1_cx(), &config, flags, version), 0);
        let mut context = Context(context);
        context.control(aom::AOME_SET_CPUUSED, 9).unwrap();
        context.control(aom::AV1E_SET_LOSSLESS, 1).unwrap();
        let image = Image(NonNull::new(aom::aom_img_alloc(null_mut(), format, width, height, 32)).unwrap());
        let facts = image.0.as_ref();
        for plane in 0..3 {
            let (shift_x, shift_y) = if plane == 0 { (0, 0) } else { (facts.x_chroma_shift, facts.y_chroma_shift) };
            for y in 0..((height + shift_y) >> shift_y) as usize {
                let row = facts.planes[plane].add(y * facts.stride[plane] as usize).cast::<u16>();
                for x in 0..((width + shift_x) >> shift_x) as usize {
                    row.add(x).write(sample(plane, x, y, depth));
                }
            }
        }
        let mut stream = Vec::new();
        for input in [image.0.as_ptr().cast_const(), null()] {
            assert_eq!(aom::aom_codec_encode(&mut *context.0, input, 0, 1, 0), 0, "{}", context.why());
            collect(&mut context, &mut stream);
        }
        stream
    }
}

#[test]
fn every_depth_and_subsampling_is_read_sample_by_sample() {
    let formats = [
        (aom::AOM_IMG_FMT_I42016, 0, (true, true)),
        (aom::AOM_IMG_FMT_I42216, 2, (true, false)),
        (aom::AOM_IMG_FMT_I44416, 1, (false, false)),
    ];
    for (format, profile, subsampled) in formats {
        for depth in [8, 10, 12] {
            let profile = if depth == 12 { 2 } else { profile };
            let stream = slopes(37, 21, depth, format, profile);
            let mut decoder = Decoder::new().unwrap();
            let picture = decoder.decode(&stream, (37, 21), &Limits::default()).unwrap();
            assert_eq!((picture.depth(), picture.subsampled(), picture.is_gray()), (depth, subsampled, false));
            for plane in 0..3 {
                let (width, height) = picture.plane_size(plane);
                let mut row = vec![0; width];
                for y in 0..height {
                    picture.row(plane, y, &mut row);
                    let wanted: Vec<u16> = (0..width).map(|x| sample(plane, x, y, depth)).collect();
                    assert_eq!(row, wanted, "{depth} bits, plane {plane}, row {y}");
                }
            }
        }
    }
}

#[test]
fn a_picture_of_another_size_is_refused_before_it_is_decoded() {
    let stream = slopes(37, 21, 8, aom::AOM_IMG_FMT_I42016, 0);
    let mut decoder = Decoder::new().unwrap();
    assert!(matches!(decoder.decode(&stream, (37, 22), &Limits::default()), Err(Error::Broken { .. })));
    let limits = |pixels_max| Limits { pixels_max, ..Limits::default() };
    assert!(matches!(
        decoder.decode(&stream, (37, 21), &limits(776)),
        Err(Error::TooManyPixels { asked: 777, max: 776 })
    ));
    assert!(decoder.decode(&stream, (37, 21), &limits(777)).is_ok());
}
