//! Code points that say what the numbers in a picture mean (ITU-T H.273): primaries, transfer function, matrix, range. It must
//! never guess beyond what browsers do for "unspecified": sRGB, BT.601, full range.

use moxcms::{CicpColorPrimaries, CicpProfile, ColorProfile, MatrixCoefficients, TransferCharacteristics};

use crate::colour;

/// The four facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cicp {
    pub(crate) primaries: u16,
    pub(crate) transfer: u16,
    pub(crate) matrix: u16,
    pub(crate) full_range: bool,
}

pub(crate) const PRIMARIES_BT_709: u16 = 1;
pub(crate) const TRANSFER_SRGB: u16 = 13;
pub(crate) const UNSPECIFIED: u16 = 2;

impl Cicp {
    /// The content of an `nclx` box after its type.
    pub(crate) fn of_nclx(content: &[u8]) -> Option<Cicp> {
        let [p0, p1, t0, t1, m0, m1, range, ..] = *content else { return None };
        Some(Cicp {
            primaries: u16::from_be_bytes([p0, p1]),
            transfer: u16::from_be_bytes([t0, t1]),
            matrix: u16::from_be_bytes([m0, m1]),
            full_range: range & 0x80 != 0,
        })
    }

    /// An ICC profile of these colours, or `None` where they are sRGB, unknown, or beyond ICC.
    ///
    /// The video curves of BT.601, BT.709 and BT.2020 are read as sRGB's, as browsers do for pictures.
    pub(crate) fn profile(self) -> Option<Vec<u8>> {
        let transfer = match self.transfer {
            1 | UNSPECIFIED | 6 | TRANSFER_SRGB | 14 | 15 => TRANSFER_SRGB,
            other => other,
        };
        let plain_primaries = matches!(self.primaries, PRIMARIES_BT_709 | UNSPECIFIED);
        if plain_primaries && transfer == TRANSFER_SRGB {
            return None;
        }
        let primaries = if plain_primaries { PRIMARIES_BT_709 } else { self.primaries };
        // Reserved values mean nothing yet.
        if !matches!(primaries, 1 | 4..=12 | 22) || !matches!(transfer, 4 | 5 | 7..=13 | 16..=18) {
            return None;
        }
        let cicp = CicpProfile {
            color_primaries: CicpColorPrimaries::try_from(u8::try_from(primaries).ok()?).ok()?,
            transfer_characteristics: TransferCharacteristics::try_from(u8::try_from(transfer).ok()?).ok()?,
            matrix_coefficients: MatrixCoefficients::Identity,
            full_range: true,
        };
        colour::written(&ColorProfile::new_from_cicp(cicp))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn srgb_and_its_likes_need_no_profile_and_wide_gamuts_do() {
        for (primaries, transfer, wanted) in [
            (1, 13, false),
            (2, 2, false),
            (1, 1, false),
            (1, 6, false),
            (12, 13, true),
            (9, 14, true),
            (1, 8, true),
            (300, 13, false),
            (255, 13, false),
        ] {
            let cicp = Cicp { primaries, transfer, matrix: 1, full_range: true };
            assert_eq!(cicp.profile().is_some(), wanted, "{cicp:?}");
        }
    }

    #[test]
    fn nclx_is_seven_bytes() {
        let cicp = Cicp { primaries: 12, transfer: 13, matrix: 6, full_range: true };
        assert_eq!(Cicp::of_nclx(&[0, 12, 0, 13, 0, 6, 0x80]), Some(cicp));
        assert_eq!(Cicp::of_nclx(&[0, 12, 0, 13, 0, 6, 0x7f]), Some(Cicp { full_range: false, ..cicp }));
        assert_eq!(Cicp::of_nclx(&[0, 12, 0, 13, 0, 6]), None);
    }
}
