//! A user's own account: profile, password, login log.

use kernel::{Page, PageRequest, UserId};
use secrecy::{ExposeSecret, SecretString};

use super::AuthService;
use super::attempt::{Attempt, Claimant, Counters};
use crate::caller::Caller;
use crate::error::AuthError;
use crate::login_log::{LoginMethod, LoginOutcome, LoginRecord, RequestOrigin};
use crate::password::{check_given, check_new};
use crate::ports::AccountKey;
use crate::profile::ProfileChange;
use crate::session::EndReason;
use crate::user::User;

impl AuthService {
    /// A user; may be five seconds old.
    pub async fn profile(&self, user: UserId) -> Result<User, AuthError> {
        self.parts.users.get(user).await?.ok_or(AuthError::NotFound)
    }

    /// Changes the fields that are given.
    pub async fn update_profile(&self, user: UserId, change: ProfileChange) -> Result<User, AuthError> {
        let change = change.check().map_err(AuthError::Invalid)?;
        if change.is_empty() {
            return self.profile(user).await;
        }
        self.parts.users.update_profile(user, &change).await?.ok_or(AuthError::NotFound)
    }

    /// Sets a new password against the old one, and ends every other session.
    pub async fn change_password(
        &self,
        caller: &Caller,
        old: SecretString,
        new: SecretString,
        origin: &RequestOrigin,
    ) -> Result<(), AuthError> {
        check_change(&old, &new)?;
        let account = self.parts.users.account(&AccountKey::Id(caller.user_id)).await?;
        let account = account.ok_or(AuthError::NotFound)?;
        if account.password_hash.is_none() {
            return Err(AuthError::field("oldPassword", "not_set"));
        }
        let claimant = Claimant::Session(caller.user_id, caller.session_id);
        let attempt = Attempt { method: LoginMethod::PasswordChange, claimant, origin };
        let counters = Counters::of_account(caller.user_id.to_string(), origin);
        let proved = self.prove_password(&attempt, &counters, Some(account), &old).await?;
        let old_hash = proved.password_hash.ok_or(AuthError::InvalidCredentials)?;
        let new_hash = self.hash_password(&new).await?;
        if !self.parts.users.replace_password(caller.user_id, &old_hash, &new_hash).await? {
            // Another change won meanwhile, so that the old password is no longer the one.
            return Err(AuthError::InvalidCredentials);
        }
        self.end_all_sessions(caller.user_id, Some(caller.session_id), EndReason::PasswordChanged).await?;
        self.record(&attempt, LoginOutcome::Success).await?;
        Ok(())
    }

    /// The user's own login records, the newest first.
    pub async fn login_logs(&self, user: UserId, page: PageRequest) -> Result<Page<LoginRecord>, AuthError> {
        Ok(self.parts.login_log.list(user, page).await?)
    }
}

fn check_change(old: &SecretString, new: &SecretString) -> Result<(), AuthError> {
    let old_error = check_given("oldPassword", old).err();
    let new_error = check_new("newPassword", new).err();
    let errors: Vec<_> = old_error.into_iter().chain(new_error).collect();
    if !errors.is_empty() {
        return Err(AuthError::Invalid(errors));
    }
    if old.expose_secret() == new.expose_secret() {
        return Err(AuthError::field("newPassword", "unchanged"));
    }
    Ok(())
}
