//! The order in which a block's coefficients are coded (ITU T.81, figure A.6), and how much of it a scale needs.

/// Column and row frequency of each coefficient in coded order, as `column * 8 + row`: blocks are kept transposed, because that is
/// how the inverse transform takes them.
pub(super) const TRANSPOSED: [u8; 64] = transposed();

/// The last coefficient, in coded order, that an output of n pixels a block can show, for n = 0 to 8.
pub(super) const LAST_NEEDED: [usize; 9] = last_needed();

/// Walks the diagonals: up and to the right on even ones, down and to the left on odd ones.
const fn transposed() -> [u8; 64] {
    let mut order = [0; 64];
    let (mut row, mut column, mut at) = (0, 0, 0);
    while at < 64 {
        order[at] = (column * 8 + row) as u8;
        let up = (row + column) % 2 == 0;
        let (leading, trailing) = if up { (column, row) } else { (row, column) };
        let (leading, trailing) = match (leading, trailing) {
            (7, trailing) => (7, trailing + 1),
            (leading, 0) => (leading + 1, 0),
            (leading, trailing) => (leading + 1, trailing - 1),
        };
        (row, column) = if up { (trailing, leading) } else { (leading, trailing) };
        at += 1;
    }
    order
}

const fn last_needed() -> [usize; 9] {
    let mut last = [0; 9];
    let mut n = 1;
    while n <= 8 {
        let mut at = 0;
        while at < 64 {
            let (column, row) = (TRANSPOSED[at] / 8, TRANSPOSED[at] % 8);
            if (column as usize) < n && (row as usize) < n {
                last[n] = at;
            }
            at += 1;
        }
        n += 1;
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_order() {
        assert_eq!(TRANSPOSED[..10], [0, 8, 1, 2, 9, 16, 24, 17, 10, 3]);
        assert_eq!(TRANSPOSED[60..], [61, 62, 55, 63]);
        let mut all = TRANSPOSED;
        all.sort_unstable();
        assert!(all.into_iter().eq(0..64));
        assert_eq!(LAST_NEEDED, [0, 0, 4, 12, 24, 39, 51, 59, 63]);
    }
}
