//! Peer groups and standings (scoring law §7.1, §7.2).

use std::collections::HashMap;

use super::curve::{Better, Ratio};
use super::id::Id;
use super::words::words;

words! {
    /// Which comparison gave a metric its points.
    pub enum Basis {
        Category = "category",
        Market = "market",
        /// The value itself gave them.
        Reference = "reference",
    }
}

/// The values of one metric in one group, best first.
#[derive(Clone, Debug, Default)]
pub(crate) struct PeerGroup {
    values: Vec<Ratio>,
}

impl PeerGroup {
    pub(crate) fn new(mut values: Vec<Ratio>, better: Better) -> PeerGroup {
        match better {
            Better::Lower => values.sort_unstable_by(|left, right| left.compare(*right)),
            Better::Higher => values.sort_unstable_by(|left, right| right.compare(*left)),
        }
        PeerGroup { values }
    }

    /// A group of values that are sorted already, best first.
    pub(crate) fn sorted(values: Vec<Ratio>) -> PeerGroup {
        PeerGroup { values }
    }

    /// Best first.
    pub(crate) fn values(&self) -> &[Ratio] {
        &self.values
    }

    /// Members, the subject itself included.
    pub(crate) fn members(&self) -> i64 {
        self.values.len() as i64
    }

    /// The members whose value is strictly better.
    pub(crate) fn better_than(&self, value: Ratio, better: Better) -> i64 {
        self.values.partition_point(|peer| peer.is_better_than(value, better)) as i64
    }
}

/// Where a value stands in a group that is large enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub basis: Basis,
    pub peers: i64,
    pub better_peers: i64,
}

impl Standing {
    /// The nearest standing in tenths, as if there were eleven peers: it does not tell what any of them has.
    pub(crate) fn in_tenths(self) -> Standing {
        let Ratio { numerator, denominator } = self.ratio();
        let tenths = (20 * numerator + denominator) / (2 * denominator);
        Standing { basis: self.basis, peers: 11, better_peers: 10 - tenths }
    }

    /// (n - 1 - better) / (n - 1). `peers` is at least 2.
    pub fn ratio(&self) -> Ratio {
        Ratio { numerator: self.peers - 1 - self.better_peers, denominator: self.peers - 1 }
    }
}

/// All peers of one metric under one rule set.
#[derive(Clone, Debug, Default)]
pub(crate) struct MetricPeers {
    pub market: PeerGroup,
    pub categories: HashMap<Id, PeerGroup>,
    /// Those of the market that are in no category.
    pub uncategorized: PeerGroup,
}

/// Where many subjects stand in one metric, by their place, without the values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standings {
    /// How many peers are better; with [`Standings::OF_MARKET`] those of the market, else those of the category.
    better_peers: Vec<u32>,
    /// Members of each category, by its place, and of the market.
    categories: Vec<u32>,
    market: u32,
}

impl Standings {
    const NONE: u32 = u32::MAX;
    const OF_MARKET: u32 = 1 << 31;

    /// Of members' values with the places of their categories, in the order of the subjects; `None` where a subject is not
    /// assessed. `categories` are those of the places.
    pub(crate) fn of(
        peers: &MetricPeers,
        categories: &[Id],
        values: impl Iterator<Item = Option<(Ratio, Option<usize>)>>,
        (better, peers_min): (Better, i64),
    ) -> Standings {
        let members = |group: &PeerGroup| group.members() as u32;
        let standing = |(value, category): (Ratio, Option<usize>)| {
            let standing = peers.standing(value, category.map(|place| &categories[place]), better, peers_min)?;
            let better_peers = standing.better_peers as u32;
            Some(if standing.basis == Basis::Market { better_peers | Standings::OF_MARKET } else { better_peers })
        };
        Standings {
            better_peers: values.map(|value| value.and_then(standing).unwrap_or(Standings::NONE)).collect(),
            categories: categories.iter().map(|id| peers.categories.get(id).map_or(0, members)).collect(),
            market: members(&peers.market),
        }
    }

    /// The standing of a subject in a category, by their places; `None` where it is not assessed, or has too few peers.
    pub(crate) fn at(&self, subject: usize, category: Option<usize>) -> Option<Standing> {
        let packed = self.better_peers[subject];
        if packed == Standings::NONE {
            return None;
        }
        let better_peers = i64::from(packed & !Standings::OF_MARKET);
        if packed & Standings::OF_MARKET != 0 {
            return Some(Standing { basis: Basis::Market, peers: self.market.into(), better_peers });
        }
        Some(Standing { basis: Basis::Category, peers: self.categories[category?].into(), better_peers })
    }
}

/// What one subject had in a run: its value, and the category in which it was compared.
#[derive(Clone, Debug)]
pub(crate) struct Former {
    pub value: Ratio,
    pub category_id: Option<Id>,
}

impl MetricPeers {
    /// The values of all assessed subjects with their categories.
    pub(crate) fn gather<'a>(assessed: impl Iterator<Item = (Ratio, Option<&'a Id>)>, better: Better) -> MetricPeers {
        let mut market = Vec::new();
        let mut uncategorized = Vec::new();
        let mut categories: HashMap<Id, Vec<Ratio>> = HashMap::new();
        for (value, category_id) in assessed {
            market.push(value);
            match category_id {
                None => uncategorized.push(value),
                Some(id) => match categories.get_mut(id) {
                    Some(values) => values.push(value),
                    None => drop(categories.insert(id.clone(), vec![value])),
                },
            }
        }
        let categories = categories.into_iter().map(|(id, values)| (id, PeerGroup::new(values, better))).collect();
        MetricPeers {
            market: PeerGroup::new(market, better),
            categories,
            uncategorized: PeerGroup::new(uncategorized, better),
        }
    }

    /// The standing that a subject would have with another value, everybody else standing still. `former` is what it
    /// had among these peers, if it was one of them.
    pub(crate) fn standing_instead(
        &self,
        value: Ratio,
        category_id: Option<&Id>,
        former: Option<&Former>,
        better: Better,
        peers_min: i64,
    ) -> Option<Standing> {
        let nobody = PeerGroup::default();
        let category = category_id.map(|id| {
            let was_in = former.filter(|former| former.category_id.as_ref() == Some(id));
            (Basis::Category, self.categories.get(id).unwrap_or(&nobody), was_in)
        });
        let groups = [category, Some((Basis::Market, &self.market, former))].into_iter().flatten();
        groups
            .map(|(basis, group, former)| {
                let beaten_by_itself = former.is_some_and(|former| former.value.is_better_than(value, better));
                let others = group.members() - i64::from(former.is_some());
                let better_peers = group.better_than(value, better) - i64::from(beaten_by_itself);
                Standing { basis, peers: others + 1, better_peers }
            })
            .find(|standing| standing.peers >= peers_min)
    }

    /// The standing of a member's value: in its category, else in the market, else none.
    pub(crate) fn standing(
        &self,
        value: Ratio,
        category_id: Option<&Id>,
        better: Better,
        peers_min: i64,
    ) -> Option<Standing> {
        let category = category_id.and_then(|id| self.categories.get(id)).map(|group| (Basis::Category, group));
        let market = Some((Basis::Market, &self.market));
        let groups = [category, market].into_iter().flatten();
        let (basis, group) = groups.into_iter().find(|(_, group)| group.members() >= peers_min)?;
        Some(Standing { basis, peers: group.members(), better_peers: group.better_than(value, better) })
    }
}

#[cfg(test)]
mod tests {
    use super::{Basis, MetricPeers, Standings};
    use crate::domain::curve::{Better, Ratio};
    use crate::domain::id::Id;

    fn rate(numerator: i64, denominator: i64) -> Ratio {
        Ratio { numerator, denominator }
    }

    #[test]
    fn equals_share_the_better_place_and_whoever_nobody_beats_stands_at_one() {
        let values = [rate(1, 100), rate(2, 200), rate(1, 50), rate(1, 10)];
        let peers = MetricPeers::gather(values.into_iter().map(|value| (value, None)), Better::Lower);
        let standing = |value| peers.standing(value, None, Better::Lower, 2).expect("large enough");
        assert_eq!(standing(rate(1, 100)).better_peers, 0);
        assert_eq!(standing(rate(2, 200)).ratio(), rate(3, 3));
        assert_eq!(standing(rate(1, 50)).better_peers, 2);
        assert_eq!(standing(rate(1, 10)).ratio(), rate(0, 3));
    }

    #[test]
    fn standings_by_place_are_those_of_the_values() {
        let [food, toys] = ["food", "toys"].map(|id| Id::parse(id).expect("id"));
        let categories = [food, toys];
        // Twelve in the first category, three in the second, two in none; every fifth is not assessed.
        let category = |place: usize| [Some(0), Some(1), None][usize::from(place >= 12) + usize::from(place >= 15)];
        let value = |place: usize| (place % 5 != 4).then(|| rate(place as i64 * 7 % 10, 10));
        let of = |place: usize| Some((value(place)?, category(place)));
        let members = (0..17).filter_map(|place| {
            of(place).map(|(value, category)| (value, category.map(|category| &categories[category])))
        });
        let peers = MetricPeers::gather(members, Better::Higher);
        for peers_min in [2, 9, 13, 20] {
            let standings = Standings::of(&peers, &categories, (0..17).map(of), (Better::Higher, peers_min));
            for place in 0..17 {
                let category_id = category(place).map(|category| &categories[category]);
                let wanted =
                    value(place).and_then(|value| peers.standing(value, category_id, Better::Higher, peers_min));
                assert_eq!(standings.at(place, category(place)), wanted, "{place} with {peers_min}");
            }
        }
    }

    #[test]
    fn a_small_category_falls_back_to_the_market_and_a_small_market_to_nothing() {
        let food = Id::parse("food").expect("id");
        let values = (1..=12).map(|n| (rate(n, 100), (n <= 9).then_some(&food)));
        let peers = MetricPeers::gather(values, Better::Higher);
        let standing = |peers_min| peers.standing(rate(9, 100), Some(&food), Better::Higher, peers_min);
        assert_eq!(standing(9).map(|standing| (standing.basis, standing.better_peers)), Some((Basis::Category, 0)));
        assert_eq!(standing(10).map(|standing| (standing.basis, standing.better_peers)), Some((Basis::Market, 3)));
        assert_eq!(standing(13), None);
    }
}
