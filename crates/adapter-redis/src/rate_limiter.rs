//! Rate limits that all instances share: one hash per rule and key, one script per question.
//!
//! The script does what `auth::Window` does, at Redis, so that concurrent hits of all instances count one after
//! another. Time is the caller's; the key's own expiry only cleans up.

use std::sync::Arc;

use async_trait::async_trait;
use auth::ports::RateLimiter;
use auth::{Rate, RateRule, Window};
use kernel::{PortError, Timestamp};
use redis::Script;

use crate::connection::RedisConnection;

/// KEYS window; ARGV now, limit, length, 1 to count or 0 to look. Answers {allowed, count, ends at}.
const COUNT: &str = r"
local now, limit, length = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local held = redis.call('HMGET', KEYS[1], 'ends_at', 'count')
local ends_at, count = tonumber(held[1]), tonumber(held[2])
if not ends_at or not count or ends_at <= now or ends_at > now + length then
  ends_at, count = now + length, 0
end
if count >= limit then return {0, count, ends_at} end
if ARGV[4] == '1' then
  count = count + 1
  redis.call('HSET', KEYS[1], 'ends_at', string.format('%.0f', ends_at), 'count', count)
  redis.call('PEXPIRE', KEYS[1], ends_at - now)
end
return {1, count, ends_at}
";

/// Counters in Redis.
#[derive(Clone)]
pub struct RedisRateLimiter {
    connection: RedisConnection,
    script: Arc<Script>,
}

impl RedisRateLimiter {
    /// Counters under the connection's prefix.
    pub fn new(connection: &RedisConnection) -> Self {
        Self { connection: connection.clone(), script: Arc::new(Script::new(COUNT)) }
    }

    fn key(&self, rule: &RateRule, key: &str) -> String {
        self.connection.key(&format!("rate:{}:{key}", rule.name))
    }

    async fn ask(&self, rule: &RateRule, key: &str, now: Timestamp, counts: u8) -> Result<Rate, PortError> {
        let mut script = self.script.prepare_invoke();
        script.key(self.key(rule, key)).arg(now.as_millis()).arg(rule.limit).arg(rule.window_ms).arg(counts);
        let (allowed, count, ends_at): (u8, u32, i64) = self.connection.invoke(&script).await?;
        let window = Window { ends_at: Timestamp::from_millis(ends_at), count };
        Ok(window.rate(allowed == 1, rule, now))
    }
}

#[async_trait]
impl RateLimiter for RedisRateLimiter {
    async fn hit(&self, rule: &RateRule, key: &str, now: Timestamp) -> Result<Rate, PortError> {
        self.ask(rule, key, now, 1).await
    }

    async fn peek(&self, rule: &RateRule, key: &str, now: Timestamp) -> Result<Rate, PortError> {
        self.ask(rule, key, now, 0).await
    }

    async fn clear(&self, rule: &RateRule, key: &str) -> Result<(), PortError> {
        let mut command = redis::cmd("DEL");
        command.arg(self.key(rule, key));
        self.connection.query::<i64>(&command).await.map(|_removed| ())
    }
}
