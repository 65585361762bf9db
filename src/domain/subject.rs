//! Subjects of scores: a shop or a creator (scoring law §1).

use serde::{Deserialize, Serialize};

use super::id::Id;
use super::words::words;

words! {
    /// The two kinds of subject. Shops sort before creators; writers take locks in that order.
    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "lowercase")]
    pub enum SubjectKind {
        /// 店铺, scored by 商家体验分.
        Shop = "shop",
        /// 达人, scored by 带货口碑分 on the orders that they brought, over all shops.
        Creator = "creator",
    }
}

impl SubjectKind {
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
}

/// One subject. Sorts by kind, then id, like the keys of counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    pub kind: SubjectKind,
    pub id: Id,
}

impl TryFrom<i16> for SubjectKind {
    type Error = String;

    fn try_from(code: i16) -> Result<SubjectKind, String> {
        SubjectKind::from_code(code).ok_or_else(|| format!("no kind of subject has the code {code}"))
    }
}
