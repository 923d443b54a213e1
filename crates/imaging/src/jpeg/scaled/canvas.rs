//! The samples of a component while they are decoded: a strip of rows, or the whole plane.

use super::frame::Component;
use super::idct;

/// A transform may write eight samples where a block has fewer: the last block of a row needs that much more.
const SLACK: usize = 8;

/// Rows of blocks, each block n x n samples.
pub(super) struct Canvas {
    samples: Vec<u8>,
    pub(super) stride: usize,
    /// Samples a block edge.
    eighths: usize,
}

impl Canvas {
    pub(super) fn new(eighths: usize, blocks_wide: usize, blocks_high: usize) -> Self {
        let stride = blocks_wide * eighths + SLACK;
        Self { samples: vec![0; stride * blocks_high * eighths], stride, eighths }
    }

    /// From the first sample of a block on.
    #[inline(always)]
    pub(super) fn block(&mut self, column: usize, row: usize) -> &mut [u8] {
        let at = row * self.eighths * self.stride + column * self.eighths;
        &mut self.samples[at..]
    }

    /// Draws a block of one value. Blocks are drawn from left to right.
    #[inline(always)]
    pub(super) fn flat(&mut self, column: usize, row: usize, dc: i16) {
        let (eighths, stride) = (self.eighths, self.stride);
        let sample = idct::flat(dc);
        let block = self.block(column, row);
        if eighths == 1 {
            block[0] = sample;
            return;
        }
        for y in 0..eighths {
            block[y * stride..y * stride + SLACK].fill(sample);
        }
    }

    /// The rows that belong to the plane, where this canvas begins at its row `top`.
    pub(super) fn rows(&self, component: &Component, top: usize) -> &[u8] {
        let rows = component.height.saturating_sub(top).min(self.samples.len() / self.stride);
        &self.samples[..rows * self.stride]
    }
}
