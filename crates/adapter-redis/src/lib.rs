//! Redis: bus, rate limits, growing replies.

pub mod broadcaster;
pub mod connection;
mod flush_lane;
pub mod presence;
mod rate_limiter;
pub mod revocation_feed;
pub mod stream_buffer;
mod subscriber;

pub use broadcaster::RedisBroadcaster;
pub use connection::{Channels, RedisConnection, RedisLimits};
pub use presence::RedisPresence;
pub use rate_limiter::RedisRateLimiter;
pub use revocation_feed::RedisRevocationFeed;
pub use stream_buffer::RedisStreamBuffer;
