//! Our own decoder alone, at any two scales, for those who look for files that break it: the rest of a render picks few of them.

use super::header;
use super::scaled::{Frame, Sink, decode};
use crate::stop::Stop;
use crate::{Error, Limits};

/// The rows of one plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows {
    /// How many the frame has.
    pub due: usize,
    /// How many came.
    pub came: usize,
}

impl Sink for Vec<Rows> {
    fn rows(&mut self, component: usize, rows: &[u8], stride: usize) -> Result<(), Error> {
        self[component].came += rows.len() / stride;
        Ok(())
    }
}

/// Decodes at n/8 of each plane and forgets the samples; `None` where the header cannot be read, or is another decoder's.
pub fn jpeg_rows(
    bytes: &[u8],
    eighths: [u32; 3],
    limits: &Limits,
    stop: &dyn Stop,
) -> Option<Result<Vec<Rows>, Error>> {
    let header = header::read(bytes, limits).ok()?;
    let frame = Frame::of(&header, eighths)?;
    let mut rows: Vec<Rows> = frame.components.iter().map(|plane| Rows { due: plane.height, came: 0 }).collect();
    Some(decode(bytes, &header, &frame, stop, &mut rows).map(|()| rows))
}
