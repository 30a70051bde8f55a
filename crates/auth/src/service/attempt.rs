//! An attempt to sign in: counted, slowed down, and written to the login log.

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
    address: String,
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
        let mut rate = self.look(&limits.ip_failures(), &counters.address).await?;
        if let Some(keys) = counters.account.as_ref().filter(|_| rate.allowed) {
            rate = self.look(&limits.account_failures(), &keys.from_address).await?;
        }
        if rate.allowed {
            return Ok(());
        }
        self.record(attempt, LoginOutcome::RateLimited).await?;
        Err(rate_limited(rate))
    }

    async fn look(&self, rule: &RateRule, key: &str) -> Result<Rate, PortError> {
        if rule.is_off() {
            return Ok(Rate::UNLIMITED);
        }
        self.parts.limiter.peek(rule, key, self.now()).await
    }

    /// Records and counts a failure. The answer is the same for every reason, and `RateLimited` where the failure
    /// was one too many.
    pub(super) async fn failed(
        &self,
        attempt: &Attempt<'_>,
        counters: &Counters,
        outcome: LoginOutcome,
    ) -> Result<AuthError, PortError> {
        self.record(attempt, outcome).await?;
        let limits = &self.settings.limits;
        let mut rate = self.admit(&limits.ip_failures(), &counters.address).await?;
        if let Some(keys) = &counters.account {
            self.admit(&limits.delay_counter(), &keys.everywhere).await?;
            let of_account = self.admit(&limits.account_failures(), &keys.from_address).await?;
            if rate.allowed {
                rate = of_account;
            }
        }
        Ok(if rate.allowed { AuthError::InvalidCredentials } else { rate_limited(rate) })
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
        let rate = self.admit(&rule, &address_key(attempt.origin.ip)).await?;
        if rate.allowed {
            return Ok(());
        }
        self.record(attempt, LoginOutcome::RateLimited).await?;
        Err(rate_limited(rate))
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

fn rate_limited(rate: Rate) -> AuthError {
    AuthError::RateLimited { retry_after_ms: rate.retry_after_ms.max(1) }
}
