//! Who is calling: the check that every request goes through.

use kernel::Timestamp;

use super::AuthService;
use crate::caller::{Caller, Lookup, digest};
use crate::error::AuthError;
use crate::ports::AccountKey;
use crate::session::SessionId;
use crate::token::{AccessClaims, TokenRefusal};

/// Whoever waits for a token's end looks again so often: as soon as news of it is promised.
const LOOK_MS: i64 = 1_000;
/// Our own tokens have about 450 bytes; a longer text is none of them and is not worth hashing.
const TOKEN_BYTES_MAX: usize = 2_048;

impl AuthService {
    /// Who bears this access token. Asks no store for a token that was good [`RECHECK_MS`](crate::session::RECHECK_MS)
    /// ago or less.
    pub async fn authenticate(&self, bearer: &str) -> Result<Caller, AuthError> {
        if bearer.len() > TOKEN_BYTES_MAX {
            return Err(AuthError::Unauthorized);
        }
        let token = digest(bearer);
        let now = self.now();
        match self.callers.look_up(&token, now) {
            Lookup::Fresh(caller) => return Ok(caller),
            Lookup::Ended => return Err(AuthError::Unauthorized),
            Lookup::Expired => return Err(AuthError::TokenExpired),
            Lookup::Stale(_) | Lookup::Unknown => {}
        }
        let epoch = self.callers.epoch();
        let claims = self.parts.signer.verify(bearer, now).map_err(|refusal| match refusal {
            TokenRefusal::Expired => AuthError::TokenExpired,
            TokenRefusal::Invalid => AuthError::Unauthorized,
        })?;
        let caller = self.live_caller(&claims).await?;
        self.callers.remember(token, caller, epoch, now);
        Ok(caller)
    }

    /// Whether it is known here that a session has ended. Asks no store: what it does not know may have ended.
    pub fn has_ended(&self, session: SessionId) -> bool {
        self.callers.has_ended(session)
    }

    /// Waits until a token that was good is worth nothing any more, and says why. A store that does not answer proves
    /// nothing.
    pub async fn until_over(&self, bearer: &str) -> AuthError {
        let mut expires_at = Timestamp::from_millis(i64::MAX);
        loop {
            match self.authenticate(bearer).await {
                Ok(caller) => expires_at = caller.expires_at,
                Err(AuthError::Port(_)) => {}
                Err(over) => return over,
            }
            let look_at = self.now().plus_millis(LOOK_MS);
            self.parts.clock.sleep_until(look_at.min(expires_at)).await;
        }
    }

    /// The caller, if session and user are still good. The role is the user's present one, not the token's.
    async fn live_caller(&self, claims: &AccessClaims) -> Result<Caller, AuthError> {
        if self.callers.has_ended(claims.session_id) {
            return Err(AuthError::Unauthorized);
        }
        let now = self.now();
        let session = self.parts.sessions.get(claims.session_id).await?;
        if !session.is_some_and(|found| found.user_id == claims.user_id && found.is_live(now)) {
            return Err(AuthError::Unauthorized);
        }
        let account = self.parts.users.account(&AccountKey::Id(claims.user_id)).await?;
        let user = account.ok_or(AuthError::Unauthorized)?.user;
        if user.disabled {
            return Err(AuthError::Forbidden);
        }
        Ok(Caller {
            user_id: claims.user_id,
            session_id: claims.session_id,
            role: user.role,
            expires_at: claims.expires_at,
        })
    }
}
