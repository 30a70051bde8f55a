//! The keys that sign tokens, and their lives.
//!
//! A key is published as *next* so that every instance accepts it, becomes *active* and signs, and stays
//! *verify-only* until the last token it signed is over. Its id is a hash of its public half, so that nobody has
//! to name keys.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{DecodingKey, EncodingKey};
use kernel::Entropy;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretBox, SecretString};
use thiserror::Error;

use crate::{KEY_BYTES, Key};

/// What a key is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// Accepted, and will sign.
    Next,
    /// Signs.
    Active,
    /// Accepted, and signs no more.
    VerifyOnly,
}

/// Keys that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyRingError {
    /// A text that is no Ed25519 private key in PKCS#8, neither PEM nor base64 DER.
    #[error("not an Ed25519 private key in PKCS#8")]
    NotAKey,
    /// The same key twice.
    #[error("the same signing key is given twice")]
    Repeated,
    /// None signs, or more than one does.
    #[error("exactly one signing key must be active")]
    NotOneActive,
}

/// One Ed25519 key.
pub struct SigningKey {
    id: String,
    state: KeyState,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl SigningKey {
    /// The key of these 32 secret bytes.
    pub fn from_seed(state: KeyState, seed: &Key) -> Result<Self, KeyRingError> {
        match Ed25519KeyPair::from_seed_unchecked(seed.expose_secret()) {
            Ok(pair) => Self::from_pair(state, &pair),
            Err(_) => Err(KeyRingError::NotAKey),
        }
    }

    /// The key in a PKCS#8 text, as `openssl genpkey -algorithm ed25519` writes it, or its DER in base64.
    pub fn from_pkcs8(state: KeyState, text: &SecretString) -> Result<Self, KeyRingError> {
        let body: Zeroizing<String> = Zeroizing::new(
            text.expose_secret()
                .lines()
                .filter(|line| !line.starts_with("-----"))
                .flat_map(str::split_whitespace)
                .collect(),
        );
        let Ok(der) = STANDARD.decode(body.as_bytes()) else { return Err(KeyRingError::NotAKey) };
        let der = Zeroizing::new(der);
        match Ed25519KeyPair::from_pkcs8(&der) {
            Ok(pair) => Self::from_pair(state, &pair),
            Err(_) => Err(KeyRingError::NotAKey),
        }
    }

    /// A fresh seed, to be kept as a secret.
    pub fn generate_seed(entropy: &dyn Entropy) -> Key {
        SecretBox::init_with_mut(|seed: &mut [u8; KEY_BYTES]| entropy.fill(seed))
    }

    fn from_pair(state: KeyState, pair: &Ed25519KeyPair) -> Result<Self, KeyRingError> {
        let public = pair.public_key().as_ref();
        let hash = digest(&SHA256, public);
        let id = URL_SAFE_NO_PAD.encode(hash.as_ref().get(..9).unwrap_or_default());
        let Ok(pkcs8) = pair.to_pkcs8v1() else { return Err(KeyRingError::NotAKey) };
        Ok(Self {
            id,
            state,
            encoding: EncodingKey::from_ed_der(pkcs8.as_ref()),
            decoding: DecodingKey::from_ed_der(public),
        })
    }
}

/// The keys of one service: exactly one signs.
pub struct KeyRing {
    keys: Vec<SigningKey>,
}

impl KeyRing {
    /// A ring of different keys, one of them active.
    pub fn new(keys: Vec<SigningKey>) -> Result<Self, KeyRingError> {
        let repeated =
            keys.iter().enumerate().any(|(at, key)| keys.iter().take(at).any(|other| other.id == key.id));
        if repeated {
            return Err(KeyRingError::Repeated);
        }
        if keys.iter().filter(|key| key.state == KeyState::Active).count() != 1 {
            return Err(KeyRingError::NotOneActive);
        }
        Ok(Self { keys })
    }

    /// A ring of seeds, as the configuration holds them.
    pub fn from_seeds(active: &Key, next: Option<&Key>, verify_only: &[Key]) -> Result<Self, KeyRingError> {
        let mut keys = vec![SigningKey::from_seed(KeyState::Active, active)?];
        if let Some(next) = next {
            keys.push(SigningKey::from_seed(KeyState::Next, next)?);
        }
        for seed in verify_only {
            keys.push(SigningKey::from_seed(KeyState::VerifyOnly, seed)?);
        }
        Self::new(keys)
    }

    /// Id and key that sign.
    pub(crate) fn active(&self) -> Option<(&str, &EncodingKey)> {
        let key = self.keys.iter().find(|key| key.state == KeyState::Active)?;
        Some((&key.id, &key.encoding))
    }

    /// The key of this id that verifies, whatever its state.
    pub(crate) fn verifying(&self, id: &str) -> Option<&DecodingKey> {
        self.keys.iter().find(|key| key.id == id).map(|key| &key.decoding)
    }
}

#[cfg(test)]
mod tests {
    use kernel::SeededEntropy;

    use super::*;

    fn seed(byte: u8) -> Key {
        SecretBox::new(Box::new([byte; KEY_BYTES]))
    }

    /// RFC 8410, section 10.3.
    const PEM: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
        -----END PRIVATE KEY-----\n";

    #[test]
    fn a_pem_and_its_der_are_the_same_key() {
        let from_pem = SigningKey::from_pkcs8(KeyState::Active, &SecretString::from(PEM)).unwrap();
        let der = PEM.lines().nth(1).unwrap();
        let from_der = SigningKey::from_pkcs8(KeyState::Next, &SecretString::from(der)).unwrap();
        assert_eq!(from_pem.id, from_der.id);
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "hello", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"] {
            let refused = SigningKey::from_pkcs8(KeyState::Active, &SecretString::from(text)).err();
            assert_eq!(refused, Some(KeyRingError::NotAKey), "{text}");
        }
    }

    #[test]
    fn a_ring_has_exactly_one_key_that_signs_and_none_twice() {
        let key = |state, byte| SigningKey::from_seed(state, &seed(byte)).unwrap();
        let none = KeyRing::new(vec![key(KeyState::Next, 1)]).err();
        assert_eq!(none, Some(KeyRingError::NotOneActive));
        let two = KeyRing::new(vec![key(KeyState::Active, 1), key(KeyState::Active, 2)]).err();
        assert_eq!(two, Some(KeyRingError::NotOneActive));
        let repeated = KeyRing::new(vec![key(KeyState::Active, 1), key(KeyState::VerifyOnly, 1)]).err();
        assert_eq!(repeated, Some(KeyRingError::Repeated));
        assert!(KeyRing::from_seeds(&seed(1), Some(&seed(2)), &[seed(3), seed(4)]).is_ok());
    }

    #[test]
    fn a_fresh_seed_is_random() {
        let entropy = SeededEntropy::new(1);
        let first = SigningKey::generate_seed(&entropy);
        assert_ne!(first.expose_secret(), SigningKey::generate_seed(&entropy).expose_secret());
    }
}
