//! The bus and the rest of what may be lost: in this process, or in Redis.

use std::sync::Arc;
use std::time::Duration;

use adapter_memory::{
    MemoryBroadcaster, MemoryPresence, MemoryRateLimiter, MemoryRevocationFeed, MemoryStreamBuffer,
};
use adapter_redis::{
    RedisBroadcaster, RedisConnection, RedisLimits, RedisPresence, RedisRateLimiter, RedisRevocationFeed,
    RedisStreamBuffer,
};
use anyhow::Context;
use auth::FallbackRateLimiter;
use auth::ports::{RateLimiter, RevocationFeed};
use chat::ports::{Broadcaster, Presence, StreamBuffer};
use kernel::Clock;

use crate::config::Config;
use crate::health::Check;

/// Frames kept for a slow watcher before it is told to read the log.
const FRAMES_MAX: usize = 128;
/// Counters of rates kept in this process.
const COUNTERS_MAX: usize = 50_000;
/// Ended sessions kept for a slow listener before it forgets what it remembers.
const SIGNALS_MAX: usize = 1_024;

/// What carries frames, growing text, counters and news of ended sessions.
pub(super) struct Bus {
    pub(super) broadcaster: Arc<dyn Broadcaster>,
    pub(super) buffer: Arc<dyn StreamBuffer>,
    pub(super) presence: Arc<dyn Presence>,
    pub(super) limiter: Arc<dyn RateLimiter>,
    pub(super) feed: Arc<dyn RevocationFeed>,
    redis: Option<RedisConnection>,
}

impl Bus {
    /// What `bus.url` names. Redis is not waited for: without it the server still answers what the database knows.
    pub(super) fn open(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<Self> {
        if config.bus.url.starts_with("memory:") {
            return Ok(Self::in_process(clock));
        }
        let limits = RedisLimits {
            connections_max: usize::try_from(config.bus.connections_max)?,
            command_deadline: Duration::from_millis(u64::from(config.bus.command_ms)),
            ..RedisLimits::default()
        };
        let redis =
            RedisConnection::connect(&config.bus.url, &config.bus.prefix, limits).context("bus.url")?;
        Ok(Self::in_redis(redis))
    }

    /// Within this process.
    pub(super) fn in_process(clock: &Arc<dyn Clock>) -> Self {
        let bus = MemoryBroadcaster::new(FRAMES_MAX);
        Self {
            buffer: Arc::new(MemoryStreamBuffer::new(bus.clone(), Arc::clone(clock))),
            broadcaster: Arc::new(bus),
            presence: Arc::new(MemoryPresence::default()),
            limiter: Arc::new(MemoryRateLimiter::new(COUNTERS_MAX)),
            feed: Arc::new(MemoryRevocationFeed::new(SIGNALS_MAX)),
            redis: None,
        }
    }

    fn in_redis(redis: RedisConnection) -> Self {
        // A limit that counts less exactly while Redis is away is better than none, and than a refusal of all.
        let counted = Arc::new(RedisRateLimiter::new(&redis));
        let limiter = FallbackRateLimiter::new(counted, Arc::new(MemoryRateLimiter::new(COUNTERS_MAX)));
        Self {
            broadcaster: Arc::new(RedisBroadcaster::start(&redis, FRAMES_MAX)),
            buffer: Arc::new(RedisStreamBuffer::new(&redis)),
            presence: Arc::new(RedisPresence::new(&redis)),
            limiter: Arc::new(limiter),
            feed: Arc::new(RedisRevocationFeed::new(&redis)),
            redis: Some(redis),
        }
    }

    /// A look at Redis, where there is one.
    pub(super) fn check(&self) -> Option<Check> {
        let redis = self.redis.clone()?;
        let probe = move || -> futures::future::BoxFuture<'static, bool> {
            let redis = redis.clone();
            Box::pin(async move { redis.is_ready().await })
        };
        Some(Check { name: "bus", is_required: false, probe: Box::new(probe) })
    }
}
