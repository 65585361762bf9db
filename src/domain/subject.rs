//! Whoever is scored: a shop or a creator (scoring law §1).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::id::Id;

/// The two kinds of subject. Shops sort before creators; writers take locks in that order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SubjectKind {
    /// 店铺, scored by 商家体验分.
    Shop,
    /// 达人, scored by 带货口碑分 on the orders that they brought, over all shops.
    Creator,
}

impl SubjectKind {
    pub const ALL: [SubjectKind; 2] = [SubjectKind::Shop, SubjectKind::Creator];

    /// The number under which rows keep the kind.
    pub fn code(self) -> i16 {
        match self {
            SubjectKind::Shop => 1,
            SubjectKind::Creator => 2,
        }
    }

    pub fn from_code(code: i16) -> Option<SubjectKind> {
        SubjectKind::ALL.into_iter().find(|kind| kind.code() == code)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            SubjectKind::Shop => "shop",
            SubjectKind::Creator => "creator",
        }
    }
}

impl fmt::Display for SubjectKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// One subject. Sorts by kind, then id, like the keys of counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    pub kind: SubjectKind,
    pub id: Id,
}
