//! libjpeg-turbo through its TurboJPEG 3 interface, the one place of this crate's JPEG code that is unsafe. Every buffer's size is
//! computed here from the header that the library itself read.

use turbojpeg::raw;

use super::Samples;
use super::header::Header;
use crate::Error;
use crate::pixels::{Channels, Pixels};
use crate::plane::Plane;
use crate::stop::Stop;

/// Its SIMD covers these; 3/8, 5/8, 6/8 and 7/8 are slower than the next larger one here.
pub(super) const SCALES: &[u32] = &[1, 2, 4, 8];

pub(crate) const ENCODES_PLANES: bool = true;

struct Handle(raw::tjhandle);

impl Handle {
    fn new(kind: raw::TJINIT) -> Result<Self, Error> {
        // SAFETY: takes an enumerator, returns null on failure.
        let handle = unsafe { raw::tj3Init(kind as _) };
        if handle.is_null() { Err(Error::encode("libjpeg-turbo gives no handle")) } else { Ok(Self(handle)) }
    }

    fn set(&self, parameter: raw::TJPARAM, value: i32) -> Result<(), Error> {
        // SAFETY: the handle is live; bad values are refused with a code.
        match unsafe { raw::tj3Set(self.0, parameter as _, value) } {
            0 => Ok(()),
            _ => Err(Error::encode(self.why())),
        }
    }

    fn get(&self, parameter: raw::TJPARAM) -> i32 {
        // SAFETY: the handle is live.
        unsafe { raw::tj3Get(self.0, parameter as _) }
    }

    fn why(&self) -> String {
        // SAFETY: the string belongs to the live handle and ends in NUL; it is copied before the next call.
        unsafe { std::ffi::CStr::from_ptr(raw::tj3GetErrorStr(self.0)) }.to_string_lossy().into_owned()
    }

    fn damage(&self) -> Error {
        let why = self.why();
        if why.contains("Premature end of") { Error::truncated(why) } else { Error::broken(why) }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: live until here, never used again.
        unsafe { raw::tj3Destroy(self.0) }
    }
}

pub(super) fn decode(bytes: &[u8], header: &Header<'_>, eighths: u32, _stop: &dyn Stop) -> Result<Samples, Error> {
    let handle = Handle::new(raw::TJINIT_TJINIT_DECOMPRESS)?;
    handle.set(raw::TJPARAM_TJPARAM_STOPONWARNING, 1)?;
    handle.set(raw::TJPARAM_TJPARAM_SAVEMARKERS, 0)?;
    // SAFETY: reads `bytes.len()` bytes at most.
    if unsafe { raw::tj3DecompressHeader(handle.0, bytes.as_ptr(), bytes.len() as _) } != 0 {
        return Err(handle.damage());
    }
    let side = |parameter| u32::try_from(handle.get(parameter)).unwrap_or(0);
    let stored = (side(raw::TJPARAM_TJPARAM_JPEGWIDTH), side(raw::TJPARAM_TJPARAM_JPEGHEIGHT));
    if stored != (header.width, header.height) {
        return Err(Error::broken("two readers disagree about the size"));
    }
    // Scaling a lossless JPEG fails; those were refused with the header.
    // The library knows its factors in lowest terms only.
    let shift = eighths.trailing_zeros().min(3);
    let factor = raw::tjscalingfactor { num: (eighths >> shift) as _, denom: (8 >> shift) as _ };
    // SAFETY: the handle is live; unknown factors are refused with a code.
    if unsafe { raw::tj3SetScalingFactor(handle.0, factor) } != 0 {
        return Err(handle.damage());
    }
    let scaled = |side: u32| (side * eighths).div_ceil(8);
    let (width, height) = (scaled(stored.0), scaled(stored.1));
    let (format, sample_bytes) = match header.components {
        1 => (raw::TJPF_TJPF_GRAY, 1),
        3 => (raw::TJPF_TJPF_RGB, 3),
        _ => (raw::TJPF_TJPF_CMYK, 4),
    };
    let mut data = vec![0u8; width as usize * height as usize * sample_bytes];
    let pitch = width as usize * sample_bytes;
    // SAFETY: the library writes ceil(side * factor) rows and columns of `format`, which is what `data` holds; the size in the
    // header cannot differ from the one read above, because it is read again from the same bytes.
    let code = unsafe {
        raw::tj3Decompress8(handle.0, bytes.as_ptr(), bytes.len() as _, data.as_mut_ptr(), pitch as _, format as _)
    };
    if code != 0 {
        return Err(handle.damage());
    }
    Ok(match header.components {
        1 => Samples::Pixels(Pixels::new(width, height, Channels::Gray, data)?),
        3 => Samples::Pixels(Pixels::new(width, height, Channels::Rgb, data)?),
        _ => Samples::Cmyk { width, height, data },
    })
}

pub(super) fn encode(pixels: &Pixels, quality: u8, progressive: bool) -> Result<Vec<u8>, Error> {
    let (format, sampling) = match pixels.channels {
        Channels::Gray => (raw::TJPF_TJPF_GRAY, raw::TJSAMP_TJSAMP_GRAY),
        Channels::Rgb => (raw::TJPF_TJPF_RGB, raw::TJSAMP_TJSAMP_420),
        Channels::Rgba => (raw::TJPF_TJPF_RGBX, raw::TJSAMP_TJSAMP_420),
    };
    compress(sampling, quality, progressive, |handle, buffer, bytes| {
        // SAFETY: `pixels` holds height rows of `row_bytes`; the library allocates and grows `buffer` itself.
        unsafe {
            raw::tj3Compress8(
                handle,
                pixels.data.as_ptr(),
                pixels.width as _,
                pixels.row_bytes() as _,
                pixels.height as _,
                format as _,
                buffer,
                bytes,
            )
        }
    })
}

/// Planes whose chroma has half of luma's columns and rows, rounded up; or luma alone.
pub(super) fn encode_planes(planes: &[Plane], quality: u8, progressive: bool) -> Result<Vec<u8>, Error> {
    let (width, height) = (planes[0].width, planes[0].height);
    let sampling = if planes.len() == 1 { raw::TJSAMP_TJSAMP_GRAY } else { raw::TJSAMP_TJSAMP_420 };
    // Beside chroma the library reads luma up to whole pairs of columns and rows.
    let luma;
    let planes: Vec<&Plane> = match planes {
        [odd, blue, red] if width % 2 + height % 2 > 0 => {
            luma = padded(odd, width.next_multiple_of(2), height.next_multiple_of(2));
            vec![&luma, blue, red]
        }
        planes => planes.iter().collect(),
    };
    let is_read_whole = |(component, plane): (i32, &&Plane)| {
        // SAFETY: plain arithmetic.
        let read_wide = unsafe { raw::tj3YUVPlaneWidth(component, width as _, sampling) };
        // SAFETY: plain arithmetic.
        let read_high = unsafe { raw::tj3YUVPlaneHeight(component, height as _, sampling) };
        let (wide, high) = (plane.width, plane.height);
        (read_wide, read_high) == (wide as i32, high as i32) && plane.data.len() == wide * high
    };
    if !matches!(planes.len(), 1 | 3) || !(0..).zip(&planes).all(is_read_whole) {
        return Err(Error::encode("planes of the wrong sizes"));
    }
    let pointers: Vec<*const u8> = planes.iter().map(|plane| plane.data.as_ptr()).collect();
    let strides: Vec<i32> = planes.iter().map(|plane| plane.width as i32).collect();
    compress(sampling, quality, progressive, |handle, buffer, bytes| {
        // SAFETY: the library reads planes of just these sizes, which were asked of it above: one for gray, else three.
        unsafe {
            raw::tj3CompressFromYUVPlanes8(
                handle,
                pointers.as_ptr(),
                width as _,
                strides.as_ptr(),
                height as _,
                buffer,
                bytes,
            )
        }
    })
}

/// A plane with its last column and row repeated up to a size.
fn padded(plane: &Plane, width: usize, height: usize) -> Plane {
    let mut data = Vec::with_capacity(width * height);
    for y in 0..height {
        let row = &plane.data[y.min(plane.height - 1) * plane.width..][..plane.width];
        data.extend_from_slice(row);
        data.extend(std::iter::repeat_n(row[plane.width - 1], width - plane.width));
    }
    Plane { width, height, data }
}

/// Compresses by `run`, which is given a buffer that the library allocates.
fn compress(
    sampling: raw::TJSAMP,
    quality: u8,
    progressive: bool,
    run: impl FnOnce(raw::tjhandle, *mut *mut u8, *mut raw::size_t) -> i32,
) -> Result<Vec<u8>, Error> {
    let handle = Handle::new(raw::TJINIT_TJINIT_COMPRESS)?;
    handle.set(raw::TJPARAM_TJPARAM_QUALITY, quality.into())?;
    handle.set(raw::TJPARAM_TJPARAM_SUBSAMP, sampling)?;
    handle.set(raw::TJPARAM_TJPARAM_OPTIMIZE, 1)?;
    handle.set(raw::TJPARAM_TJPARAM_PROGRESSIVE, progressive.into())?;
    let mut buffer: *mut u8 = std::ptr::null_mut();
    let mut bytes = 0;
    let code = run(handle.0, &mut buffer, &mut bytes);
    let jpeg = if code == 0 && !buffer.is_null() {
        // SAFETY: on success the library has written `bytes` bytes there.
        Ok(unsafe { std::slice::from_raw_parts(buffer, bytes as usize) }.to_vec())
    } else {
        Err(Error::encode(handle.why()))
    };
    // SAFETY: the library allocated it, or it is null.
    unsafe { raw::tj3Free(buffer.cast()) };
    jpeg
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the library reads beyond the picture must be ours: padded by hand, a plane gives the same file.
    #[test]
    fn odd_planes_are_read_no_further_than_they_are() {
        for (width, height) in [(1, 1), (17, 9), (16, 9), (17, 8), (33, 31)] {
            let plane = |width: usize, height: usize| {
                let data = (0..width * height).map(|at| (at * 7 % 200) as u8).collect();
                Plane { width, height, data }
            };
            let (luma, chroma) = (plane(width, height), plane(width.div_ceil(2), height.div_ceil(2)));
            let planes = [luma, chroma.clone(), chroma];
            let file = encode_planes(&planes, 80, false).expect("encodes");
            for _ in 0..20 {
                // Whatever lies on the heap by then.
                let litter: Vec<Vec<u8>> = (1..40usize).map(|bytes| vec![bytes as u8 * 5; bytes * 13]).collect();
                drop(litter);
                let again = encode_planes(&planes.clone(), 80, false).expect("encodes");
                assert_eq!(again, file, "{width}x{height}");
            }
            assert!(encode_planes(&planes[..2], 80, false).is_err());
            let swapped = [planes[1].clone(), planes[0].clone(), planes[2].clone()];
            assert!(width < 2 || encode_planes(&swapped, 80, false).is_err());
        }
    }
}
