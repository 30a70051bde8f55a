//! What auth needs of the outside: stores, vendors and crypto, and what instances tell one another.

mod crypto;
mod identity;
mod live;
mod store;

pub use crypto::{NONCE_BYTES, PasswordHasher, SALT_BYTES, Sealer, TokenSigner, Verdict};
pub use identity::{IdentityOutcome, IdentityProvider};
pub use live::{RateLimiter, RevocationFeed, RevocationSignal};
pub use store::{
    AccountKey, AuditLog, CreateOutcome, LoginLog, LoginTouch, NewUser, Rotation, SessionStore, SessionSweep,
    UserStore,
};
