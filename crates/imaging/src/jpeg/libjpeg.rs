//! Encoding by libjpeg-turbo with any quantisation tables, through the C of `write.c`. Every buffer that the library reads is measured
//! here.

use std::ffi::{CStr, c_char, c_int, c_uchar, c_uint};
use std::ptr::null_mut;

use super::Quantisers;
use crate::Error;
use crate::pixels::{Channels, Pixels};
use crate::plane::Plane;

pub(crate) const ENCODES_PLANES: bool = true;

/// Bytes of libjpeg's longest message: JMSG_LENGTH_MAX.
const MESSAGE_BYTES_MAX: usize = 200;

/// The same as `struct picture` in write.c.
#[repr(C)]
struct Picture {
    samples: [*const c_uchar; 3],
    strides: [usize; 3],
    heights: [c_uint; 3],
    width: c_uint,
    height: c_uint,
    components: c_uint,
    pixel_bytes: c_uint,
    progressive: c_uint,
    luma: [c_uint; 64],
    chroma: [c_uint; 64],
}

unsafe extern "C" {
    fn afterimage_jpeg_write(
        of: *const Picture,
        file: *mut *mut c_uchar,
        file_bytes: *mut usize,
        message: *mut c_char,
    ) -> c_int;
    fn afterimage_jpeg_free(file: *mut c_uchar);
}

pub(super) fn encode(pixels: &Pixels, quantisers: &Quantisers, progressive: bool) -> Result<Vec<u8>, Error> {
    let mut picture = Picture::new(pixels.width, pixels.height, quantisers, progressive);
    picture.components = if pixels.channels == Channels::Gray { 1 } else { 3 };
    picture.pixel_bytes = pixels.channels.bytes() as c_uint;
    picture.samples[0] = pixels.data.as_ptr();
    picture.strides[0] = pixels.row_bytes();
    assert_eq!(pixels.data.len(), pixels.row_bytes() * pixels.height as usize);
    // SAFETY: `pixels` holds height rows of width pixels, as was just looked at.
    unsafe { picture.write() }
}

/// Planes whose chroma has half of luma's columns and rows, rounded up; or luma alone.
pub(super) fn encode_planes(planes: &[Plane], quantisers: &Quantisers, progressive: bool) -> Result<Vec<u8>, Error> {
    let (width, height) = (planes[0].width, planes[0].height);
    let is_whole = |(component, plane): (usize, &Plane)| {
        let size = if component == 0 { (width, height) } else { (width.div_ceil(2), height.div_ceil(2)) };
        (plane.width, plane.height) == size && plane.data.len() == plane.width * plane.height
    };
    if !matches!(planes.len(), 1 | 3) || !planes.iter().enumerate().all(is_whole) {
        return Err(Error::encode("planes of the wrong sizes"));
    }
    let blocks: Vec<Blocks> = planes.iter().map(Blocks::of).collect();
    let mut picture = Picture::new(width as u32, height as u32, quantisers, progressive);
    picture.components = planes.len() as c_uint;
    for (component, (plane, blocks)) in planes.iter().zip(&blocks).enumerate() {
        picture.samples[component] = blocks.rows(plane).as_ptr();
        picture.strides[component] = blocks.row_bytes;
        picture.heights[component] = plane.height as c_uint;
    }
    // SAFETY: each plane has the rows that it says, of whole blocks; the library reads no other block than those that hold a part of
    // the picture, and the last row is given in place of those below it.
    unsafe { picture.write() }
}

/// The rows of a plane up to whole blocks, which the library reads: its last column is repeated where there is something to fill.
struct Blocks {
    padded: Option<Vec<u8>>,
    row_bytes: usize,
}

impl Blocks {
    fn of(plane: &Plane) -> Self {
        let row_bytes = plane.width.next_multiple_of(8);
        let padded = (row_bytes > plane.width).then(|| {
            let mut data = Vec::with_capacity(row_bytes * plane.height);
            for row in plane.data.chunks_exact(plane.width) {
                data.extend_from_slice(row);
                data.extend(std::iter::repeat_n(row[row.len() - 1], row_bytes - row.len()));
            }
            data
        });
        Self { padded, row_bytes }
    }

    fn rows<'a>(&'a self, plane: &'a Plane) -> &'a [u8] {
        self.padded.as_deref().unwrap_or(&plane.data)
    }
}

impl Picture {
    fn new(width: u32, height: u32, quantisers: &Quantisers, progressive: bool) -> Self {
        Self {
            samples: [std::ptr::null(); 3],
            strides: [0; 3],
            heights: [0; 3],
            width,
            height,
            components: 0,
            pixel_bytes: 0,
            progressive: progressive.into(),
            luma: quantisers.luma.map(c_uint::from),
            chroma: quantisers.chroma.map(c_uint::from),
        }
    }

    /// # Safety
    /// Samples, strides and heights are those of live buffers: `height` rows of pixels, or for each component `heights` rows of
    /// whole blocks.
    unsafe fn write(&self) -> Result<Vec<u8>, Error> {
        let (mut file, mut file_bytes) = (null_mut(), 0);
        let mut message: [c_char; MESSAGE_BYTES_MAX] = [0; MESSAGE_BYTES_MAX];
        // SAFETY: the caller's promise; `message` is as long as the longest, and what it does not return from stays in C.
        let code = unsafe { afterimage_jpeg_write(self, &raw mut file, &raw mut file_bytes, message.as_mut_ptr()) };
        if code != 0 {
            // SAFETY: the library ends its message with NUL, and it was all NUL before.
            let why = unsafe { CStr::from_ptr(message.as_ptr()) };
            return Err(Error::encode(why.to_string_lossy().into_owned()));
        }
        // SAFETY: on success `file_bytes` bytes were written there.
        let jpeg = unsafe { std::slice::from_raw_parts(file, file_bytes) }.to_vec();
        // SAFETY: it was allocated there, and nobody reads it again.
        unsafe { afterimage_jpeg_free(file) };
        Ok(jpeg)
    }
}

#[cfg(test)]
mod tests {
    use turbojpeg::raw;

    use super::*;

    const SIZES: [(usize, usize); 7] = [(1, 1), (17, 9), (16, 9), (17, 8), (33, 31), (400, 300), (250, 187)];

    fn plane(width: usize, height: usize) -> Plane {
        let sample = |at: usize| (at % width * 5 + at / width * 3 + at * at % 29) as u8;
        Plane { width, height, data: (0..width * height).map(sample).collect() }
    }

    fn planes(width: usize, height: usize) -> [Plane; 3] {
        let chroma = plane(width.div_ceil(2), height.div_ceil(2));
        [plane(width, height), chroma.clone(), chroma]
    }

    /// By TurboJPEG, which knows the standard's tables only.
    fn by_turbojpeg(
        quality: u8,
        sampling: raw::TJSAMP,
        progressive: bool,
        run: impl FnOnce(raw::tjhandle, *mut *mut u8, *mut raw::size_t) -> i32,
    ) -> Vec<u8> {
        let (mut file, mut bytes) = (null_mut(), 0);
        // SAFETY: a handle of its own, and a buffer that the library allocates.
        unsafe {
            let handle = raw::tj3Init(raw::TJINIT_TJINIT_COMPRESS as _);
            for (parameter, value) in [
                (raw::TJPARAM_TJPARAM_QUALITY, quality.into()),
                (raw::TJPARAM_TJPARAM_SUBSAMP, sampling),
                (raw::TJPARAM_TJPARAM_OPTIMIZE, 1),
                (raw::TJPARAM_TJPARAM_PROGRESSIVE, progressive.into()),
            ] {
                assert_eq!(raw::tj3Set(handle, parameter as _, value), 0);
            }
            assert_eq!(run(handle, &mut file, &mut bytes), 0);
            let jpeg = std::slice::from_raw_parts(file, bytes as usize).to_vec();
            raw::tj3Free(file.cast());
            raw::tj3Destroy(handle);
            jpeg
        }
    }

    #[test]
    fn with_the_standards_tables_pixels_become_the_file_that_turbojpeg_makes() {
        let kinds = [
            (Channels::Gray, raw::TJPF_TJPF_GRAY, raw::TJSAMP_TJSAMP_GRAY),
            (Channels::Rgb, raw::TJPF_TJPF_RGB, raw::TJSAMP_TJSAMP_420),
            (Channels::Rgba, raw::TJPF_TJPF_RGBX, raw::TJSAMP_TJSAMP_420),
        ];
        for ((channels, format, sampling), (width, height)) in
            kinds.into_iter().flat_map(|kind| SIZES.map(|size| (kind, size)))
        {
            let data = plane(width * channels.bytes(), height).data;
            let pixels = Pixels::new(width as u32, height as u32, channels, data).expect("right length");
            for (quality, progressive) in [(1, false), (40, true), (80, false), (100, false)] {
                let ours = encode(&pixels, &Quantisers::annex_k(quality), progressive).expect("encodes");
                let theirs = by_turbojpeg(quality, sampling, progressive, |handle, file, bytes| {
                    let (samples, pitch) = (pixels.data.as_ptr(), pixels.row_bytes() as _);
                    let (width, height) = (width as _, height as _);
                    // SAFETY: `pixels` holds height rows of `pitch` bytes.
                    unsafe { raw::tj3Compress8(handle, samples, width, pitch, height, format as _, file, bytes) }
                });
                assert!(ours == theirs, "{channels:?} {width}x{height} {quality} {progressive}");
            }
        }
    }

    #[test]
    fn with_the_standards_tables_planes_become_the_file_that_turbojpeg_makes() {
        // TurboJPEG reads luma in pairs of columns and rows; even sides need no padding for it.
        for (width, height) in SIZES.into_iter().filter(|(width, height)| width % 2 + height % 2 == 0) {
            for (quality, progressive) in [(1, false), (40, true), (80, false), (100, false)] {
                let planes = planes(width, height);
                let ours = encode_planes(&planes, &Quantisers::annex_k(quality), progressive).expect("encodes");
                let sampling = raw::TJSAMP_TJSAMP_420;
                let theirs = by_turbojpeg(quality, sampling, progressive, |handle, file, bytes| {
                    let samples = [0, 1, 2].map(|at: usize| planes[at].data.as_ptr());
                    let strides = [0, 1, 2].map(|at: usize| planes[at].width as i32);
                    let (samples, strides, width, height) =
                        (samples.as_ptr(), strides.as_ptr(), width as _, height as _);
                    // SAFETY: planes of even sides and their halves.
                    unsafe { raw::tj3CompressFromYUVPlanes8(handle, samples, width, strides, height, file, bytes) }
                });
                assert!(ours == theirs, "{width}x{height} {quality} {progressive}");
            }
        }
    }

    /// What the library reads beyond the picture must be ours: whatever lies on the heap, a plane gives the same file.
    #[test]
    fn odd_planes_are_read_no_further_than_they_are() {
        let quantisers = Quantisers::annex_k(80);
        for (width, height) in SIZES {
            let planes = planes(width, height);
            let file = encode_planes(&planes, &quantisers, false).expect("encodes");
            let gray = encode_planes(&planes[..1], &quantisers, true).expect("encodes");
            for _ in 0..20 {
                let litter: Vec<Vec<u8>> = (1..40usize).map(|bytes| vec![bytes as u8 * 5; bytes * 13]).collect();
                drop(litter);
                let again = encode_planes(&planes.clone(), &quantisers, false).expect("encodes");
                assert!(again == file, "{width}x{height}");
                assert!(encode_planes(&planes.clone()[..1], &quantisers, true).expect("encodes") == gray);
            }
        }
    }

    #[test]
    fn planes_of_other_sizes_are_refused() {
        let (quantisers, right) = (Quantisers::annex_k(80), planes(33, 31));
        assert!(encode_planes(&right[..2], &quantisers, false).is_err());
        let mut wrong = right.clone();
        wrong.swap(0, 1);
        assert!(encode_planes(&wrong, &quantisers, false).is_err());
        let mut short = right;
        short[2].data.pop();
        assert!(encode_planes(&short, &quantisers, false).is_err());
    }

    #[test]
    fn a_library_that_refuses_says_why_and_leaves_nothing_behind() {
        let wide = Pixels { width: 65_501, height: 1, channels: Channels::Gray, data: vec![7; 65_501] };
        for _ in 0..100 {
            let error = encode(&wide, &Quantisers::annex_k(80), false).expect_err("too wide");
            assert!(error.to_string().contains("65500"), "{error}");
        }
    }

    #[test]
    fn the_file_has_the_tables_that_were_asked_for() {
        let quantisers = Quantisers { luma: std::array::from_fn(|at| at as u8 + 1), chroma: [255; 64] };
        let file = encode_planes(&planes(40, 40), &quantisers, false).expect("encodes");
        let table = |mark: &[u8]| {
            let at = file.windows(mark.len()).position(|window| window == mark).expect("a table") + mark.len();
            file[at..at + 64].to_vec()
        };
        // In zigzag order.
        assert_eq!(table(&[0xff, 0xdb, 0, 67, 0])[..6], [1, 2, 9, 17, 10, 3]);
        assert_eq!(table(&[0xff, 0xdb, 0, 67, 1]), [255; 64]);
    }
}
