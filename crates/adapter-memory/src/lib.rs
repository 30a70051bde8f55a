//! In-process bus, rate limits, growing replies, and the offline reply model.

pub mod broadcaster;
pub mod dev_identity;
pub mod offline_model;
pub mod presence;
mod rate_limiter;
pub mod revocation_feed;
pub mod stream_buffer;

pub use broadcaster::MemoryBroadcaster;
pub use dev_identity::DevIdentity;
pub use offline_model::OfflineModel;
pub use presence::MemoryPresence;
pub use rate_limiter::MemoryRateLimiter;
pub use revocation_feed::MemoryRevocationFeed;
pub use stream_buffer::MemoryStreamBuffer;
