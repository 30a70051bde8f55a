//! In-process bus, rate limits, growing replies, the offline reply model, and play money.

pub mod broadcaster;
pub mod dev_identity;
pub mod offline_model;
pub mod presence;
mod rate_limiter;
pub mod revocation_feed;
pub mod sandbox_gateway;
pub mod stream_buffer;

pub use broadcaster::MemoryBroadcaster;
pub use dev_identity::DevIdentity;
pub use offline_model::OfflineModel;
pub use presence::MemoryPresence;
pub use rate_limiter::MemoryRateLimiter;
pub use revocation_feed::MemoryRevocationFeed;
pub use sandbox_gateway::{SandboxGateway, SandboxSecret};
pub use stream_buffer::MemoryStreamBuffer;
