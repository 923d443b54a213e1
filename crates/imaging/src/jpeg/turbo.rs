//! Decoding by libjpeg-turbo through its TurboJPEG 3 interface. Every buffer's size is computed here from the header that the library
//! itself read.

use turbojpeg::raw;

use super::Samples;
use super::header::Header;
use crate::Error;
use crate::pixels::{Channels, Pixels};
use crate::stop::Stop;

/// Its SIMD covers these; 3/8, 5/8, 6/8 and 7/8 are slower than the next larger one here.
pub(super) const SCALES: &[u32] = &[1, 2, 4, 8];

struct Handle(raw::tjhandle);

impl Handle {
    fn new() -> Result<Self, Error> {
        // SAFETY: takes an enumerator, returns null on failure.
        let handle = unsafe { raw::tj3Init(raw::TJINIT_TJINIT_DECOMPRESS as _) };
        if handle.is_null() { Err(Error::broken("libjpeg-turbo gives no handle")) } else { Ok(Self(handle)) }
    }

    fn set(&self, parameter: raw::TJPARAM, value: i32) -> Result<(), Error> {
        // SAFETY: the handle is live; bad values are refused with a code.
        match unsafe { raw::tj3Set(self.0, parameter as _, value) } {
            0 => Ok(()),
            _ => Err(Error::broken(self.why())),
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
    let handle = Handle::new()?;
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
