//! Keys as their holders know them.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::domain::hex::hex;

/// Characters of the public part, and of the secret one.
const PREFIX_LENGTH: usize = 16;
const SECRET_LENGTH: usize = 64;

/// A key as its holder knows it: `ssk_`, a public part by which it is found, and 256 bits that nobody can guess.
pub struct Secret {
    pub text: String,
    pub prefix: String,
}

impl Secret {
    pub fn random() -> Secret {
        let (high, low) = (rand::random::<u128>(), rand::random::<u128>());
        Secret::new(format!("{:016x}", rand::random::<u64>()), &format!("{high:032x}{low:032x}"))
    }

    /// The same secret whenever the same request comes again: it is made from what only the sender of the request knows,
    /// and from random bits that are kept with the key for a day.
    pub(super) fn repeatable(prefix: String, salt: &[u8], idempotency_key: &str) -> Option<Secret> {
        let mut mac = Hmac::<Sha256>::new_from_slice(salt).ok()?;
        mac.update(idempotency_key.as_bytes());
        Some(Secret::new(prefix, &hex(&mac.finalize().into_bytes())))
    }

    fn new(prefix: String, secret: &str) -> Secret {
        Secret { text: format!("ssk_{prefix}_{secret}"), prefix }
    }

    pub fn hash(&self) -> Vec<u8> {
        Sha256::digest(self.text.as_bytes()).to_vec()
    }
}

/// The public part of what claims to be a key; `None` where it has not the form of one.
pub fn prefix_of(text: &str) -> Option<&str> {
    let (prefix, secret) = text.strip_prefix("ssk_")?.split_once('_')?;
    (prefix.len() == PREFIX_LENGTH && secret.len() == SECRET_LENGTH).then_some(prefix)
}

#[cfg(test)]
mod tests {
    use super::{Secret, prefix_of};

    #[test]
    fn a_key_is_found_by_its_public_part_and_no_two_are_the_same() {
        let (one, other) = (Secret::random(), Secret::random());
        assert_eq!(prefix_of(&one.text), Some(one.prefix.as_str()));
        assert_ne!(one.text, other.text);
        assert_ne!(one.hash(), other.hash());
        for wrong in ["", "ssk_", "ssk_0123456789abcdef_", &one.text[1..], &one.text[..one.text.len() - 1]] {
            assert_eq!(prefix_of(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_repeatable_secret_has_the_form_of_all_and_needs_both_of_its_parts() {
        let secret = |salt: &[u8], key: &str| {
            Secret::repeatable("0123456789abcdef".to_owned(), salt, key).expect("a secret").text
        };
        let one = secret(b"salt", "a-random-request-1");
        assert_eq!(prefix_of(&one), Some("0123456789abcdef"));
        assert_eq!(one, secret(b"salt", "a-random-request-1"));
        assert_ne!(one, secret(b"salt", "a-random-request-2"));
        assert_ne!(one, secret(b"pepper", "a-random-request-1"));
    }
}
