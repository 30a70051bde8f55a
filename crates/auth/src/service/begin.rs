//! The beginning of a session, and what is looked at once it is stored: whether its proof still holds, and whether
//! its user has too many.

use kernel::{PortError, UserId};
use secrecy::SecretString;

use super::attempt::{Attempt, Claimant};
use super::{AuthService, SignedIn, TokenPair};
use crate::error::AuthError;
use crate::limit::REFUSAL_WINDOW_MS;
use crate::login_log::{LoginMethod, LoginOutcome, RequestOrigin};
use crate::password::PasswordHash;
use crate::ports::{AccountKey, Verdict};
use crate::session::{EndReason, OPEN_MAX, Session, SessionId};
use crate::user::User;

/// Open sessions looked at in one sign-in; a user with more loses the rest in the next ones.
const LOOKED_AT_MAX: u32 = 100;

/// By what somebody has proved who they are.
pub(super) enum Proof<'a> {
    /// They made the account with this call.
    NewAccount,
    /// Their identity at a provider.
    Identity,
    /// Their password.
    Password {
        /// As it was given.
        given: &'a SecretString,
        /// What it was compared with.
        hash: Option<PasswordHash>,
    },
}

/// What happened to an account between the proof and the session.
#[derive(Clone, Copy)]
enum Meanwhile {
    Nothing,
    PasswordChanged,
    Disabled,
}

impl AuthService {
    /// Begins the session of a proved user, records it, and answers.
    ///
    /// A new password or a ban ends the sessions that are stored. It looks for them after it is stored itself, and
    /// this looks for it after the session is: one of the two sees the other.
    pub(super) async fn signed_in(
        &self,
        user: User,
        proof: Proof<'_>,
        method: LoginMethod,
        origin: &RequestOrigin,
    ) -> Result<SignedIn, AuthError> {
        let is_new_user = matches!(proof, Proof::NewAccount);
        let (session, tokens) = self.begin_session(&user, method, origin).await?;
        let attempt = Attempt { method, claimant: Claimant::Session(user.id, session.id), origin };
        match self.meanwhile(user.id, proof).await? {
            Meanwhile::Nothing => {}
            Meanwhile::PasswordChanged => {
                self.end_session(session.id, EndReason::PasswordChanged).await?;
                self.record(&attempt, LoginOutcome::WrongPassword).await?;
                return Err(AuthError::InvalidCredentials);
            }
            Meanwhile::Disabled => {
                self.end_session(session.id, EndReason::Disabled).await?;
                return Err(self.disabled(&attempt, user.id).await?);
            }
        }
        self.end_oldest_sessions(&session).await?;
        self.record(&attempt, LoginOutcome::Success).await?;
        Ok(SignedIn { user, tokens, is_new_user })
    }

    /// Shuts out the user of an account that is disabled.
    pub(super) async fn disabled(&self, attempt: &Attempt<'_>, user: UserId) -> Result<AuthError, PortError> {
        self.record_once(attempt, LoginOutcome::Disabled, &user.to_string(), REFUSAL_WINDOW_MS).await?;
        Ok(AuthError::Forbidden)
    }

    /// Begins a session of a user who has just proved who they are.
    async fn begin_session(
        &self,
        user: &User,
        method: LoginMethod,
        origin: &RequestOrigin,
    ) -> Result<(Session, TokenPair), AuthError> {
        let now = self.now();
        let session = Session {
            id: self.parts.ids.next(),
            user_id: user.id,
            method,
            counter: 0,
            ip: origin.ip,
            user_agent: origin.user_agent_cut(),
            created_at: now,
            rotated_at: now,
            idle_until: now.plus_seconds(self.settings.idle_seconds.min(self.settings.family_seconds)),
            expires_at: now.plus_seconds(self.settings.family_seconds),
            ended: None,
        };
        let tokens = self.tokens_of(&session, 0, user.role)?;
        self.parts.sessions.create(&session).await?;
        Ok((session, tokens))
    }

    async fn meanwhile(&self, user: UserId, proof: Proof<'_>) -> Result<Meanwhile, AuthError> {
        if matches!(proof, Proof::NewAccount) {
            return Ok(Meanwhile::Nothing);
        }
        let account = self.parts.users.account(&AccountKey::Id(user)).await?;
        let Some(account) = account.filter(|account| !account.user.disabled) else {
            return Ok(Meanwhile::Disabled);
        };
        match proof {
            Proof::NewAccount | Proof::Identity => Ok(Meanwhile::Nothing),
            Proof::Password { hash, .. } if hash == account.password_hash => Ok(Meanwhile::Nothing),
            Proof::Password { given, .. } => {
                // Another sign-in may have made the hash anew, of the same password.
                let verdict = self.parts.hasher.verify(given, account.password_hash.as_ref()).await?;
                Ok(match verdict {
                    Verdict::Match | Verdict::MatchOutdated => Meanwhile::Nothing,
                    Verdict::Mismatch => Meanwhile::PasswordChanged,
                })
            }
        }
    }

    /// Keeps this session and the newest others.
    async fn end_oldest_sessions(&self, newest: &Session) -> Result<(), AuthError> {
        let open = self.parts.sessions.open(newest.user_id, LOOKED_AT_MAX).await?;
        let others = open.iter().map(|session| session.id).filter(|id| *id != newest.id);
        let crowd: Vec<SessionId> = others.skip(OPEN_MAX - 1).collect();
        for session in crowd {
            self.end_session(session, EndReason::Crowded).await?;
        }
        Ok(())
    }
}
