//! libaom behind safe types: one decoder, one encoder, one still picture each. All `unsafe` of the crate's AVIF lies here and in the
//! files below. It must never decode a stream whose size was not announced, and every handle frees itself.

mod decoder;
mod encoder;
mod stream;

use std::ffi::{CStr, c_int};

use libaom_sys as aom;

pub(super) use self::decoder::{Decoder, Picture};
pub(super) use self::encoder::{Effort, Planes, encode};
use crate::Error;

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
        // SAFETY: the context is initialised; every id passed in these files takes an int (aomcx.h).
        match unsafe { aom::aom_codec_control(&mut *self.0, id as c_int, value) } {
            aom::AOM_CODEC_OK => Ok(()),
            _ => Err(Error::encode(format_args!("libaom control {id}: {}", self.why()))),
        }
    }
}

#[cfg(test)]
mod tests;
