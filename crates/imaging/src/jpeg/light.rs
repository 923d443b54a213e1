//! From a JPEG to linear light, row by row: decoded whole, because a scaled decoding shrinks numbers and not light, but never kept whole.

use afterimage_variant::Window;

use super::planes::{Layout, Picture, Wanted, unknown};
use super::scaled::{self, Frame, Sink};
use super::ycc::join;
use crate::Error;
use crate::light::Shrink;
use crate::pixels::{Channels, Pixels};
use crate::plane::Resizer;
use crate::stop::Stop;

impl Picture<'_> {
    /// The whole picture in linear light, each pixel the mean of `shrink` by `shrink`.
    pub(crate) fn light(&self, shrink: u32, stop: &dyn Stop) -> Result<Pixels<u16>, Error> {
        let frame = Frame::of(&self.header, [8; 3]).ok_or_else(unknown)?;
        let (width, height) = (self.header.width, self.header.height);
        let window = Window { x: 0.0, y: 0.0, width: width.into(), height: height.into() };
        let wanted = Wanted { window, width, height, residual_min: 1.0, layout: Layout::Full, as_decoded: true };
        let lines = (0..frame.components.len()).map(|component| {
            let shape = &frame.components[component];
            let is_whole = (shape.width, shape.height) == (width as usize, height as usize);
            Line { waiting: Vec::new(), resizer: (!is_whole).then(|| wanted.resizer(component, &frame)) }
        });
        let shrink = match frame.components.len() {
            1 => Lit::Gray(Shrink::new(width, height, Channels::Gray, shrink)?),
            _ => Lit::Rgb(Shrink::new(width, height, Channels::Rgb, shrink)?, vec![[0; 3]; width as usize]),
        };
        let mut lines = Lines { lines: lines.collect(), width: width as usize, shrink };
        scaled::decode(self.bytes, &self.header, &frame, stop, &mut lines)?;
        match lines.shrink {
            Lit::Gray(shrink) => shrink.finish(),
            Lit::Rgb(shrink, _) => shrink.finish(),
        }
    }
}

/// Rows of a component that wait for those of the others.
struct Line {
    waiting: Vec<u8>,
    /// What brings them to the size of luma.
    resizer: Option<Resizer>,
}

enum Lit {
    Gray(Shrink<u8, 1>),
    /// With room for a row of pixels.
    Rgb(Shrink<u8, 3>, Vec<[u8; 3]>),
}

struct Lines {
    lines: Vec<Line>,
    width: usize,
    shrink: Lit,
}

impl Sink for Lines {
    fn rows(&mut self, component: usize, rows: &[u8], stride: usize) -> Result<(), Error> {
        let Line { waiting, resizer } = &mut self.lines[component];
        for row in rows.chunks(stride) {
            match resizer {
                Some(resizer) => resizer.push(row, waiting),
                None => waiting.extend_from_slice(&row[..self.width]),
            }
        }
        let ready = self.lines.iter().map(|line| line.waiting.len()).min().unwrap_or(0);
        let row = |component: usize, from: usize| &self.lines[component].waiting[from..from + self.width];
        for from in (0..ready).step_by(self.width) {
            match &mut self.shrink {
                Lit::Gray(shrink) => shrink.push(row(0, from).as_chunks().0),
                Lit::Rgb(shrink, pixels) => {
                    join(row(0, from), row(1, from), row(2, from), pixels);
                    shrink.push(pixels);
                }
            }
        }
        self.lines.iter_mut().for_each(|line| drop(line.waiting.drain(..ready)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stop::Never;
    use crate::{Limits, jpeg, light};

    #[test]
    fn streaming_gives_the_same_as_the_whole_frame() {
        let sample = |name: &str| {
            std::fs::read(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/pictures").join(name))
                .unwrap_or_else(|error| panic!("{name}: {error}"))
        };
        for name in ["museum.jpg", "landscape.jpg", "flower-gray.jpg", "flower-progressive.jpg"] {
            let bytes = sample(name);
            let (_, header) = jpeg::probe(&bytes, &Limits::default()).expect("probes");
            let picture = Picture::of(&bytes, header).expect("ours");
            let mut frames = jpeg::decode(&bytes, 8, &Limits::default(), &Never).expect("decodes");
            let crate::pixels::Decoded::Bytes(whole) = frames.frames.next().expect("one").expect("good").pixels else {
                panic!("eight bits")
            };
            for shrink in [1, 2, 7] {
                let streamed = picture.light(shrink, &Never).expect("decodes");
                let kept = light::to_light(&whole, shrink, &Never).expect("not stopped");
                assert!(streamed == kept, "{name} by {shrink}");
            }
        }
    }

    #[test]
    fn stops_when_told() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/pictures/landscape.jpg");
        let bytes = std::fs::read(path).expect("a sample");
        let (_, header) = jpeg::probe(&bytes, &Limits::default()).expect("probes");
        let picture = Picture::of(&bytes, header).expect("ours");
        assert_eq!(picture.light(2, &|| true), Err(Error::Expired));
    }
}
