//! The key that a client gives to a request, so that a repeat of it makes nothing twice.

use sha2::{Digest, Sha256};
use thiserror::Error;

/// Most characters of a key.
pub const IDEMPOTENCY_KEY_CHARS_MAX: u32 = 128;
/// Hex digits of a key's digest in a message's own id: enough that no two keys of a person meet.
const DIGEST_CHARS: usize = 40;

/// A client's key: 1 to 128 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

/// Why a text is no [`IdempotencyKey`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidKey {
    /// It is longer than 128 characters.
    #[error("the key is too long")]
    TooLong,
    /// It is empty, or has a character that is not visible ASCII.
    #[error("the key is empty or has a character that is not visible ASCII")]
    Format,
}

impl IdempotencyKey {
    /// Reads a key.
    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidKey::Format);
        }
        if text.len() > usize::try_from(IDEMPOTENCY_KEY_CHARS_MAX).unwrap_or(usize::MAX) {
            return Err(InvalidKey::TooLong);
        }
        Ok(Self(text.to_owned()))
    }

    /// The key as the client wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key as a message's own id, which has fewer characters to choose from.
    pub fn client_msg_id(&self) -> String {
        let digest = hex::encode(Sha256::digest(&self.0));
        format!("k-{}", digest.chars().take(DIGEST_CHARS).collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_to_128_visible_ascii_characters() {
        assert!(IdempotencyKey::parse("order:7/retry.1").is_ok());
        assert!(IdempotencyKey::parse(&"k".repeat(128)).is_ok());
        assert_eq!(IdempotencyKey::parse(&"k".repeat(129)), Err(InvalidKey::TooLong));
        for bad in ["", "a b", "a\tb", "键"] {
            assert_eq!(IdempotencyKey::parse(bad), Err(InvalidKey::Format), "{bad}");
        }
    }

    #[test]
    fn a_key_is_one_message_id_and_no_other_keys() {
        let id = |text: &str| IdempotencyKey::parse(text).unwrap().client_msg_id();
        assert_eq!(id("order:7"), id("order:7"));
        assert_ne!(id("order:7"), id("order:8"));
        assert_eq!(id(&"k".repeat(128)).len(), 42);
    }
}
