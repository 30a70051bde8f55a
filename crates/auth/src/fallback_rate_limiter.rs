//! A rate limiter that counts in a second place while the first is down.
//!
//! With Redis away, every instance counts for itself: the limits grow by the number of instances and are still
//! limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use kernel::{PortError, Timestamp};

use crate::limit::{Rate, RateRule};
use crate::ports::RateLimiter;

/// Asks `first`, and `second` where that fails.
pub struct FallbackRateLimiter {
    first: Arc<dyn RateLimiter>,
    second: Arc<dyn RateLimiter>,
    is_down: AtomicBool,
}

impl FallbackRateLimiter {
    /// Counts in `first` while it answers.
    pub fn new(first: Arc<dyn RateLimiter>, second: Arc<dyn RateLimiter>) -> Self {
        Self { first, second, is_down: AtomicBool::new(false) }
    }

    /// Logs the change, not every failure.
    fn note(&self, failure: Option<&PortError>) {
        let was_down = self.is_down.swap(failure.is_some(), Ordering::Relaxed);
        match failure {
            Some(error) if !was_down => {
                tracing::warn!(error = %error, "the rate limiter failed; counting in this process");
            }
            None if was_down => tracing::info!("the rate limiter is back"),
            Some(_) | None => {}
        }
    }
}

#[async_trait]
impl RateLimiter for FallbackRateLimiter {
    async fn hit(&self, rule: &RateRule, key: &str, now: Timestamp) -> Result<Rate, PortError> {
        let answer = self.first.hit(rule, key, now).await;
        self.note(answer.as_ref().err());
        match answer {
            Ok(rate) => Ok(rate),
            Err(_) => self.second.hit(rule, key, now).await,
        }
    }

    async fn peek(&self, rule: &RateRule, key: &str, now: Timestamp) -> Result<Rate, PortError> {
        let answer = self.first.peek(rule, key, now).await;
        self.note(answer.as_ref().err());
        match answer {
            Ok(rate) => Ok(rate),
            Err(_) => self.second.peek(rule, key, now).await,
        }
    }

    async fn clear(&self, rule: &RateRule, key: &str) -> Result<(), PortError> {
        let answer = self.first.clear(rule, key).await;
        self.note(answer.as_ref().err());
        self.second.clear(rule, key).await
    }
}
