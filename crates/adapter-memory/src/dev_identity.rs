//! An identity for whoever has no AppID yet: the hash of the code is the person.
//!
//! The same code is the same person each time, so that a demo can sign in as several. It proves nothing, and
//! belongs in the embedded profile alone.

use async_trait::async_trait;
use auth::ports::{IdentityOutcome, IdentityProvider};
use auth::{IdentityKey, VerifiedIdentity};
use kernel::PortError;
use sha2::{Digest, Sha256};

/// A code that this provider refuses, so that a client's error path can be tried.
const REFUSED_CODE: &str = "invalid";

/// Takes every code but `invalid`.
pub struct DevIdentity;

#[async_trait]
impl IdentityProvider for DevIdentity {
    async fn redeem(&self, code: &str) -> Result<IdentityOutcome, PortError> {
        if code == REFUSED_CODE {
            return Ok(IdentityOutcome::InvalidCode);
        }
        let digest = Sha256::digest(code.as_bytes());
        let half = digest.iter().take(14).fold(0_u128, |number, byte| (number << 8) | u128::from(*byte));
        let key = IdentityKey {
            provider: "dev".to_owned(),
            app_id: "dev".to_owned(),
            subject: format!("dev-{half:028x}"),
        };
        Ok(IdentityOutcome::Proved(VerifiedIdentity { key, union_id: None, session_key: None }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn subject(code: &str) -> Option<String> {
        match DevIdentity.redeem(code).await.unwrap() {
            IdentityOutcome::Proved(identity) => Some(identity.key.subject),
            IdentityOutcome::InvalidCode | IdentityOutcome::Blocked | IdentityOutcome::RateLimited { .. } => {
                None
            }
        }
    }

    #[tokio::test]
    async fn a_code_is_always_the_same_person_and_another_code_another() {
        assert_eq!(subject("a").await, subject("a").await);
        assert_ne!(subject("a").await, subject("b").await);
        assert_eq!(subject("invalid").await, None);
    }
}
