//! libjpeg-turbo as a maker of test pictures and as the one to compare with.

use turbojpeg::raw;

/// One decoded plane, rows tight.
pub(super) struct Plane {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) data: Vec<u8>,
}

/// How a test picture is made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Making {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) quality: u8,
    pub(super) seed: u64,
    pub(super) sampling: raw::TJSAMP,
    pub(super) progressive: bool,
    pub(super) optimised: bool,
    /// Restart markers every so many MCUs.
    pub(super) restarts: i32,
}

impl Making {
    /// Every sampling and coding for a size.
    pub(super) fn all(width: usize, height: usize) -> Vec<Self> {
        let samplings = [
            raw::TJSAMP_TJSAMP_444,
            raw::TJSAMP_TJSAMP_422,
            raw::TJSAMP_TJSAMP_420,
            raw::TJSAMP_TJSAMP_GRAY,
            raw::TJSAMP_TJSAMP_440,
            raw::TJSAMP_TJSAMP_411,
            raw::TJSAMP_TJSAMP_441,
        ];
        let mut all = Vec::new();
        for sampling in samplings {
            for (progressive, optimised, restarts) in [
                (false, false, 0),
                (false, true, 0),
                (false, false, 1),
                (false, true, 3),
                (true, true, 0),
                (true, true, 2),
            ] {
                let seed = (width * 71 + height) as u64;
                all.push(Self { width, height, quality: 85, seed, sampling, progressive, optimised, restarts });
            }
        }
        all
    }

    /// Slopes, an edge and some noise, away from black and white, where rounding would be cut.
    fn pixels(&self) -> Vec<u8> {
        let mut state = self.seed | 1;
        let mut noise = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as i32 % 24
        };
        let mut pixels = Vec::with_capacity(self.width * self.height * 3);
        for y in 0..self.height as i32 {
            for x in 0..self.width as i32 {
                let edge = if (x * 3 + y * 5) % 41 < 11 { 25 } else { 0 };
                for slope in [x + 2 * y, 3 * x - y, x * y / 16] {
                    pixels.push((80 + slope.rem_euclid(64) + edge + noise()).clamp(60, 200) as u8);
                }
            }
        }
        pixels
    }
}

struct Handle(raw::tjhandle);

impl Handle {
    fn new(kind: raw::TJINIT) -> Self {
        // SAFETY: takes an enumerator.
        let handle = unsafe { raw::tj3Init(kind as _) };
        assert!(!handle.is_null());
        Self(handle)
    }

    fn set(&self, parameter: raw::TJPARAM, value: i32) {
        // SAFETY: the handle is live.
        assert_eq!(unsafe { raw::tj3Set(self.0, parameter as _, value) }, 0, "{}", self.why());
    }

    fn get(&self, parameter: raw::TJPARAM) -> i32 {
        // SAFETY: the handle is live.
        unsafe { raw::tj3Get(self.0, parameter as _) }
    }

    fn why(&self) -> String {
        // SAFETY: the string belongs to the live handle and ends in NUL.
        unsafe { std::ffi::CStr::from_ptr(raw::tj3GetErrorStr(self.0)) }.to_string_lossy().into_owned()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: live until here.
        unsafe { raw::tj3Destroy(self.0) }
    }
}

pub(super) fn encode(making: &Making) -> Vec<u8> {
    let handle = Handle::new(raw::TJINIT_TJINIT_COMPRESS);
    handle.set(raw::TJPARAM_TJPARAM_QUALITY, making.quality.into());
    handle.set(raw::TJPARAM_TJPARAM_SUBSAMP, making.sampling);
    handle.set(raw::TJPARAM_TJPARAM_OPTIMIZE, making.optimised.into());
    handle.set(raw::TJPARAM_TJPARAM_PROGRESSIVE, making.progressive.into());
    handle.set(raw::TJPARAM_TJPARAM_RESTARTBLOCKS, making.restarts);
    let pixels = making.pixels();
    let (mut buffer, mut bytes) = (std::ptr::null_mut(), 0);
    let (width, height) = (making.width as i32, making.height as i32);
    // SAFETY: `pixels` holds height rows of width pixels of three bytes; the library allocates `buffer`.
    let code = unsafe {
        raw::tj3Compress8(
            handle.0,
            pixels.as_ptr(),
            width,
            width * 3,
            height,
            raw::TJPF_TJPF_RGB,
            &mut buffer,
            &mut bytes,
        )
    };
    assert_eq!(code, 0, "{}", handle.why());
    // SAFETY: on success the library has written `bytes` bytes there.
    let jpeg = unsafe { std::slice::from_raw_parts(buffer, bytes as usize) }.to_vec();
    // SAFETY: the library allocated it.
    unsafe { raw::tj3Free(buffer.cast()) };
    jpeg
}

/// The planes at n/8 as libjpeg-turbo decodes them.
pub(super) fn planes(bytes: &[u8], eighths: u32) -> Vec<Plane> {
    let handle = Handle::new(raw::TJINIT_TJINIT_DECOMPRESS);
    // SAFETY: reads `bytes.len()` bytes at most.
    assert_eq!(unsafe { raw::tj3DecompressHeader(handle.0, bytes.as_ptr(), bytes.len() as _) }, 0, "{}", handle.why());
    let shift = eighths.trailing_zeros().min(3);
    let factor = raw::tjscalingfactor { num: (eighths >> shift) as _, denom: (8 >> shift) as _ };
    // SAFETY: the handle is live.
    assert_eq!(unsafe { raw::tj3SetScalingFactor(handle.0, factor) }, 0, "{}", handle.why());
    let sampling = handle.get(raw::TJPARAM_TJPARAM_SUBSAMP);
    let scaled = |parameter| (handle.get(parameter) as u32 * eighths).div_ceil(8) as i32;
    let (width, height) = (scaled(raw::TJPARAM_TJPARAM_JPEGWIDTH), scaled(raw::TJPARAM_TJPARAM_JPEGHEIGHT));
    let count = if sampling == raw::TJSAMP_TJSAMP_GRAY { 1 } else { 3 };
    let mut planes: Vec<Plane> = (0..count)
        .map(|component| {
            // SAFETY: plain arithmetic.
            let width = unsafe { raw::tj3YUVPlaneWidth(component, width, sampling) } as usize;
            // SAFETY: plain arithmetic.
            let height = unsafe { raw::tj3YUVPlaneHeight(component, height, sampling) } as usize;
            Plane { width, height, data: vec![0; width * height] }
        })
        .collect();
    let mut pointers: Vec<*mut u8> = planes.iter_mut().map(|plane| plane.data.as_mut_ptr()).collect();
    let mut strides: Vec<i32> = planes.iter().map(|plane| plane.width as i32).collect();
    // SAFETY: every plane is as large as the library says it will write.
    let code = unsafe {
        raw::tj3DecompressToYUVPlanes8(
            handle.0,
            bytes.as_ptr(),
            bytes.len() as _,
            pointers.as_mut_ptr(),
            strides.as_mut_ptr(),
        )
    };
    assert_eq!(code, 0, "{}", handle.why());
    planes
}
