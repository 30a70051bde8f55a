//! Cryptography behind auth's ports: slow password hashes on their own threads, token signatures, sealed secrets.
//!
//! All of it is made of aws-lc-rs, bcrypt and jsonwebtoken; nothing here invents a primitive. Keys are handed in
//! as 32 secret bytes, and nonces and salts as values, so that randomness has one home.

mod aes_sealer;
mod bcrypt_hasher;
mod eddsa_signer;
mod key_ring;

pub use aes_sealer::AesSealer;
pub use bcrypt_hasher::{BcryptHasher, BcryptSettings};
pub use eddsa_signer::{EddsaSigner, TokenNames};
pub use key_ring::{KeyRing, KeyRingError, KeyState, SigningKey};

use secrecy::SecretBox;

/// Bytes of every key.
pub const KEY_BYTES: usize = 32;

/// A key: 32 random bytes.
pub type Key = SecretBox<[u8; KEY_BYTES]>;
