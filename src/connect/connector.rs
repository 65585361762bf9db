//! A connector: one way in for the messages of a platform.

use std::collections::BTreeMap;
use std::fmt;

use super::signature::SignMethod;
use crate::domain::event::AftersaleReason;
use crate::domain::id::Id;
use crate::domain::words::words;

words! {
    /// Who pushes messages.
    pub(crate) enum Platform {
        Doudian = "doudian",
        Shopify = "shopify",
        Tiktok = "tiktok",
    }
}

impl Platform {
    /// Whether the app's key is a part of what is signed.
    pub(super) fn signs_with_app_key(self) -> bool {
        self != Platform::Shopify
    }
}

/// The value of a header, by its name in small letters.
pub(crate) type Header<'a> = &'a dyn Fn(&str) -> Option<&'a str>;

/// One way in for the messages of a platform.
#[derive(Clone)]
pub struct Connector {
    /// The last part of its path.
    pub id: String,
    pub(crate) platform: Platform,
    pub(super) app_key: String,
    pub(super) secret: Vec<u8>,
    pub(super) sign_method: SignMethod,
    pub(super) shops: BTreeMap<String, Id>,
    /// Stands before the platform's ids of shops that are not named.
    pub(super) prefix: String,
    /// What the platform's codes of reasons mean.
    pub(super) reasons: BTreeMap<String, AftersaleReason>,
}

impl fmt::Debug for Connector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "connector {} ({})", self.id, self.platform)
    }
}

impl Connector {
    pub fn platform(&self) -> &'static str {
        self.platform.as_str()
    }

    /// The shop that the platform calls by an id; as text, since it is checked with its event.
    pub(super) fn shop(&self, theirs: &str) -> String {
        self.shops.get(theirs).map_or_else(|| format!("{}{theirs}", self.prefix), Id::to_string)
    }
}
