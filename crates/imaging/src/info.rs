//! Facts about an original as JSON.

use crate::pixels::Pixels;
use crate::{Error, Probe, Settings};

pub(crate) fn describe(_: &Probe, _source_bytes: u64, _small: &Pixels, _: &Settings) -> Result<Vec<u8>, Error> {
    Err(Error::unsupported("JSON, yet"))
}
