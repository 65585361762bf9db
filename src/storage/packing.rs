//! Integers packed into bytes (LEB128), as cards, peer groups and sums are kept.

pub(crate) fn put(packed: &mut Vec<u8>, number: i64) {
    // Zigzag, so that a count which should never be negative would still survive.
    let mut rest = ((number << 1) ^ (number >> 63)) as u64;
    while rest >= 0x80 {
        packed.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    packed.push(rest as u8);
}

/// Packed bytes on their way back.
pub(crate) struct Packed<'a> {
    pub rest: &'a [u8],
}

impl<'a> Packed<'a> {
    /// `None` where fewer are left.
    pub(crate) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (first, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(first)
    }

    /// `None` at the end.
    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// `None` at the end, and where the bytes are no number.
    pub(crate) fn number(&mut self) -> Option<i64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some((number >> 1) as i64 ^ -((number & 1) as i64));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{Packed, put};

    #[test]
    fn numbers_come_back_as_they_were_and_broken_ones_do_not() {
        let numbers = [0, 1, -1, 63, 64, -64, 127, 128, 1 << 40, i64::MAX, i64::MIN];
        let mut packed = Vec::new();
        numbers.iter().for_each(|number| put(&mut packed, *number));
        let mut reader = Packed { rest: &packed };
        assert_eq!(numbers.map(|_| reader.number()), numbers.map(Some));
        assert_eq!((reader.number(), Packed { rest: &[0x80] }.number()), (None, None));
    }
}
