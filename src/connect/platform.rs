//! What the platforms have in common: a message proves where it is from, is read, and is answered in the platform's own words.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::connector::{Connector, Header, Platform};
use super::message::Message;
use super::{doudian, shopify, tiktok};

impl Connector {
    /// Whether a body carries the platform's signature.
    pub(crate) fn is_signed(&self, header: Header<'_>, body: &[u8]) -> bool {
        match self.platform {
            Platform::Doudian => doudian::is_signed(self, header, body),
            Platform::Shopify => shopify::is_signed(self, header, body),
            Platform::Tiktok => tiktok::is_signed(self, header, body),
        }
    }

    /// Reads the messages of a body. `now` is when it came.
    pub(crate) fn read(&self, header: Header<'_>, body: &[u8], now: DateTime<Utc>) -> Vec<Message> {
        match self.platform {
            Platform::Doudian => doudian::read(self, body, now),
            Platform::Shopify => vec![shopify::read(self, header, body, now)],
            Platform::Tiktok => tiktok::read(self, body, now),
        }
    }

    /// Reads answers of the platform's API that somebody asked for. `shop_id` is the platform's id of the shop, for answers that
    /// do not name theirs.
    pub(crate) fn read_details(&self, body: &[u8], shop_id: Option<&str>, now: DateTime<Utc>) -> Vec<Message> {
        match self.platform {
            Platform::Doudian => doudian::read_details(self, body, shop_id, now),
            Platform::Shopify => shopify::read_details(self, body, shop_id, now),
            Platform::Tiktok => tiktok::read_details(self, body, shop_id, now),
        }
    }

    /// The answer that tells the platform that everything arrived.
    pub(crate) fn acknowledgement(&self) -> Value {
        match self.platform {
            Platform::Doudian => json!({"code": 0, "msg": "success"}),
            Platform::Shopify => json!({}),
            Platform::Tiktok => json!({"code": 0, "message": "success"}),
        }
    }
}
