//! The one secret of auth, and the keyed hashes that are made with it.

use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretBox};
use sha2::Sha256;

/// Bytes of the secret.
pub const SECRET_BYTES: usize = 32;

/// The secret under which refresh tokens and identity hashes are made. Another one ends every session.
pub struct AuthSecret(SecretBox<[u8; SECRET_BYTES]>);

impl AuthSecret {
    /// Wraps 32 random bytes.
    pub const fn new(bytes: SecretBox<[u8; SECRET_BYTES]>) -> Self {
        Self(bytes)
    }

    /// A keyed hash to be fed; the label keeps the uses of the secret apart.
    pub(crate) fn mac(&self, label: &'static str) -> Hmac<Sha256> {
        let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
        // HMAC fills a key up to its block with zeros, which is what the block holds already.
        for (to, from) in block.iter_mut().zip(self.0.expose_secret()) {
            *to = *from;
        }
        let mut mac = <Hmac<Sha256> as hmac::digest::KeyInit>::new(&block);
        mac.update(label.as_bytes());
        mac.update(&[0]);
        mac
    }

    /// What stands for an identity where its text must not: 32 hex digits.
    pub(crate) fn identity_hash(&self, identity: &str) -> String {
        let mut mac = self.mac("identity");
        mac.update(identity.as_bytes());
        let digest = mac.finalize().into_bytes();
        let first_half =
            digest.iter().take(16).fold(0_u128, |number, byte| (number << 8) | u128::from(*byte));
        format!("{first_half:032x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(byte: u8) -> AuthSecret {
        AuthSecret::new(SecretBox::new(Box::new([byte; SECRET_BYTES])))
    }

    #[test]
    fn an_identity_s_hash_depends_on_the_secret_and_hides_the_text() {
        let one = secret(1).identity_hash("a@b.cn");
        let two = secret(2).identity_hash("a@b.cn");
        assert_eq!(one.len(), 32);
        assert_ne!(one, two);
        assert_eq!(one, secret(1).identity_hash("a@b.cn"));
    }

    #[test]
    fn the_key_is_used_as_hmac_defines_it() {
        let mut plain = <Hmac<Sha256> as Mac>::new_from_slice(&[7; SECRET_BYTES]).unwrap();
        plain.update(b"label\0");
        assert_eq!(secret(7).mac("label").finalize().into_bytes(), plain.finalize().into_bytes());
    }
}
