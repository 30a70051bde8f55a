//! Sign-in by a code of WeChat.

use std::error::Error;

use kernel::PortError;
use secrecy::SecretString;

use super::attempt::{Attempt, Claimant, Counters};
use super::begin::Proof;
use super::{AuthService, SignedIn};
use crate::error::AuthError;
use crate::limit::{REFUSAL_WINDOW_MS, RateRule};
use crate::login_log::{LoginMethod, LoginOutcome, RequestOrigin};
use crate::ports::{AccountKey, CreateOutcome, IdentityOutcome, LoginTouch, NONCE_BYTES, NewUser};
use crate::profile::{CheckedProfile, WechatProfile};
use crate::user::{IdentityKey, NewIdentity, SealedSecret, User, VerifiedIdentity};

/// Codes of WeChat have 32 characters; this leaves room and keeps the request's URL short.
const CODE_CHARS_MAX: usize = 128;

impl AuthService {
    /// Signs a mini-program's user in; their account is made at first sight. Profile fields that are given
    /// replace what is stored.
    pub async fn wechat_login(
        &self,
        code: &str,
        profile: WechatProfile,
        origin: &RequestOrigin,
    ) -> Result<SignedIn, AuthError> {
        let profile = check(code, profile)?;
        let attempt = Attempt { method: LoginMethod::Wechat, claimant: Claimant::Nobody, origin };
        let counters = Counters::of_address(origin);
        self.admit_attempt(&attempt, &counters).await?;
        let verified = self.redeem(code, &attempt, &counters).await?;
        let identity = NewIdentity {
            session_key: self.seal(&verified)?,
            key: verified.key,
            union_id: verified.union_id,
        };
        match self.user_of(&identity.key).await? {
            Some(user) => self.welcome_back(user, identity, &profile, origin).await,
            None => self.welcome(identity, &profile, &attempt).await,
        }
    }

    async fn redeem(
        &self,
        code: &str,
        attempt: &Attempt<'_>,
        counters: &Counters,
    ) -> Result<VerifiedIdentity, AuthError> {
        let Some(provider) = &self.parts.identity_provider else {
            let cause = PortError::rejected("wechat", "wechat.app_id and wechat.app_secret are not set");
            return Err(self.identity_unavailable(&cause).await?);
        };
        let outcome = match provider.redeem(code).await {
            Ok(outcome) => outcome,
            Err(cause @ PortError::Rejected { .. }) => return Err(self.identity_unavailable(&cause).await?),
            Err(
                failure
                @ (PortError::Unavailable { .. } | PortError::Full { .. } | PortError::Corrupt { .. }),
            ) => return Err(failure.into()),
        };
        match outcome {
            IdentityOutcome::Proved(verified) => Ok(verified),
            IdentityOutcome::InvalidCode => {
                Err(self.failed(attempt, counters, LoginOutcome::InvalidCode).await?)
            }
            IdentityOutcome::Blocked => {
                let key = &counters.address;
                self.record_once(attempt, LoginOutcome::Blocked, key, REFUSAL_WINDOW_MS).await?;
                Err(AuthError::Forbidden)
            }
            IdentityOutcome::RateLimited { retry_after_ms } => {
                // The quota is WeChat's, and how large it is nobody here knows.
                let quota = RateRule::new("wechat_quota", 0, retry_after_ms);
                Err(self.refused(attempt, &quota, &counters.address, retry_after_ms).await?)
            }
        }
    }

    /// What only an operator can mend. The operator is told why once in a while, however many people try.
    async fn identity_unavailable(&self, cause: &PortError) -> Result<AuthError, PortError> {
        let rule = RateRule::new("operator_told", 1, REFUSAL_WINDOW_MS);
        if self.admit(&rule, "wechat").await?.allowed {
            let why = cause.source().map(ToString::to_string).unwrap_or_default();
            tracing::error!(error = %cause, error.cause = why, "nobody can sign in by WeChat");
        }
        Ok(AuthError::IdentityUnavailable)
    }

    fn seal(&self, verified: &VerifiedIdentity) -> Result<Option<SealedSecret>, AuthError> {
        let Some(session_key) = &verified.session_key else { return Ok(None) };
        let mut nonce = [0_u8; NONCE_BYTES];
        self.parts.entropy.fill(&mut nonce);
        Ok(Some(self.parts.sealer.seal(session_key, &seal_context(&verified.key), nonce)?))
    }

    /// The newest session key of a WeChat identity: what a payment's signature is made with.
    pub async fn provider_session_key(&self, key: &IdentityKey) -> Result<Option<SecretString>, AuthError> {
        match self.parts.users.session_key(key).await? {
            Some(sealed) => Ok(Some(self.parts.sealer.open(&sealed, &seal_context(key))?)),
            None => Ok(None),
        }
    }

    async fn user_of(&self, key: &IdentityKey) -> Result<Option<User>, AuthError> {
        let account = self.parts.users.account(&AccountKey::Identity(key.clone())).await?;
        Ok(account.map(|account| account.user))
    }

    async fn welcome_back(
        &self,
        user: User,
        identity: NewIdentity,
        profile: &CheckedProfile,
        origin: &RequestOrigin,
    ) -> Result<SignedIn, AuthError> {
        if user.disabled {
            let claimant = Claimant::User(user.id);
            let attempt = Attempt { method: LoginMethod::Wechat, claimant, origin };
            return Err(self.disabled(&attempt, user.id).await?);
        }
        let now = self.now();
        let touch = LoginTouch { user_id: user.id, at: now, identity: Some(identity) };
        self.parts.users.record_login(&touch).await?;
        let user = if profile.is_empty() {
            user
        } else {
            self.parts.users.update_profile(user.id, profile).await?.ok_or(AuthError::NotFound)?
        };
        let user = User { last_login_time: Some(now), ..user };
        self.signed_in(user, Proof::Identity, LoginMethod::Wechat, origin).await
    }

    async fn welcome(
        &self,
        identity: NewIdentity,
        profile: &CheckedProfile,
        attempt: &Attempt<'_>,
    ) -> Result<SignedIn, AuthError> {
        self.admit_registration(attempt).await?;
        let origin = attempt.origin;
        let openid = identity.key.subject.clone();
        let mut user = self.new_user(None, None);
        profile.apply_to(&mut user);
        user.openid = Some(openid);
        let new = NewUser { user, password_hash: None, identity: Some(identity) };
        match self.parts.users.create(&new).await? {
            CreateOutcome::Created => {
                self.signed_in(new.user, Proof::NewAccount, LoginMethod::Wechat, origin).await
            }
            CreateOutcome::EmailTaken | CreateOutcome::IdentityTaken => {
                // The same person signed in twice at once, and the other call made the account.
                let identity = new.identity.ok_or(AuthError::NotFound)?;
                let user = self.user_of(&identity.key).await?.ok_or(AuthError::NotFound)?;
                self.welcome_back(user, identity, profile, origin).await
            }
        }
    }
}

/// Binds a session key to its identity, so that a row copied to another identity does not open.
fn seal_context(key: &IdentityKey) -> String {
    format!("session_key\n{}\n{}\n{}", key.provider, key.app_id, key.subject)
}

fn check(code: &str, profile: WechatProfile) -> Result<CheckedProfile, AuthError> {
    if code.trim().is_empty() {
        return Err(AuthError::field("code", "required"));
    }
    if code.contains('\0') {
        return Err(AuthError::field("code", "nul"));
    }
    if code.chars().count() > CODE_CHARS_MAX {
        return Err(AuthError::field("code", "too_long"));
    }
    profile.into_change().check().map_err(AuthError::Invalid)
}
