//! How the stored picture is to be shown: clean aperture (`clap`), rotation (`irot`), mirroring (`imir`), in the order in which
//! the file lists them. It must never crop outside the picture.

use crate::Error;

use super::boxes::{Reader, broken, unsupported};
use super::container::{Container, Item};

/// A part of the stored picture, in whole pixels, inside it and not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "native"), allow(dead_code))]
pub(super) struct Crop {
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) width: u32,
    pub(super) height: u32,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Placement {
    pub(super) crop: Option<Crop>,
    /// EXIF orientation, 1 to 8.
    pub(super) orientation: u8,
}

/// Rows of a matrix that takes stored coordinates (x right, y down, about the centre) to shown ones.
type Turn = [[i8; 2]; 2];

fn after(turn: Turn, first: Turn) -> Turn {
    let cell = |row: usize, column: usize| turn[row][0] * first[0][column] + turn[row][1] * first[1][column];
    [[cell(0, 0), cell(0, 1)], [cell(1, 0), cell(1, 1)]]
}

/// What each EXIF orientation does to stored coordinates, 1 first.
const ORIENTATIONS: [Turn; 8] = [
    [[1, 0], [0, 1]],
    [[-1, 0], [0, 1]],
    [[-1, 0], [0, -1]],
    [[1, 0], [0, -1]],
    [[0, 1], [1, 0]],
    [[0, -1], [1, 0]],
    [[0, -1], [-1, 0]],
    [[0, 1], [-1, 0]],
];

pub(super) fn read(bytes: &[u8], container: &Container, item: &Item, size: (u32, u32)) -> Result<Placement, Error> {
    let mut turn = ORIENTATIONS[0];
    let mut crop = None;
    for (index, _) in &item.properties {
        let Some(property) = container.properties.get(*index) else { continue };
        let content = bytes.get(property.content.clone()).unwrap_or(&[]);
        let first = content.first().copied();
        match &property.kind {
            b"clap" if crop.is_some() || turn != ORIENTATIONS[0] => {
                return Err(unsupported("a clean aperture after turning"));
            }
            b"clap" => crop = Some(clean_aperture(content, size)?),
            b"irot" => {
                // Quarter turns against the clock.
                for _ in 0..first.ok_or_else(|| broken("a rotation without an angle"))? & 3 {
                    turn = after(ORIENTATIONS[7], turn);
                }
            }
            b"imir" => {
                // Axis 0 exchanges top and bottom, 1 left and right.
                let axis = first.ok_or_else(|| broken("a mirror without an axis"))? & 1;
                turn = after(ORIENTATIONS[if axis == 0 { 3 } else { 1 }], turn);
            }
            _ => {}
        }
    }
    let place = ORIENTATIONS.iter().position(|known| *known == turn);
    let orientation = place.ok_or_else(|| broken("an impossible turn"))? as u8 + 1;
    Ok(Placement { crop, orientation })
}

/// Four fractions: width, height, and the offset of its centre from the picture's (ISO/IEC 14496-12 section 12.1.4).
fn clean_aperture(content: &[u8], (width, height): (u32, u32)) -> Result<Crop, Error> {
    let mut reader = Reader { bytes: content, at: 0 };
    let mut fraction = || -> Result<(i64, i64), Error> {
        let (numerator, denominator) = (reader.u32()? as i32, reader.u32()?);
        if denominator == 0 || i32::try_from(denominator).is_err() {
            return Err(broken("a clean aperture with a bad fraction"));
        }
        Ok((i64::from(numerator), i64::from(denominator)))
    };
    let (shown_width, shown_height, right, down) = (fraction()?, fraction()?, fraction()?, fraction()?);
    let (x, width) = along(width, shown_width, right)?;
    let (y, height) = along(height, shown_height, down)?;
    Ok(Crop { x, y, width, height })
}

fn along(side: u32, shown: (i64, i64), offset: (i64, i64)) -> Result<(u32, u32), Error> {
    let whole = |numerator: i128, denominator: i128| (numerator % denominator == 0).then(|| numerator / denominator);
    let uneven = || unsupported("a clean aperture between pixels");
    let length = whole(shown.0.into(), shown.1.into()).ok_or_else(uneven)?;
    // (side - length) / 2 + offset, over one denominator.
    let start = (i128::from(side) - length) * i128::from(offset.1) + 2 * i128::from(offset.0);
    let start = whole(start, 2 * i128::from(offset.1)).ok_or_else(uneven)?;
    if length < 1 || start < 0 || start + length > i128::from(side) {
        return Err(broken("a clean aperture outside the picture"));
    }
    Ok((start as u32, length as u32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::avif::boxes::BoxAt;

    fn placed(properties: &[(&[u8; 4], &[u8])], size: (u32, u32)) -> Result<Placement, Error> {
        let mut bytes = Vec::new();
        let mut container = Container::default();
        let mut item = Item::default();
        for (index, (kind, content)) in properties.iter().enumerate() {
            let start = bytes.len();
            bytes.extend_from_slice(content);
            container.properties.push(BoxAt { kind: **kind, start, content: start..bytes.len() });
            item.properties.push((index, true));
        }
        read(&bytes, &container, &item, size)
    }

    #[test]
    fn rotation_then_mirror_gives_the_exif_orientation() {
        // Angle and axis to orientation, as libavif's table has them.
        let table =
            [(0, None, 1), (1, None, 8), (2, None, 3), (3, None, 6), (0, Some(0), 4), (0, Some(1), 2), (1, Some(0), 5)];
        let table = table.into_iter().chain([
            (1, Some(1), 7),
            (2, Some(0), 2),
            (2, Some(1), 4),
            (3, Some(0), 7),
            (3, Some(1), 5),
        ]);
        for (angle, axis, wanted) in table {
            let (angle, mirror) = ([angle], axis.map(|axis: u8| [axis]));
            let mut properties: Vec<(&[u8; 4], &[u8])> = vec![(b"irot", &angle)];
            if let Some(axis) = &mirror {
                properties.push((b"imir", axis));
            }
            assert_eq!(placed(&properties, (4, 4)).unwrap().orientation, wanted, "{properties:?}");
        }
    }

    #[test]
    fn the_order_of_the_file_counts() {
        assert_eq!(placed(&[(b"imir", &[0]), (b"irot", &[1])], (4, 4)).unwrap().orientation, 7);
        assert_eq!(placed(&[(b"irot", &[1]), (b"imir", &[0])], (4, 4)).unwrap().orientation, 5);
    }

    #[test]
    fn a_clean_aperture_is_whole_and_inside() {
        let clap = |fields: [i32; 8]| fields.iter().flat_map(|field| field.to_be_bytes()).collect::<Vec<u8>>();
        let at = |fields: [i32; 8]| placed(&[(b"clap", &clap(fields))], (10, 8)).map(|p| p.crop.unwrap());
        assert_eq!(at([10, 1, 8, 1, 0, 1, 0, 1]).unwrap(), Crop { x: 0, y: 0, width: 10, height: 8 });
        assert_eq!(at([4, 1, 4, 2, 3, 1, -3, 1]).unwrap(), Crop { x: 6, y: 0, width: 4, height: 2 });
        assert_eq!(at([5, 1, 8, 1, 1, 2, 0, 1]).unwrap(), Crop { x: 3, y: 0, width: 5, height: 8 });
        for bad in
            [[4, 1, 2, 1, 4, 1, 0, 1], [4, 1, 2, 1, 0, 1, -4, 1], [12, 1, 8, 1, 0, 1, 0, 1], [0, 1, 8, 1, 0, 1, 0, 1]]
        {
            assert!(matches!(at(bad), Err(Error::Broken { .. })), "{bad:?}");
        }
        assert!(matches!(at([4, 0, 2, 1, 0, 1, 0, 1]), Err(Error::Broken { .. })));
        assert!(matches!(at([5, 1, 8, 1, 0, 1, 0, 1]), Err(Error::Unsupported { .. })));
        assert!(placed(&[(b"clap", &[0; 31])], (10, 8)).is_err());
        assert!(at([i32::MIN, 1, i32::MAX, 1, i32::MAX, i32::MAX, i32::MIN, 1]).is_err());
    }
}
