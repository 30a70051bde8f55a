//! The bus and the rest of what may be lost: in this process, or in Redis.

use std::sync::Arc;
use std::time::Duration;

use adapter_memory::{
    MemoryBroadcaster, MemoryPresence, MemoryRateLimiter, MemoryRevocationFeed, MemoryStreamBuffer,
};
use adapter_redis::{
    Channels, RedisBroadcaster, RedisConnection, RedisLimits, RedisPresence, RedisRateLimiter,
    RedisRevocationFeed, RedisStreamBuffer,
};
use anyhow::Context;
use auth::FallbackRateLimiter;
use auth::ports::{RateLimiter, RevocationFeed};
use chat::ports::{Broadcaster, Presence, StreamBuffer};
use chat::{InstanceId, Lane, local_first};

use super::Foundation;
use crate::config::Config;
use crate::health::Check;

/// Frames kept for a slow watcher before it is told to read the log.
const FRAMES_MAX: usize = 256;
/// Counters of rates kept in this process.
const COUNTERS_MAX: usize = 50_000;
/// Ended sessions kept for a slow listener before it forgets what it remembers.
const SIGNALS_MAX: usize = 1_024;

/// Counters and news of ended sessions, and the way to all that instances share.
pub(super) struct Bus {
    pub(super) limiter: Arc<dyn RateLimiter>,
    pub(super) feed: Arc<dyn RevocationFeed>,
    redis: Option<RedisConnection>,
}

/// What carries frames, growing text, and who is here.
pub(super) struct Live {
    pub(super) broadcaster: Arc<dyn Broadcaster>,
    pub(super) buffer: Arc<dyn StreamBuffer>,
    pub(super) presence: Arc<dyn Presence>,
}

impl Bus {
    /// What `bus.url` names. Redis is not waited for: without it the server still answers what the database knows.
    pub(super) fn open(config: &Config) -> anyhow::Result<Self> {
        if config.bus.url.starts_with("memory:") {
            return Ok(Self::in_process());
        }
        let limits = RedisLimits {
            connections_max: usize::try_from(config.bus.connections_max)?,
            command_deadline: Duration::from_millis(u64::from(config.bus.command_ms)),
            ..RedisLimits::default()
        };
        let redis =
            RedisConnection::connect(&config.bus.url, &config.bus.prefix, limits).context("bus.url")?;
        let channels = if config.bus.sharded { Channels::Sharded } else { Channels::Plain };
        Ok(Self::in_redis(redis.on_channels(channels)))
    }

    /// Refuses a Redis that cannot carry the bus as it is configured. One that does not answer is not waited for.
    pub(super) async fn refuse_unfit(&self) -> anyhow::Result<()> {
        let Some(redis) = &self.redis else { return Ok(()) };
        match redis.has_channels().await {
            Ok(true) => Ok(()),
            Ok(false) => anyhow::bail!(
                "bus.sharded needs a Redis that knows SPUBLISH and SSUBSCRIBE, which came with Redis 7.0: the one of \
                 bus.url does not. Upgrade it, or set bus.sharded = false"
            ),
            Err(error) => {
                tracing::warn!(%error, "redis was not asked whether it has sharded channels");
                Ok(())
            }
        }
    }

    fn in_process() -> Self {
        Self {
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
            limiter: Arc::new(limiter),
            feed: Arc::new(RedisRevocationFeed::new(&redis)),
            redis: Some(redis),
        }
    }

    /// What an instance at work needs: in this process, and with Redis behind it for the other instances.
    pub(super) fn live(&self, on: &Foundation, instance: InstanceId) -> Live {
        let bus = MemoryBroadcaster::new(FRAMES_MAX);
        let buffer = MemoryStreamBuffer::new(bus.clone(), Arc::clone(&on.clock));
        let local = Lane { broadcaster: Arc::new(bus), buffer: Arc::new(buffer) };
        let Some(redis) = &self.redis else {
            let Lane { broadcaster, buffer } = local;
            return Live { broadcaster, buffer, presence: Arc::new(MemoryPresence::default()) };
        };
        let redis = redis.clone().speaking_as(instance.as_uuid().into_bytes());
        let remote = Lane {
            broadcaster: Arc::new(RedisBroadcaster::start(&redis, FRAMES_MAX)),
            buffer: Arc::new(RedisStreamBuffer::new(&redis)),
        };
        let (broadcaster, buffer) = local_first(local, remote, Arc::clone(&on.clock), Arc::clone(&on.tasks));
        Live {
            broadcaster: Arc::new(broadcaster),
            buffer: Arc::new(buffer),
            presence: Arc::new(RedisPresence::new(&redis)),
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
