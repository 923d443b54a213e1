//! Tests of the directory of originals.
