//! Quantiles of what members of a group have.

use super::decimal::Decimal;

/// The quantiles that are told, in hundredths.
const QUANTILES: [usize; 5] = [10, 25, 50, 75, 90];

/// Quantiles from the lowest value up: the smallest value that 10, 25, 50, 75 and 90 hundredths of the members do not
/// exceed. Each is `None` without members, and where the members are too few to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantiles {
    pub members: usize,
    pub values: [Option<Decimal>; QUANTILES.len()],
}

impl Quantiles {
    /// Of values from the lowest up, each with how many members have it.
    pub(crate) fn counted(rising: &[(Decimal, i64)]) -> Quantiles {
        let members: i64 = rising.iter().map(|(_, members)| members).sum();
        let at = |hundredths: usize| {
            let rank = (members * hundredths as i64 + 99) / 100;
            let mut below = 0;
            let found = rising.iter().find(|(_, members)| {
                below += members;
                below >= rank.max(1)
            });
            found.map(|(value, _)| *value)
        };
        Quantiles { members: members as usize, values: QUANTILES.map(at) }
    }

    /// Of values from the lowest up.
    pub(crate) fn of(rising: &[Decimal], is_hidden: bool) -> Quantiles {
        let at = |hundredths: usize| {
            let rank = (rising.len() * hundredths).div_ceil(100).max(1);
            rising.get(rank - 1).copied().filter(|_| !is_hidden)
        };
        Quantiles { members: rising.len(), values: QUANTILES.map(at) }
    }
}

#[cfg(test)]
mod tests {
    use super::Quantiles;
    use crate::domain::decimal::Decimal;

    #[test]
    fn a_quantile_is_the_smallest_value_that_so_many_do_not_exceed() {
        let rising: Vec<Decimal> = (1..=10).map(Decimal::from_millionths).collect();
        let at = |number| Some(Decimal::from_millionths(number));
        let quantiles = Quantiles::of(&rising, false);
        assert_eq!((quantiles.members, quantiles.values), (10, [at(1), at(3), at(5), at(8), at(9)]));
        let counted: Vec<(Decimal, i64)> =
            [(1, 2), (3, 5), (8, 3)].map(|(of, n)| (Decimal::from_millionths(of), n)).into();
        assert_eq!(Quantiles::counted(&counted).values, [at(1), at(3), at(3), at(8), at(8)]);
        assert_eq!(Quantiles::of(&rising, true).values, [None; 5]);
        assert_eq!(Quantiles::of(&[], false).values, [None; 5]);
    }
}
