//! The next pair of tokens, and what a spent one brings about.

use super::attempt::{Attempt, Claimant};
use super::{AuthService, RefreshGrant, TokenPair};
use crate::error::AuthError;
use crate::login_log::{LoginMethod, LoginOutcome, RequestOrigin};
use crate::ports::{AccountKey, Rotation};
use crate::refresh_token::RefreshToken;
use crate::session::{EndReason, Presented, RefreshDecision, Session, SessionId, decide};
use crate::user::Role;

/// A rotation that another call won is decided again; the second look finds the successor.
const ROUNDS_MAX: u32 = 4;

impl AuthService {
    /// Gives the next pair of tokens of a session.
    pub async fn refresh(
        &self,
        grant: RefreshGrant<'_>,
        origin: &RequestOrigin,
    ) -> Result<TokenPair, AuthError> {
        let (session_id, presented) = match grant {
            RefreshGrant::Token(text) => {
                let token = RefreshToken::decode(&text, &self.settings.secret);
                let token = token.ok_or(AuthError::Unauthorized)?;
                (token.session_id, Presented::Counter(token.counter))
            }
            RefreshGrant::Session(caller) => (caller.session_id, Presented::Access),
        };
        for _round in 0..ROUNDS_MAX {
            let session = self.session_of(session_id).await?;
            match decide(&session, presented, self.now()) {
                RefreshDecision::Rotate { from, to } => {
                    let role = self.role_of(&session).await?;
                    if self.rotate(&session, from, to).await? {
                        return self.tokens_of(&session, to, role);
                    }
                }
                RefreshDecision::Repeat { counter } => {
                    let role = self.role_of(&session).await?;
                    return self.tokens_of(&session, counter, role);
                }
                RefreshDecision::Reused => return Err(self.reused(&session, origin).await?),
                RefreshDecision::Expired => return Err(AuthError::TokenExpired),
                RefreshDecision::Refused => return Err(AuthError::Unauthorized),
            }
        }
        Err(kernel::PortError::unavailable("session store", "a session changed at every look").into())
    }

    async fn session_of(&self, id: SessionId) -> Result<Session, AuthError> {
        self.parts.sessions.get(id).await?.ok_or(AuthError::Unauthorized)
    }

    /// The role that the new token carries, from the truth; a user who is shut out gets none.
    async fn role_of(&self, session: &Session) -> Result<Role, AuthError> {
        let account = self.parts.users.account(&AccountKey::Id(session.user_id)).await?;
        let user = account.ok_or(AuthError::Unauthorized)?.user;
        if user.disabled {
            return Err(AuthError::Forbidden);
        }
        Ok(user.role)
    }

    async fn rotate(&self, session: &Session, from: u32, to: u32) -> Result<bool, AuthError> {
        let now = self.now();
        let idle_until = now.plus_seconds(self.settings.idle_seconds).min(session.expires_at);
        let rotation = Rotation { session_id: session.id, from, to, at: now, idle_until };
        Ok(self.parts.sessions.rotate(&rotation).await?)
    }

    /// Somebody has a copy of a token, and nobody can say who: the whole family ends.
    async fn reused(&self, session: &Session, origin: &RequestOrigin) -> Result<AuthError, AuthError> {
        if self.end_session(session.id, EndReason::TokenReused).await? {
            let claimant = Claimant::Session(session.user_id, session.id);
            let attempt = Attempt { method: LoginMethod::Refresh, claimant, origin };
            self.record(&attempt, LoginOutcome::TokenReused).await?;
            tracing::warn!(user.id = %session.user_id, "a spent refresh token came back; its session was ended");
        }
        Ok(AuthError::Unauthorized)
    }
}
