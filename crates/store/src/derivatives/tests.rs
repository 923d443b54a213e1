//! Tests of the directory of derivatives.
