//! SHA-256, the one digest used in names: a CloudFront Function has to compute the same ones, and it has no other.

use sha2::{Digest as _, Sha256};

/// An incremental SHA-256 whose input is length-prefixed, so that `("ab","c")` and `("a","bc")` never collide.
#[derive(Default, Clone)]
pub struct Digest(Sha256);

impl Digest {
    /// Starts a digest for one purpose; different `domain`s never share digests.
    pub fn new(domain: &str) -> Self {
        Self::default().part(domain.as_bytes())
    }

    /// Adds one field.
    pub fn part(mut self, bytes: &[u8]) -> Self {
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
        self
    }

    /// The first `hex_chars` lower-case hex characters, at most 64.
    pub fn hex(self, hex_chars: usize) -> String {
        let mut text = hex(&self.0.finalize());
        text.truncate(hex_chars);
        text
    }
}

/// Plain SHA-256 of `bytes` as 64 lower-case hex characters.
pub fn digest_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(DIGITS[usize::from(byte >> 4)] as char);
        text.push(DIGITS[usize::from(byte & 15)] as char);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_digest_is_sha256() {
        // FIPS 180-2, appendix B.1.
        assert_eq!(digest_hex(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn fields_do_not_run_together() {
        let one = Digest::new("t").part(b"ab").part(b"c").hex(64);
        let two = Digest::new("t").part(b"a").part(b"bc").hex(64);
        assert_ne!(one, two);
    }
}
