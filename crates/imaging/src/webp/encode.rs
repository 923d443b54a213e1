//! Pixels to WebP through libwebp, the one place of this crate's WebP code that is unsafe.

use std::ffi::{c_int, c_void};

use libwebp_sys as sys;

use crate::Error;
use crate::pixels::{Channels, Pixels};
use crate::plane::Plane;
use crate::stop::Stop;

/// Longest side of a WebP (RFC 9649, section 2.7).
const SIDE_MAX: u32 = 16_383;

/// How to encode.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Encoding {
    /// libwebp's quality, 0 to 100.
    pub(crate) quality: f32,
    /// libwebp's method, 0 to 6.
    pub(crate) method: u8,
}

fn config(encoding: Encoding) -> Result<sys::WebPConfig, Error> {
    // libwebp is compiled for it as a whole (the feature `sse41`), because its fastest kernels are left out otherwise.
    #[cfg(target_arch = "x86_64")]
    if !is_x86_feature_detected!("sse4.1") {
        return Err(Error::encode("WebP needs a processor with SSE4.1, as all since 2008 have"));
    }
    let mut config = sys::WebPConfig::new().map_err(|()| Error::encode("libwebp is of another version"))?;
    config.quality = encoding.quality.clamp(0.0, 100.0);
    config.method = encoding.method.min(6).into();
    // SAFETY: a whole configuration.
    match unsafe { sys::WebPValidateConfig(&config) } {
        0 => Err(Error::encode("libwebp refuses its configuration")),
        _ => Ok(config),
    }
}

fn check_side(width: u32, height: u32) -> Result<(), Error> {
    let side = width.max(height);
    if side > SIDE_MAX { Err(Error::OutputTooLarge { asked: side.into(), max: SIDE_MAX.into() }) } else { Ok(()) }
}

/// A picture that libwebp owns, freed with it. Lent pointers (`stop`, `writer`) must outlive every use.
struct Picture(Box<sys::WebPPicture>);

impl Picture {
    fn empty(width: u32, height: u32, stop: &&dyn Stop) -> Result<Self, Error> {
        let mut picture =
            Box::new(sys::WebPPicture::new().map_err(|()| Error::encode("libwebp is of another version"))?);
        picture.width = width as c_int;
        picture.height = height as c_int;
        picture.progress_hook = Some(goes_on);
        picture.user_data = std::ptr::from_ref(stop).cast_mut().cast();
        Ok(Self(picture))
    }

    fn new(pixels: &Pixels, argb: bool, stop: &&dyn Stop) -> Result<Self, Error> {
        let mut picture = Self::empty(pixels.width, pixels.height, stop)?;
        picture.0.use_argb = argb.into();
        let widened;
        let data: &[u8] = match pixels.channels {
            Channels::Rgb | Channels::Rgba => &pixels.data,
            Channels::Gray => {
                widened = pixels.clone().into_rgb().data;
                &widened
            }
        };
        let import = match pixels.channels {
            Channels::Rgba => sys::WebPPictureImportRGBA,
            Channels::Rgb | Channels::Gray => sys::WebPPictureImportRGB,
        };
        let stride = data.len() / pixels.height as usize;
        // SAFETY: `data` holds height rows of `stride` bytes in the layout of the chosen import.
        if unsafe { import(&mut *picture.0, data.as_ptr(), stride as c_int) } == 0 {
            return Err(Error::encode("libwebp cannot take the pixels: out of memory"));
        }
        Ok(picture)
    }
}

impl Drop for Picture {
    fn drop(&mut self) {
        // SAFETY: frees what the picture owns, not the struct.
        unsafe { sys::WebPPictureFree(&mut *self.0) }
    }
}

/// Asked by libwebp as it goes; 0 ends the encoding.
unsafe extern "C" fn goes_on(_percent: c_int, picture: *const sys::WebPPicture) -> c_int {
    // SAFETY: `user_data` is the `&&dyn Stop` given in `Picture::empty`, which outlives the encoding.
    let stop = unsafe { *(*picture).user_data.cast::<&dyn Stop>() };
    c_int::from(!stop.expired())
}

/// libwebp's growing buffer, freed with it.
struct Writer(Box<sys::WebPMemoryWriter>);

impl Writer {
    fn new() -> Self {
        let mut writer = Box::new(sys::WebPMemoryWriter {
            mem: std::ptr::null_mut(),
            size: 0,
            max_size: 0,
            pad: Default::default(),
        });
        // SAFETY: initialises the struct.
        unsafe { sys::WebPMemoryWriterInit(&mut *writer) };
        Self(writer)
    }

    fn bytes(&self) -> Vec<u8> {
        if self.0.mem.is_null() {
            return Vec::new();
        }
        // SAFETY: libwebp has written `size` bytes there.
        unsafe { std::slice::from_raw_parts(self.0.mem, self.0.size) }.to_vec()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // SAFETY: frees its buffer.
        unsafe { sys::WebPMemoryWriterClear(&mut *self.0) }
    }
}

/// Encodes a still, lossy, alpha lossless.
pub(crate) fn encode(pixels: &Pixels, encoding: Encoding, stop: &dyn Stop) -> Result<Vec<u8>, Error> {
    check_side(pixels.width, pixels.height)?;
    run(Picture::new(pixels, false, &stop)?, encoding, stop)
}

/// The same from Y, Cb and Cr of video's ranges at 4:2:0, or from Y alone.
pub(crate) fn encode_planes(planes: &[Plane], encoding: Encoding, stop: &dyn Stop) -> Result<Vec<u8>, Error> {
    let luma = &planes[0];
    check_side(luma.width as u32, luma.height as u32)?;
    let (wide, high) = (luma.width.div_ceil(2), luma.height.div_ceil(2));
    let gray;
    let (blue, red) = match planes {
        [_, blue, red] => (blue, red),
        _ => {
            gray = Plane { width: wide, height: high, data: vec![128; wide * high] };
            (&gray, &gray)
        }
    };
    let fits = |plane: &Plane, wide: usize, high: usize| plane.width == wide && plane.data.len() == wide * high;
    if !fits(luma, luma.width, luma.height) || !fits(blue, wide, high) || !fits(red, wide, high) {
        return Err(Error::encode("planes of the wrong sizes"));
    }
    let mut picture = Picture::empty(luma.width as u32, luma.height as u32, &stop)?;
    picture.0.colorspace = sys::WebPEncCSP::WEBP_YUV420;
    // Lent: the encoder reads planes that it did not allocate and never writes or frees them. Their sizes were checked above.
    picture.0.y = luma.data.as_ptr().cast_mut();
    picture.0.u = blue.data.as_ptr().cast_mut();
    picture.0.v = red.data.as_ptr().cast_mut();
    picture.0.y_stride = luma.width as c_int;
    picture.0.uv_stride = wide as c_int;
    run(picture, encoding, stop)
}

fn run(mut picture: Picture, encoding: Encoding, stop: &dyn Stop) -> Result<Vec<u8>, Error> {
    let config = config(encoding)?;
    let mut writer = Writer::new();
    picture.0.writer = Some(sys::WebPMemoryWrite);
    picture.0.custom_ptr = std::ptr::from_mut(&mut *writer.0).cast::<c_void>();
    // SAFETY: configuration and picture are whole; the writer outlives the call.
    if unsafe { sys::WebPEncode(&config, &mut *picture.0) } == 0 {
        return Err(failure(picture.0.error_code, stop));
    }
    Ok(writer.bytes())
}

fn failure(code: sys::WebPEncodingError, stop: &dyn Stop) -> Error {
    match code {
        sys::WebPEncodingError::VP8_ENC_ERROR_USER_ABORT => Error::Expired,
        _ if stop.expired() => Error::Expired,
        code => Error::encode(format!("libwebp: {code:?}")),
    }
}
