//! What every [`auth::ports::IdentityProvider`] must do, whatever its vendor: `code_of` makes a code that proves the
//! person it names.

use auth::ports::{IdentityOutcome, IdentityProvider};

/// The identity that a code proves.
pub async fn subject(provider: &dyn IdentityProvider, code: &str) -> Option<(String, String, String)> {
    match provider.redeem(code).await.expect("an answer") {
        IdentityOutcome::Proved(identity) => {
            Some((identity.key.provider, identity.key.app_id, identity.key.subject))
        }
        IdentityOutcome::InvalidCode | IdentityOutcome::Blocked | IdentityOutcome::RateLimited { .. } => None,
    }
}

/// Two codes of one person prove the same identity, and another person's another.
pub async fn a_code_proves_one_person(provider: &dyn IdentityProvider, codes: [&str; 3]) {
    let [one, again, other] = codes;
    let first = subject(provider, one).await.expect("a person");
    assert_eq!(subject(provider, again).await.as_ref(), Some(&first));
    assert_ne!(subject(provider, other).await.expect("a person"), first);
}

/// A code that proves nothing is an outcome, not a failure.
pub async fn a_code_of_nobody_proves_nothing(provider: &dyn IdentityProvider, code: &str) {
    assert!(matches!(provider.redeem(code).await, Ok(IdentityOutcome::InvalidCode)));
}
