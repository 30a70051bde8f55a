//! Ports of what may be lost: counters, and the news of ended sessions.

use async_trait::async_trait;
use futures::stream::BoxStream;
use kernel::{PortError, Timestamp};

use crate::limit::{Rate, RateRule};
use crate::session::SessionId;

/// Counts hits per rule and key.
#[async_trait]
pub trait RateLimiter: Send + Sync {
    /// Counts a hit, if it is admitted.
    ///
    /// MUST admit the rule's limit in a window that begins with its first hit, and refuse the rest until the
    /// window ends. Concurrent hits MUST NOT pass the limit together. Keys of different rules MUST NOT meet.
    async fn hit(&self, rule: &RateRule, key: &str, now: Timestamp) -> Result<Rate, PortError>;

    /// What the next hit would get. MUST count nothing.
    async fn peek(&self, rule: &RateRule, key: &str, now: Timestamp) -> Result<Rate, PortError>;

    /// Forgets a key's hits.
    async fn clear(&self, rule: &RateRule, key: &str) -> Result<(), PortError>;
}

/// News of an ended session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevocationSignal {
    /// This session has ended.
    Ended(SessionId),
    /// News may have been lost: trust nothing that was remembered.
    Missed,
}

/// Tells every instance which sessions have ended. At most once: the session store is the truth.
#[async_trait]
pub trait RevocationFeed: Send + Sync {
    /// Tells all subscribers on the same bus.
    async fn announce(&self, sessions: &[SessionId]) -> Result<(), PortError>;

    /// Listens from now on.
    ///
    /// MUST deliver every session announced after it returned, or [`RevocationSignal::Missed`] in its place. MUST
    /// hold a bounded number of signals for a slow listener. Dropping the stream ends it.
    async fn subscribe(&self) -> Result<BoxStream<'static, RevocationSignal>, PortError>;
}
