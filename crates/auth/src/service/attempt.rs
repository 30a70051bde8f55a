//! An attempt to sign in: counted, slowed down, and written to the login log.
//!
//! Every kind of record is bounded: failures by the limits, and what is refused without work by
//! [`AuthService::record_once`], so that nobody can fill the log by being refused.

use kernel::{PortError, UserId};

use super::AuthService;
use crate::error::AuthError;
use crate::limit::{DELAY_COUNT_MAX, Rate, RateRule, address_key, delay_ms};
use crate::login_log::{LoginMethod, LoginOutcome, LoginRecord, RequestOrigin};
use crate::session::SessionId;

/// Somebody who tries to prove who they are.
#[derive(Debug, Clone)]
pub(super) struct Attempt<'a> {
    pub(super) method: LoginMethod,
    pub(super) claimant: Claimant,
    pub(super) origin: &'a RequestOrigin,
}

/// Who an attempt says to be, as far as it is known.
#[derive(Debug, Clone)]
pub(super) enum Claimant {
    /// Nothing is known.
    Nobody,
    /// An account that does not exist, by its keyed hash.
    Unknown(String),
    /// A user.
    User(UserId),
    /// A user's session.
    Session(UserId, SessionId),
}

/// What the failures of one attempt are counted under. Accounts are hashes: keys reach Redis, which is no place for
/// addresses of people.
pub(super) struct Counters {
    pub(super) address: String,
    account: Option<AccountKeys>,
}

struct AccountKeys {
    everywhere: String,
    from_address: String,
}

impl Counters {
    /// Of an account, from an address.
    pub(super) fn of_account(account: String, origin: &RequestOrigin) -> Self {
        let address = address_key(origin.ip);
        let from_address = format!("{account}:{address}");
        Self { address, account: Some(AccountKeys { everywhere: account, from_address }) }
    }

    /// Of an address alone.
    pub(super) fn of_address(origin: &RequestOrigin) -> Self {
        Self { address: address_key(origin.ip), account: None }
    }
}

impl AuthService {
    /// Refuses an attempt after too many failures, and holds it back after a few.
    pub(super) async fn admit_attempt(
        &self,
        attempt: &Attempt<'_>,
        counters: &Counters,
    ) -> Result<(), AuthError> {
        self.refuse_after_failures(attempt, counters).await?;
        let rule = self.settings.limits.delay_counter();
        let Some(keys) = counters.account.as_ref().filter(|_| !rule.is_off()) else { return Ok(()) };
        let rate = self.parts.limiter.peek(&rule, &keys.everywhere, self.now()).await?;
        let delay = delay_ms(DELAY_COUNT_MAX.saturating_sub(rate.remaining));
        if delay > 0 {
            self.parts.clock.sleep_until(self.now().plus_millis(delay)).await;
        }
        Ok(())
    }

    /// Refuses if the failures of this account from this address, or of this address, are used up.
    ///
    /// Asked before a password is looked at and again before a success is told, so that guesses made at the same
    /// time learn no more than guesses made one after another.
    pub(super) async fn refuse_after_failures(
        &self,
        attempt: &Attempt<'_>,
        counters: &Counters,
    ) -> Result<(), AuthError> {
        let limits = &self.settings.limits;
        let mut looks = vec![(limits.ip_failures(), &counters.address)];
        looks.extend(counters.account.as_ref().map(|keys| (limits.account_failures(), &keys.from_address)));
        for (rule, key) in looks {
            let rate = self.look(&rule, key).await?;
            if !rate.allowed {
                return Err(self.refused(attempt, &rule, key, rate.retry_after_ms).await?);
            }
        }
        Ok(())
    }

    async fn look(&self, rule: &RateRule, key: &str) -> Result<Rate, PortError> {
        if rule.is_off() {
            return Ok(Rate::UNLIMITED);
        }
        self.parts.limiter.peek(rule, key, self.now()).await
    }

    /// Counts and records a failure. The answer is the same for every reason, and `RateLimited` where the failure
    /// was one too many.
    pub(super) async fn failed(
        &self,
        attempt: &Attempt<'_>,
        counters: &Counters,
        outcome: LoginOutcome,
    ) -> Result<AuthError, PortError> {
        let limits = &self.settings.limits;
        let mut counts = vec![(limits.ip_failures(), &counters.address)];
        if let Some(keys) = &counters.account {
            self.admit(&limits.delay_counter(), &keys.everywhere).await?;
            counts.push((limits.account_failures(), &keys.from_address));
        }
        let mut one_too_many = None;
        for (rule, key) in counts {
            let rate = self.admit(&rule, key).await?;
            if !rate.allowed && one_too_many.is_none() {
                one_too_many = Some((rule, key, rate.retry_after_ms));
            }
        }
        if let Some((rule, key, retry_after_ms)) = one_too_many {
            return self.refused(attempt, &rule, key, retry_after_ms).await;
        }
        self.record(attempt, outcome).await?;
        Ok(AuthError::InvalidCredentials)
    }

    /// Forgets an account's failures after a success. Those of the address stay: one good account must not buy
    /// guesses at others.
    pub(super) async fn forget_failures(&self, counters: &Counters) -> Result<(), PortError> {
        let limits = &self.settings.limits;
        let rule = limits.account_failures();
        let Some(keys) = counters.account.as_ref().filter(|_| !rule.is_off()) else { return Ok(()) };
        // Most sign-ins have no failure to forget: a look is cheaper than two deletions.
        if self.parts.limiter.peek(&rule, &keys.from_address, self.now()).await?.remaining < rule.limit {
            self.parts.limiter.clear(&rule, &keys.from_address).await?;
            self.parts.limiter.clear(&limits.delay_counter(), &keys.everywhere).await?;
        }
        Ok(())
    }

    /// Refuses more new accounts of one address than an hour admits.
    pub(super) async fn admit_registration(&self, attempt: &Attempt<'_>) -> Result<(), AuthError> {
        let rule = self.settings.limits.registrations();
        let address = address_key(attempt.origin.ip);
        let rate = self.admit(&rule, &address).await?;
        if rate.allowed {
            return Ok(());
        }
        Err(self.refused(attempt, &rule, &address, rate.retry_after_ms).await?)
    }

    /// Refuses what a rule does not admit for this key.
    pub(super) async fn refused(
        &self,
        attempt: &Attempt<'_>,
        rule: &RateRule,
        key: &str,
        retry_after_ms: i64,
    ) -> Result<AuthError, PortError> {
        let key = format!("{}:{key}", rule.name);
        self.record_once(attempt, LoginOutcome::RateLimited, &key, rule.window_ms).await?;
        let limit = (!rule.is_off()).then_some(rule.limit);
        Ok(AuthError::RateLimited { retry_after_ms: retry_after_ms.max(1), limit })
    }

    /// Records the first such attempt of a window. Those after it cost neither a write nor a line of the log, so
    /// that knocking at a shut door fills no disk.
    pub(super) async fn record_once(
        &self,
        attempt: &Attempt<'_>,
        outcome: LoginOutcome,
        key: &str,
        window_ms: i64,
    ) -> Result<(), PortError> {
        let rule = RateRule::new("recorded_once", 1, window_ms.max(1));
        if self.admit(&rule, &format!("{}:{key}", outcome.as_str())).await?.allowed {
            return self.record(attempt, outcome).await;
        }
        tracing::debug!(
            auth.method = attempt.method.as_str(),
            auth.outcome = outcome.as_str(),
            "one more attempt of a kind that was recorded lately"
        );
        Ok(())
    }

    /// Appends to the login log. An attempt that cannot be recorded does not succeed.
    pub(super) async fn record(&self, attempt: &Attempt<'_>, outcome: LoginOutcome) -> Result<(), PortError> {
        let (user_id, session_id, identity_hash) = match &attempt.claimant {
            Claimant::Nobody => (None, None, None),
            Claimant::Unknown(hash) => (None, None, Some(hash.clone())),
            Claimant::User(user) => (Some(*user), None, None),
            Claimant::Session(user, session) => (Some(*user), Some(*session), None),
        };
        let record = LoginRecord {
            id: self.parts.ids.next(),
            user_id,
            session_id,
            identity_hash,
            method: attempt.method,
            outcome,
            ip: attempt.origin.ip,
            user_agent: attempt.origin.user_agent_cut(),
            request_id: attempt.origin.request_id_cut(),
            at: self.now(),
        };
        tracing::info!(
            user.id = user_id.map(tracing::field::display),
            request.id = record.request_id,
            auth.method = record.method.as_str(),
            auth.outcome = outcome.as_str(),
            "an attempt to sign in"
        );
        self.parts.login_log.append(&record).await
    }
}
