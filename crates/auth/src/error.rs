//! How a use case of auth is refused.

use kernel::PortError;
use thiserror::Error;

/// One field of a request that breaks a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldError {
    /// Its name on the wire (`nickName`).
    pub field: &'static str,
    /// The rule it breaks: `required`, `too_short`, `too_long`, `format`, `nul`, `too_common`, `unchanged`,
    /// `not_set`.
    pub rule: &'static str,
}

impl FieldError {
    /// A field and the rule it breaks.
    pub const fn new(field: &'static str, rule: &'static str) -> Self {
        Self { field, rule }
    }
}

/// A refusal, or the failure of a system behind.
#[derive(Debug, Error)]
pub enum AuthError {
    /// Fields break rules.
    #[error("the request is not valid")]
    Invalid(Vec<FieldError>),
    /// Email and password, or the WeChat code, prove nothing. Unknown accounts look the same.
    #[error("wrong credentials")]
    InvalidCredentials,
    /// The address belongs to an account already.
    #[error("the email is taken")]
    EmailTaken,
    /// The token is forged, revoked, spent or of the wrong kind.
    #[error("the token is not valid")]
    Unauthorized,
    /// The token was good and is over.
    #[error("the token is expired")]
    TokenExpired,
    /// The account is disabled, or WeChat blocks it.
    #[error("the account may not sign in")]
    Forbidden,
    /// Too many attempts.
    #[error("too many attempts")]
    RateLimited {
        /// Milliseconds until trying again can help; the rule's window ends then.
        retry_after_ms: i64,
        /// Attempts that the rule admits in a window; `None` where the rule is somebody else's.
        limit: Option<u32>,
    },
    /// The provider of identities is not set up, or does not let this server in: only an operator can help, and
    /// the log tells how.
    #[error("sign-in by this provider is not available")]
    IdentityUnavailable,
    /// There is no such user or session, or it is another person's.
    #[error("not found")]
    NotFound,
    /// A system behind failed.
    #[error(transparent)]
    Port(#[from] PortError),
}

impl AuthError {
    /// One field that breaks one rule.
    pub fn field(field: &'static str, rule: &'static str) -> Self {
        Self::Invalid(vec![FieldError::new(field, rule)])
    }
}
