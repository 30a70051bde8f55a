//! Ports of the durable truth: users, sessions, and the login log.

use async_trait::async_trait;
use kernel::{Page, PageRequest, PortError, Timestamp, UserId};

use crate::audit::AuditEntry;
use crate::email::Email;
use crate::login_log::LoginRecord;
use crate::password::PasswordHash;
use crate::profile::CheckedProfile;
use crate::session::{EndReason, Session, SessionId};
use crate::user::{Account, IdentityKey, NewIdentity, SealedSecret, Standing, User};

/// A user to be created, with what proves it.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// The user; `openid` comes from the identity and is not read.
    pub user: User,
    /// For a user with an email.
    pub password_hash: Option<PasswordHash>,
    /// For a user of an identity provider.
    pub identity: Option<NewIdentity>,
}

/// What became of a [`NewUser`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateOutcome {
    /// User and identity are stored.
    Created,
    /// Another user has the email; nothing was written.
    EmailTaken,
    /// Another user has the identity; nothing was written.
    IdentityTaken,
}

/// What an account is looked up by.
#[derive(Debug, Clone)]
pub enum AccountKey {
    /// Its id.
    Id(UserId),
    /// Its email, without regard to case.
    Email(Email),
    /// Its identity at a provider.
    Identity(IdentityKey),
}

/// What a successful sign-in leaves on the user.
#[derive(Debug, Clone)]
pub struct LoginTouch {
    /// Who.
    pub user_id: UserId,
    /// When.
    pub at: Timestamp,
    /// The identity it was proved by; its session key and union id replace the stored ones where given.
    pub identity: Option<NewIdentity>,
}

/// Users and their identities.
#[async_trait]
pub trait UserStore: Send + Sync {
    /// Stores a new user with its identity: all or nothing.
    ///
    /// MUST return from [`UserStore::get`] what it was given, with the openid of its identity. MUST let one of
    /// several concurrent calls win an email (compared without case) or an identity, and answer the others with
    /// the matching refusal.
    async fn create(&self, new: &NewUser) -> Result<CreateOutcome, PortError>;

    /// The user. A cache may answer up to five seconds late, but MUST NOT hide a write made through itself.
    async fn get(&self, id: UserId) -> Result<Option<User>, PortError>;

    /// The account as it is now. MUST NOT be answered by a cache: bans are read from it.
    async fn account(&self, key: &AccountKey) -> Result<Option<Account>, PortError>;

    /// Changes the fields that are given and returns the user after it; `None` if there is no such user.
    async fn update_profile(&self, id: UserId, change: &CheckedProfile) -> Result<Option<User>, PortError>;

    /// Replaces the password's hash while it is still `expected`. MUST let one of several concurrent calls win;
    /// `false` for the others and for an unknown user.
    async fn replace_password(
        &self,
        id: UserId,
        expected: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<bool, PortError>;

    /// Notes a sign-in: time, and the provider's newest session key.
    async fn record_login(&self, touch: &LoginTouch) -> Result<(), PortError>;

    /// Sets role and ban; `false` if there is no such user.
    async fn set_standing(&self, id: UserId, standing: Standing) -> Result<bool, PortError>;

    /// The newest session key of an identity, sealed.
    async fn session_key(&self, key: &IdentityKey) -> Result<Option<SealedSecret>, PortError>;
}

/// A step of a session to its next refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// The session.
    pub session_id: SessionId,
    /// Number of the newest token, as the caller believes.
    pub from: u32,
    /// Number of the next.
    pub to: u32,
    /// When.
    pub at: Timestamp,
    /// Until when it may stay without another; never after the session's `expires_at`.
    pub idle_until: Timestamp,
}

/// Which sessions may be forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionSweep {
    /// Those whose `idle_until` had come by then.
    pub expired_by: Timestamp,
    /// Those that were ended by then.
    pub ended_by: Timestamp,
    /// At most so many.
    pub limit: u32,
}

/// Sessions.
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Stores a new session. MUST return it unchanged from [`SessionStore::get`].
    async fn create(&self, session: &Session) -> Result<(), PortError>;

    /// The session, also if it is over.
    async fn get(&self, id: SessionId) -> Result<Option<Session>, PortError>;

    /// Moves a session to its next refresh token.
    ///
    /// MUST write only while the number is `from` and the session is not ended; of several concurrent calls one
    /// wins and the others get `false`.
    async fn rotate(&self, rotation: &Rotation) -> Result<bool, PortError>;

    /// Ends a session. `true` for the call that ended it; an ended or unknown session stays as it is.
    async fn end(&self, id: SessionId, reason: EndReason, at: Timestamp) -> Result<bool, PortError>;

    /// Ends a user's sessions but one, and returns those that this call ended.
    async fn end_all(
        &self,
        user: UserId,
        except: Option<SessionId>,
        reason: EndReason,
        at: Timestamp,
    ) -> Result<Vec<SessionId>, PortError>;

    /// A user's sessions that were not ended, the newest first, at most `limit`. Those that are over by time may
    /// be among them.
    async fn open(&self, user: UserId, limit: u32) -> Result<Vec<Session>, PortError>;

    /// Forgets sessions that are over, and says how many.
    async fn sweep(&self, sweep: &SessionSweep) -> Result<u64, PortError>;
}

/// The login log.
#[async_trait]
pub trait LoginLog: Send + Sync {
    /// Appends a record. MUST return it unchanged from [`LoginLog::list`].
    async fn append(&self, record: &LoginRecord) -> Result<(), PortError>;

    /// A user's records, the newest first. MUST leave out other people's.
    async fn list(&self, user: UserId, page: PageRequest) -> Result<Page<LoginRecord>, PortError>;

    /// Forgets at most `limit` records older than `before`, and says how many.
    async fn sweep(&self, before: Timestamp, limit: u32) -> Result<u64, PortError>;
}

/// What operators did.
#[async_trait]
pub trait AuditLog: Send + Sync {
    /// Appends an entry. MUST return it unchanged from [`AuditLog::list`], for ever: the store itself refuses changes.
    async fn append(&self, entry: &AuditEntry) -> Result<(), PortError>;

    /// All entries, the newest first.
    async fn list(&self, page: PageRequest) -> Result<Page<AuditEntry>, PortError>;
}
