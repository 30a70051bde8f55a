//! The port of an identity provider.

use async_trait::async_trait;
use kernel::PortError;

use crate::user::VerifiedIdentity;

/// What a provider says of a code.
#[derive(Debug, Clone)]
pub enum IdentityOutcome {
    /// It proves this identity.
    Proved(VerifiedIdentity),
    /// It is unknown, over, or used.
    InvalidCode,
    /// The provider asks to wait.
    RateLimited {
        /// Milliseconds to wait.
        retry_after_ms: i64,
    },
    /// The provider holds the person for a risk and forbids the sign-in.
    Blocked,
}

/// Turns a code that a client got from its platform into an identity.
#[async_trait]
pub trait IdentityProvider: Send + Sync {
    /// Redeems a code.
    ///
    /// MUST answer within 20 seconds, retries included. MUST NOT log the code or the identity. A wrong
    /// configuration MUST be [`PortError::Rejected`], never an outcome.
    async fn redeem(&self, code: &str) -> Result<IdentityOutcome, PortError>;
}
