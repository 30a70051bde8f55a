//! Users, identities, sessions and tokens: who is calling.
//!
//! Glossary. A *user* is a person's account. An *identity* is a proof of being that user: an email with a
//! password, or an account at WeChat. A *session* is one sign-in on one device; its id is the `sid` of every
//! access token and the *family* of its refresh tokens. A *caller* is what a verified access token says.
//!
//! Invariants. A password, a refresh token and a WeChat session key are never stored in the clear. Of one
//! family, one refresh token is valid at a time; the one before it answers with the same successor for ten
//! seconds, and any older one ends the family. An ended session ends its access tokens: at once here, and within
//! [`session::RECHECK_MS`] where the announcement does not arrive. A ban is read from the truth, never from a
//! cache.

mod audit;
mod cached_user_store;
mod caller;
mod email;
mod error;
mod fallback_rate_limiter;
mod keys;
mod limit;
mod login_log;
mod password;
pub mod ports;
mod profile;
mod refresh_token;
mod service;
pub mod session;
mod token;
mod user;

pub use audit::{Audit, AuditEntry, AuditEntryId};
pub use cached_user_store::CachedUserStore;
pub use caller::Caller;
pub use email::Email;
pub use error::{AuthError, FieldError};
pub use fallback_rate_limiter::FallbackRateLimiter;
pub use keys::{AuthSecret, SECRET_BYTES};
pub use limit::{AuthLimits, Rate, RateRule, Window};
pub use login_log::{LoginMethod, LoginOutcome, LoginRecord, LoginRecordId, RequestOrigin};
pub use password::{PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN, PasswordHash};
pub use profile::{CheckedProfile, ProfileChange, WechatProfile};
pub use refresh_token::RefreshToken;
pub use service::{AuthParts, AuthService, AuthSettings, RefreshGrant, Registration, SignedIn, TokenPair};
pub use session::{EndReason, Session, SessionId};
pub use token::{AccessClaims, AccessTokenId, TokenRefusal};
pub use user::{
    Account, Gender, IdentityKey, Level, NewIdentity, Role, SealedSecret, Standing, User, VerifiedIdentity,
};
