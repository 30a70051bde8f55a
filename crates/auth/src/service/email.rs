//! Sign-in by email and password.

use kernel::{PortError, Timestamp};
use secrecy::SecretString;

use super::attempt::{Attempt, Claimant, Counters};
use super::begin::Proof;
use super::{AuthService, Registration, SignedIn};
use crate::email::Email;
use crate::error::{AuthError, FieldError};
use crate::login_log::{LoginMethod, LoginOutcome, RequestOrigin};
use crate::password::{PasswordHash, check_given, check_new};
use crate::ports::{AccountKey, CreateOutcome, LoginTouch, NewUser, SALT_BYTES, Verdict};
use crate::profile::ProfileChange;
use crate::user::{Account, Gender, Level, Role, User};

impl AuthService {
    /// Makes an account by email and signs it in.
    pub async fn register(
        &self,
        registration: Registration,
        origin: &RequestOrigin,
    ) -> Result<SignedIn, AuthError> {
        let now = self.now();
        let user = self.make_account(registration, Some(now), origin).await?;
        self.signed_in(user, Proof::NewAccount, LoginMethod::Register, origin).await
    }

    /// Makes an account by email as [`AuthService::register`] does, and signs nobody in.
    pub async fn create_account(
        &self,
        registration: Registration,
        origin: &RequestOrigin,
    ) -> Result<User, AuthError> {
        let user = self.make_account(registration, None, origin).await?;
        let attempt = Attempt { method: LoginMethod::Register, claimant: Claimant::User(user.id), origin };
        self.record(&attempt, LoginOutcome::Success).await?;
        Ok(user)
    }

    async fn make_account(
        &self,
        registration: Registration,
        last_login_time: Option<Timestamp>,
        origin: &RequestOrigin,
    ) -> Result<User, AuthError> {
        let (email, nick_name) = check_registration(&registration)?;
        let claimant = Claimant::Unknown(self.settings.secret.identity_hash(&email.key()));
        let attempt = Attempt { method: LoginMethod::Register, claimant, origin };
        self.admit_registration(&attempt).await?;
        let password_hash = self.hash_password(&registration.password).await?;
        let user = User { last_login_time, ..self.new_user(Some(email), nick_name) };
        let new = NewUser { user, password_hash: Some(password_hash), identity: None };
        match self.parts.users.create(&new).await? {
            CreateOutcome::Created => Ok(new.user),
            CreateOutcome::EmailTaken | CreateOutcome::IdentityTaken => {
                self.record(&attempt, LoginOutcome::EmailTaken).await?;
                Err(AuthError::EmailTaken)
            }
        }
    }

    /// Signs an account in by its password.
    pub async fn email_login(
        &self,
        email: &str,
        password: SecretString,
        origin: &RequestOrigin,
    ) -> Result<SignedIn, AuthError> {
        let email = check_login(email, &password)?;
        let identity_hash = self.settings.secret.identity_hash(&email.key());
        let account = self.parts.users.account(&AccountKey::Email(email)).await?;
        let claimant = match &account {
            Some(account) => Claimant::User(account.user.id),
            None => Claimant::Unknown(identity_hash.clone()),
        };
        let attempt = Attempt { method: LoginMethod::Email, claimant, origin };
        let counters = Counters::of_account(identity_hash, origin);
        let account = self.prove_password(&attempt, &counters, account, &password).await?;
        if account.user.disabled {
            return Err(self.disabled(&attempt, account.user.id).await?);
        }
        let now = self.now();
        let touch = LoginTouch { user_id: account.user.id, at: now, identity: None };
        self.parts.users.record_login(&touch).await?;
        let user = User { last_login_time: Some(now), ..account.user };
        let proof = Proof::Password { given: &password, hash: account.password_hash };
        self.signed_in(user, proof, LoginMethod::Email, origin).await
    }

    /// Compares a password with an account's. Accounts that do not exist cost the same work and get the same
    /// answer.
    pub(super) async fn prove_password(
        &self,
        attempt: &Attempt<'_>,
        counters: &Counters,
        account: Option<Account>,
        password: &SecretString,
    ) -> Result<Account, AuthError> {
        self.admit_attempt(attempt, counters).await?;
        let hash = account.as_ref().and_then(|account| account.password_hash.as_ref());
        let verdict = self.parts.hasher.verify(password, hash).await?;
        let account = match (account, verdict) {
            (Some(account), Verdict::Match) => account,
            (Some(account), Verdict::MatchOutdated) => self.with_renewed_hash(account, password).await,
            (Some(_), Verdict::Mismatch) => {
                return Err(self.failed(attempt, counters, LoginOutcome::WrongPassword).await?);
            }
            (None, Verdict::Match | Verdict::MatchOutdated | Verdict::Mismatch) => {
                return Err(self.failed(attempt, counters, LoginOutcome::UnknownAccount).await?);
            }
        };
        self.refuse_after_failures(attempt, counters).await?;
        self.forget_failures(counters).await?;
        Ok(account)
    }

    /// Makes an old hash anew while the password is at hand. A failure changes nothing: the next sign-in tries.
    async fn with_renewed_hash(&self, account: Account, password: &SecretString) -> Account {
        match self.renewed_hash(&account, password).await {
            Ok(Some(new)) => Account { password_hash: Some(new), ..account },
            Ok(None) => account,
            Err(error) => {
                tracing::warn!(error = %error, user.id = %account.user.id, "a password hash was not renewed");
                account
            }
        }
    }

    async fn renewed_hash(
        &self,
        account: &Account,
        password: &SecretString,
    ) -> Result<Option<PasswordHash>, PortError> {
        let Some(old) = &account.password_hash else { return Ok(None) };
        let new = self.hash_password(password).await?;
        let replaced = self.parts.users.replace_password(account.user.id, old, &new).await?;
        Ok(replaced.then_some(new))
    }

    pub(super) async fn hash_password(&self, password: &SecretString) -> Result<PasswordHash, PortError> {
        let mut salt = [0_u8; SALT_BYTES];
        self.parts.entropy.fill(&mut salt);
        self.parts.hasher.hash(password, salt).await
    }

    /// A user that has just come.
    pub(super) fn new_user(&self, email: Option<Email>, nick_name: Option<String>) -> User {
        let now = self.now();
        let id = self.parts.ids.next();
        User {
            id,
            email,
            openid: None,
            nick_name: nick_name.unwrap_or_else(|| Self::made_up_name(id)),
            avatar_url: String::new(),
            gender: Gender::Unknown,
            country: String::new(),
            province: String::new(),
            city: String::new(),
            level: Level::Normal,
            role: Role::User,
            disabled: false,
            mbti_type: None,
            create_time: now,
            last_login_time: Some(now),
        }
    }
}

fn check_registration(registration: &Registration) -> Result<(Email, Option<String>), AuthError> {
    let email = Email::parse(&registration.email);
    let password = check_new("password", &registration.password);
    // A blank name is no name: forms send one where nothing was typed.
    let nick_name = registration.nick_name.clone().filter(|name| !name.trim().is_empty());
    let profile = ProfileChange { nick_name, ..ProfileChange::default() }.check();
    match (email, password, profile) {
        (Ok(email), Ok(()), Ok(profile)) => Ok((email, profile.nick_name)),
        (email, password, profile) => {
            let mut errors: Vec<FieldError> = email.err().into_iter().chain(password.err()).collect();
            errors.extend(profile.err().into_iter().flatten());
            Err(AuthError::Invalid(errors))
        }
    }
}

fn check_login(email: &str, password: &SecretString) -> Result<Email, AuthError> {
    match (Email::parse(email), check_given("password", password)) {
        (Ok(email), Ok(())) => Ok(email),
        (email, password) => Err(AuthError::Invalid(email.err().into_iter().chain(password.err()).collect())),
    }
}
