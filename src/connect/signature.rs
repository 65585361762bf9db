//! Whether a message is from who it says: signatures over the bytes as they came, compared in constant time.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::domain::hex::hex;

/// How a message is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignMethod {
    Md5,
    HmacSha256,
}

/// The MD5 of parts one behind the other.
pub(super) fn md5(parts: &[&[u8]]) -> Vec<u8> {
    parts.iter().fold(Md5::new(), |digest, part| digest.chain_update(part)).finalize().to_vec()
}

/// The HMAC-SHA256 of parts one behind the other.
pub(super) fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    // A key of any length will do.
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    parts.iter().fold(mac, |mac, part| mac.chain_update(part)).finalize().into_bytes().to_vec()
}

/// Whether a signature in hexadecimal, of either case, is the one that it should be.
pub(super) fn is_hex_of(signature: &str, wanted: &[u8]) -> bool {
    !wanted.is_empty() && bool::from(signature.trim().to_ascii_lowercase().as_bytes().ct_eq(hex(wanted).as_bytes()))
}

/// Whether a signature in base64 is the one that it should be.
pub(super) fn is_base64_of(signature: &str, wanted: &[u8]) -> bool {
    let signature = STANDARD.decode(signature.trim()).unwrap_or_default();
    !wanted.is_empty() && bool::from(signature.ct_eq(wanted))
}

#[cfg(test)]
mod tests {
    use super::{hmac_sha256, is_hex_of, md5};
    use crate::domain::hex::hex;

    #[test]
    fn digests_are_those_of_the_standards() {
        // RFC 1321 and RFC 4231, test case 2.
        assert_eq!(hex(&md5(&[b"abc", b"", b"def"])), hex(&md5(&[b"abcdef"])));
        assert_eq!(hex(&md5(&[b"message digest"])), "f96b697d7cb7938d525a2f31aaf161d0");
        let mac = hmac_sha256(b"Jefe", &[b"what do ya want ", b"for nothing?"]);
        assert_eq!(hex(&mac), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn a_signature_has_no_case_and_nothing_is_no_signature() {
        let wanted = md5(&[b"x"]);
        assert!(is_hex_of(&hex(&wanted).to_uppercase(), &wanted) && is_hex_of(&format!(" {} ", hex(&wanted)), &wanted));
        assert!(!is_hex_of("", &wanted) && !is_hex_of("", &[]) && !is_hex_of(&hex(&wanted)[..31], &wanted));
    }
}
