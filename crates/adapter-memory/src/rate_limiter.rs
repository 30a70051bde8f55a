//! Rate limits counted in this process.
//!
//! The counters are bounded: somebody who comes from very many addresses makes the soonest-ending windows go
//! first, and costs no memory.

use async_trait::async_trait;
use auth::ports::RateLimiter;
use auth::{Rate, RateRule, Window};
use kernel::{BoundedMap, PortError, Timestamp};

/// Counters by rule and key.
pub struct MemoryRateLimiter {
    windows: BoundedMap<(&'static str, String), Window>,
}

impl MemoryRateLimiter {
    /// About `keys_max` counters at a time; each takes some 150 bytes.
    pub fn new(keys_max: usize) -> Self {
        Self { windows: BoundedMap::new(keys_max) }
    }
}

#[async_trait]
impl RateLimiter for MemoryRateLimiter {
    async fn hit(&self, rule: &RateRule, key: &str, now: Timestamp) -> Result<Rate, PortError> {
        let rate = self.windows.update((rule.name, key.to_owned()), now, |stored| {
            let (window, rate) = Window::hit(stored.copied(), rule, now);
            (window, window.ends_at, rate)
        });
        Ok(rate.unwrap_or(Rate::UNLIMITED))
    }

    async fn peek(&self, rule: &RateRule, key: &str, now: Timestamp) -> Result<Rate, PortError> {
        Ok(Window::peek(self.windows.get(&(rule.name, key.to_owned())), rule, now))
    }

    async fn clear(&self, rule: &RateRule, key: &str) -> Result<(), PortError> {
        self.windows.remove(&(rule.name, key.to_owned()));
        Ok(())
    }
}
