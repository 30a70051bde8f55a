//! Ports of cryptography that costs time or needs a vendor's code.

use async_trait::async_trait;
use kernel::{PortError, Timestamp};
use secrecy::SecretString;

use crate::password::PasswordHash;
use crate::token::{AccessClaims, TokenRefusal};
use crate::user::SealedSecret;

/// Bytes of a password's salt.
pub const SALT_BYTES: usize = 16;
/// Bytes of a sealed secret's nonce.
pub const NONCE_BYTES: usize = 12;

/// What a hasher says of a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is the one.
    Match,
    /// It is the one, and the hash is to be made anew: cost or form have changed.
    MatchOutdated,
    /// It is another.
    Mismatch,
}

/// Slow hashes of passwords.
#[async_trait]
pub trait PasswordHasher: Send + Sync {
    /// The hash of a password under a fresh random salt.
    ///
    /// MUST count every character of a password of 64 characters of any script. MUST answer
    /// [`PortError::Unavailable`] at once when too many wait already.
    async fn hash(&self, password: &SecretString, salt: [u8; SALT_BYTES]) -> Result<PasswordHash, PortError>;

    /// Compares a password with a hash, and with none for an account that does not exist.
    ///
    /// MUST take the same work with and without a hash, and answer [`Verdict::Mismatch`] without one.
    async fn verify(
        &self,
        password: &SecretString,
        hash: Option<&PasswordHash>,
    ) -> Result<Verdict, PortError>;
}

/// Signatures of access tokens.
pub trait TokenSigner: Send + Sync {
    /// Signs with the active key.
    fn sign(&self, claims: &AccessClaims) -> Result<SecretString, PortError>;

    /// The claims of a token that one of our keys signed, for our audience, and that is not over at `now`.
    ///
    /// MUST accept one algorithm only, whatever the token names; MUST take the key from its own ring only; MUST
    /// refuse a token of another kind and one without any of the claims; MUST allow no leeway. MUST answer
    /// [`TokenRefusal::Expired`] only for a token whose signature holds.
    fn verify(&self, token: &str, now: Timestamp) -> Result<AccessClaims, TokenRefusal>;
}

/// Authenticated encryption of secrets that must be used again.
pub trait Sealer: Send + Sync {
    /// Encrypts under a fresh random nonce. `context` names what the secret belongs to.
    fn seal(
        &self,
        plain: &SecretString,
        context: &str,
        nonce: [u8; NONCE_BYTES],
    ) -> Result<SealedSecret, PortError>;

    /// Decrypts. MUST refuse a changed text and another context with [`PortError::Corrupt`].
    fn open(&self, sealed: &SealedSecret, context: &str) -> Result<SecretString, PortError>;
}
