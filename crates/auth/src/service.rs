//! The use cases of auth: a struct of ports, the rules that join them, one file per group of use cases.

mod account;
mod attempt;
mod authenticate;
mod begin;
mod email;
mod refresh;
mod sessions;
mod wechat;

use std::sync::{Arc, Mutex};

use futures::future::AbortHandle;
use kernel::{Clock, Entropy, Ids, PortError, Tasks, Timestamp, UserId};
use secrecy::SecretString;

use crate::caller::{Caller, CallerCache};
use crate::error::AuthError;
use crate::keys::AuthSecret;
use crate::limit::{AuthLimits, Rate, RateRule};
use crate::login_log::LoginMethod;
use crate::ports::{
    IdentityProvider, LoginLog, PasswordHasher, RateLimiter, RevocationFeed, Sealer, SessionStore,
    SessionSweep, TokenSigner, UserStore,
};
use crate::refresh_token::RefreshToken;
use crate::session::{ENDED_KEPT_MS, FAMILY_SECONDS, IDLE_SECONDS, Session};
use crate::token::{AccessClaims, lifetime};
use crate::user::{Role, User};

/// What the service is made of.
pub struct AuthParts {
    /// Users; may be a [`crate::CachedUserStore`].
    pub users: Arc<dyn UserStore>,
    /// Sessions.
    pub sessions: Arc<dyn SessionStore>,
    /// The login log.
    pub login_log: Arc<dyn LoginLog>,
    /// WeChat, or what stands for it; `None` where it is not set up.
    pub identity_provider: Option<Arc<dyn IdentityProvider>>,
    /// Passwords.
    pub hasher: Arc<dyn PasswordHasher>,
    /// Access tokens.
    pub signer: Arc<dyn TokenSigner>,
    /// Session keys of providers.
    pub sealer: Arc<dyn Sealer>,
    /// Counters.
    pub limiter: Arc<dyn RateLimiter>,
    /// News between instances.
    pub feed: Arc<dyn RevocationFeed>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub ids: Arc<Ids>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Background work.
    pub tasks: Arc<dyn Tasks>,
}

/// How the service behaves.
pub struct AuthSettings {
    /// Makes refresh tokens and identity hashes.
    pub secret: AuthSecret,
    /// Life of an access token of an email sign-in, in seconds.
    pub access_seconds: i64,
    /// Life of an access token of a WeChat sign-in, in seconds.
    pub wechat_access_seconds: i64,
    /// A session that was not refreshed for so long is over, in seconds.
    pub idle_seconds: i64,
    /// No session outlives this, in seconds.
    pub family_seconds: i64,
    /// The login log is kept for so long, in seconds.
    pub login_log_seconds: i64,
    /// Limits on attempts.
    pub limits: AuthLimits,
}

const LOGIN_LOG_SECONDS: i64 = 180 * 86_400;

impl AuthSettings {
    /// The defaults, with this secret.
    pub fn new(secret: AuthSecret) -> Self {
        Self {
            secret,
            access_seconds: 900,
            wechat_access_seconds: 7_200,
            idle_seconds: IDLE_SECONDS,
            family_seconds: FAMILY_SECONDS,
            login_log_seconds: LOGIN_LOG_SECONDS,
            limits: AuthLimits::default(),
        }
    }
}

/// A new account by email.
#[derive(Debug, Clone)]
pub struct Registration {
    /// The address.
    pub email: String,
    /// 8 to 64 characters.
    pub password: SecretString,
    /// The name others see; one is made up where it is missing.
    pub nick_name: Option<String>,
}

/// A sign-in that succeeded.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// Who.
    pub user: User,
    /// What to call with.
    pub tokens: TokenPair,
    /// Whether the account was made by this call.
    pub is_new_user: bool,
}

/// What a client calls with.
#[derive(Debug, Clone)]
pub struct TokenPair {
    /// The access token, a JWT.
    pub token: SecretString,
    /// What gets the next pair.
    pub refresh_token: SecretString,
    /// Life of the access token, in seconds.
    pub expires_in_seconds: i64,
}

/// How a client asks for the next pair.
#[derive(Debug)]
pub enum RefreshGrant<'a> {
    /// With its refresh token.
    Token(SecretString),
    /// With an access token that is still good.
    Session(&'a Caller),
}

/// Who is calling, and all that leads to an answer.
pub struct AuthService {
    parts: AuthParts,
    settings: AuthSettings,
    callers: Arc<CallerCache>,
    listener: Mutex<Option<AbortHandle>>,
}

impl AuthService {
    /// A service of these parts. [`AuthService::start`] makes it hear of sessions that end elsewhere.
    pub fn new(parts: AuthParts, settings: AuthSettings) -> Self {
        let longest = settings.access_seconds.max(settings.wechat_access_seconds);
        // One second more than the longest token, since tokens live in whole seconds.
        let callers = CallerCache::new(longest.saturating_add(1).saturating_mul(1_000));
        Self { parts, settings, callers: Arc::new(callers), listener: Mutex::default() }
    }

    /// Counts something under a rule; a rule that is off admits everything.
    pub async fn admit(&self, rule: &RateRule, key: &str) -> Result<Rate, PortError> {
        if rule.is_off() {
            return Ok(Rate::UNLIMITED);
        }
        self.parts.limiter.hit(rule, key, self.now()).await
    }

    /// Forgets sessions and login records that are over, at most `limit` of each, and says how many.
    pub async fn sweep(&self, now: Timestamp, limit: u32) -> Result<u64, PortError> {
        let sessions = SessionSweep { expired_by: now, ended_by: now.plus_millis(-ENDED_KEPT_MS), limit };
        let swept = self.parts.sessions.sweep(&sessions).await?;
        let oldest = now.plus_seconds(-self.settings.login_log_seconds);
        Ok(swept.saturating_add(self.parts.login_log.sweep(oldest, limit).await?))
    }

    fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }

    /// The pair of a session's refresh token of this number.
    fn tokens_of(&self, session: &Session, counter: u32, role: Role) -> Result<TokenPair, AuthError> {
        let now = self.now();
        let left = session.expires_at.millis_since(now).div_euclid(1_000);
        let life = self.access_seconds(session.method).min(left.max(1));
        let (issued_at, expires_at) = lifetime(now, life);
        let claims = AccessClaims {
            user_id: session.user_id,
            session_id: session.id,
            token_id: self.parts.ids.next(),
            role,
            issued_at,
            expires_at,
        };
        let refresh = RefreshToken { session_id: session.id, counter };
        Ok(TokenPair {
            token: self.parts.signer.sign(&claims)?,
            refresh_token: refresh.encode(&self.settings.secret),
            expires_in_seconds: life,
        })
    }

    fn access_seconds(&self, method: LoginMethod) -> i64 {
        match method {
            LoginMethod::Wechat => self.settings.wechat_access_seconds,
            LoginMethod::Register
            | LoginMethod::Email
            | LoginMethod::Refresh
            | LoginMethod::PasswordChange
            | LoginMethod::Logout => self.settings.access_seconds,
        }
    }

    /// The name of somebody who gave none: short, unlike others, and with nothing of their email in it.
    fn made_up_name(id: UserId) -> String {
        let tail = id.as_uuid().as_u128() & 0xFF_FFFF;
        format!("书友{tail:06x}")
    }
}

#[cfg(test)]
mod tests {
    use kernel::Id;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_made_up_name_is_short_and_follows_the_id() {
        let id = Id::from_uuid(Uuid::from_u128(0x0123_4567_89AB_CDEF));
        assert_eq!(AuthService::made_up_name(id), "书友abcdef");
    }
}
