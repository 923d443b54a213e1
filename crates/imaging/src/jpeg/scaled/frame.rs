//! How big everything is: planes, blocks and MCUs of a frame (ITU T.81, annex A).

use super::zigzag::LAST_NEEDED;
use crate::jpeg::header::Header;

/// One component of a frame.
#[derive(Debug, Clone)]
pub(crate) struct Component {
    /// The name by which scans call it.
    pub(super) id: u8,
    /// Blocks across and down in an MCU of several components.
    pub(super) across: usize,
    pub(super) down: usize,
    /// Its quantisation table.
    pub(super) table: usize,
    /// Blocks that hold something of the picture.
    pub(super) blocks_wide: usize,
    pub(super) blocks_high: usize,
    /// Samples a block edge in the output.
    pub(crate) eighths: usize,
    /// Columns and rows of the output plane.
    pub(crate) width: usize,
    pub(crate) height: usize,
}

/// A frame, and the scale at which it is to be decoded.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) components: Vec<Component>,
    pub(super) mcus_wide: usize,
    pub(super) mcus_high: usize,
    pub(super) across_max: usize,
    pub(super) down_max: usize,
}

impl Frame {
    /// A frame of which this decoder can do everything: Huffman codes, 8 bits, gray or YCbCr, and factors that divide the largest.
    /// The components come at so many eighths each.
    pub(crate) fn of(header: &Header<'_>, eighths: [u32; 3]) -> Option<Self> {
        if !header.is_gray_or_ycc() || !matches!(header.process, 0xc0..=0xc2) {
            return None;
        }
        let across_max = header.sampling.iter().map(|sampling| usize::from(sampling.across)).max()?;
        let down_max = header.sampling.iter().map(|sampling| usize::from(sampling.down)).max()?;
        let (width, height) = (header.width as usize, header.height as usize);
        let mut components = Vec::new();
        for (sampling, eighths) in header.sampling.iter().zip(eighths) {
            let (across, down) = (usize::from(sampling.across), usize::from(sampling.down));
            let divides =
                matches!(across, 1..=4) && matches!(down, 1..=4) && across_max % across == 0 && down_max % down == 0;
            if !divides || sampling.table > 3 {
                return None;
            }
            let eighths = eighths as usize;
            let blocks = |side: usize, factor: usize, max: usize| (side * factor).div_ceil(max).div_ceil(8);
            let samples = |side: usize, factor: usize, max: usize| (side * factor * eighths).div_ceil(max * 8);
            components.push(Component {
                id: sampling.id,
                across,
                down,
                table: usize::from(sampling.table),
                blocks_wide: blocks(width, across, across_max),
                blocks_high: blocks(height, down, down_max),
                eighths,
                width: samples(width, across, across_max),
                height: samples(height, down, down_max),
            });
        }
        let (mcus_wide, mcus_high) = (width.div_ceil(8 * across_max), height.div_ceil(8 * down_max));
        Some(Self { components, mcus_wide, mcus_high, across_max, down_max })
    }

    /// How many samples of a component's plane a pixel of the picture is, across and down.
    pub(crate) fn density(&self, component: usize) -> (f64, f64) {
        let component = &self.components[component];
        let density = |factor: usize, max: usize| (factor * component.eighths) as f64 / (max * 8) as f64;
        (density(component.across, self.across_max), density(component.down, self.down_max))
    }

    /// Blocks across and down with those that fill up the last MCUs.
    pub(super) fn padded(&self, component: usize) -> (usize, usize) {
        let component = &self.components[component];
        (self.mcus_wide * component.across, self.mcus_high * component.down)
    }
}

impl Component {
    /// Whether its plane has the same samples as another's.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        let shape = |of: &Self| (of.across, of.down, of.eighths, of.width, of.height);
        shape(self) == shape(other)
    }

    /// The last coefficient, in coded order, that the output can show.
    pub(super) fn last_needed(&self) -> usize {
        LAST_NEEDED[self.eighths]
    }
}
