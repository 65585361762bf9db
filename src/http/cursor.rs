//! Cursors: a place in a list as an opaque text, signed for the request that it continues.
//!
//! A cursor is believed only in the list for which this service wrote it: same path, same parameters but for `limit`. So
//! it never shows more than its request may see, and a text that was made up is refused before anything reads it.

use std::collections::BTreeMap;

use axum::http::Uri;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::domain::hex::hex;
use crate::domain::id::Id;

/// Parameters that may change from page to page.
const OF_PAGES: [&str; 2] = ["cursor", "limit"];
/// Bytes of the signature that a cursor carries.
const SIGNATURE_BYTES: usize = 16;

/// A place in a list that a cursor can carry, as text.
pub(crate) trait CursorKey: Sized {
    fn write(&self) -> String;

    /// `None` if the text is none that [`CursorKey::write`] wrote.
    fn read(text: &str) -> Option<Self>;
}

impl CursorKey for i64 {
    fn write(&self) -> String {
        self.to_string()
    }

    fn read(text: &str) -> Option<i64> {
        text.parse().ok()
    }
}

impl CursorKey for i32 {
    fn write(&self) -> String {
        self.to_string()
    }

    fn read(text: &str) -> Option<i32> {
        text.parse().ok()
    }
}

impl CursorKey for Id {
    fn write(&self) -> String {
        self.to_string()
    }

    fn read(text: &str) -> Option<Id> {
        Id::parse(text).ok()
    }
}

/// The key of a database under which its cursors are signed, ready to sign.
pub(crate) type SigningKey = Hmac<Sha256>;

/// Signs and checks the cursors of one list.
pub(crate) struct Signer {
    /// Has taken in the path and the parameters of the list.
    of_list: SigningKey,
}

impl Signer {
    /// The signer of the list that a request asks for.
    pub(crate) fn of(key: &SigningKey, uri: &Uri) -> Signer {
        let parameters = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        let sorted: BTreeMap<_, _> = parameters.filter(|(name, _)| !OF_PAGES.contains(&name.as_ref())).collect();
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(sorted).finish();
        // A path and a query never hold a zero byte, which ends them here.
        Signer { of_list: key.clone().chain_update(format!("{}?{query}\0", uri.path())) }
    }

    fn signature(&self, place: &[u8]) -> SigningKey {
        self.of_list.clone().chain_update(place)
    }

    /// The cursor of a place: signature and place, in hex, which no URL must escape.
    pub(crate) fn close(&self, key: &impl CursorKey) -> String {
        let place = key.write().into_bytes();
        let signature = self.signature(&place).finalize().into_bytes();
        hex(signature.iter().take(SIGNATURE_BYTES).chain(&place))
    }

    /// The place that a cursor stands for; `None` if it was not written for this list.
    pub(crate) fn open<K: CursorKey>(&self, cursor: &str) -> Option<K> {
        let digits = cursor.as_bytes();
        if !digits.len().is_multiple_of(2) || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let bytes: Vec<u8> = digits.chunks(2).map(byte).collect::<Option<_>>()?;
        let (signature, place) = bytes.split_at_checked(SIGNATURE_BYTES)?;
        self.signature(place).verify_truncated_left(signature).ok()?;
        K::read(std::str::from_utf8(place).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use hmac::KeyInit;

    use super::{Signer, SigningKey};

    fn signer(secret: u8, uri: &str) -> Signer {
        let key = SigningKey::new_from_slice(&[secret; 32]).expect("a key");
        Signer::of(&key, &uri.parse().expect("a URI"))
    }

    #[test]
    fn a_cursor_opens_in_its_own_list_and_in_no_other() {
        let cursor = signer(1, "/v1/runs?state=failed&date=2026-11-20&limit=5").close(&7_i64);
        let opened = |secret, uri: &str, cursor: &str| signer(secret, uri).open::<i64>(cursor);
        for same in ["/v1/runs?date=2026-11-20&state=failed&cursor=00", "/v1/runs?limit=1&date=2026-11-20&state=failed"]
        {
            assert_eq!(opened(1, same, &cursor), Some(7), "{same}");
        }
        for other in
            ["/v1/runs?state=failed", "/v1/keys?state=failed&date=2026-11-20", "/v1/runs?state=failed%26date&x"]
        {
            assert_eq!(opened(1, other, &cursor), None, "{other}");
        }
        let uri = "/v1/runs?state=failed&date=2026-11-20";
        assert_eq!(opened(2, uri, &cursor), None, "another database's");
        for wrong in ["", "00", "zz", &cursor[2..], &format!("{cursor}30"), &cursor.replace("37", "38")] {
            assert_eq!(opened(1, uri, wrong), None, "{wrong}");
        }
    }
}
