//! What an access token says.

use kernel::{Id, Timestamp, UserId};

use crate::session::SessionId;
use crate::user::Role;

/// Kind of an access token.
pub enum AccessToken {}
/// An access token's own id, its `jti`.
pub type AccessTokenId = Id<AccessToken>;

/// The claims of an access token. Times are whole seconds, since a JWT holds no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessClaims {
    /// `sub`: whose.
    pub user_id: UserId,
    /// `sid`: the session it belongs to.
    pub session_id: SessionId,
    /// `jti`: its own id.
    pub token_id: AccessTokenId,
    /// `role`: what its owner may do.
    pub role: Role,
    /// `iat`: when it was made.
    pub issued_at: Timestamp,
    /// `exp`: from then on it is worth nothing.
    pub expires_at: Timestamp,
}

/// The instants of a token made at `now` that lives at least `life_seconds`, in whole seconds.
pub(crate) fn lifetime(now: Timestamp, life_seconds: i64) -> (Timestamp, Timestamp) {
    let whole = now.as_millis().div_euclid(1_000);
    let issued = Timestamp::from_millis(whole.saturating_mul(1_000));
    let begun = i64::from(now > issued);
    (issued, issued.plus_seconds(life_seconds.saturating_add(begun)))
}

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenRefusal {
    /// Ours, and over.
    Expired,
    /// Not one of ours.
    Invalid,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_lives_at_least_as_long_as_it_says() {
        let at = |millis| Timestamp::from_millis(millis);
        assert_eq!(lifetime(at(5_000), 900), (at(5_000), at(905_000)));
        assert_eq!(lifetime(at(5_001), 900), (at(5_000), at(906_000)));
    }
}
