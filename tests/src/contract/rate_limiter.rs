//! What every [`auth::ports::RateLimiter`] must do.

use auth::RateRule;
use auth::ports::RateLimiter;
use futures::future::join_all;

use super::people::START;

const RULE: RateRule = RateRule::new("suite", 3, 60_000);
const OTHER: RateRule = RateRule::new("other", 3, 60_000);

/// MUST admit the limit in a window that begins with the first hit, and refuse the rest until it ends.
pub async fn a_window_admits_its_limit(limiter: &dyn RateLimiter) {
    for hit in 0..3_i64 {
        let rate = limiter.hit(&RULE, "a", START.plus_seconds(hit)).await.unwrap();
        assert!(rate.allowed);
        assert_eq!(i64::from(rate.remaining), 2 - hit);
        assert_eq!(rate.reset_ms, 60_000 - hit * 1_000);
    }
    let refused = limiter.hit(&RULE, "a", START.plus_seconds(10)).await.unwrap();
    assert!(!refused.allowed);
    assert_eq!((refused.remaining, refused.retry_after_ms, refused.reset_ms), (0, 50_000, 50_000));
    assert!(!limiter.hit(&RULE, "a", START.plus_millis(59_999)).await.unwrap().allowed);
    let next = limiter.hit(&RULE, "a", START.plus_millis(60_000)).await.unwrap();
    assert_eq!((next.allowed, next.remaining, next.reset_ms), (true, 2, 60_000));
}

/// MUST count nothing.
pub async fn a_look_counts_nothing(limiter: &dyn RateLimiter) {
    for _ in 0..5 {
        let rate = limiter.peek(&RULE, "a", START).await.unwrap();
        assert_eq!((rate.allowed, rate.remaining, rate.reset_ms), (true, 3, 0));
    }
    for _ in 0..3 {
        limiter.hit(&RULE, "a", START).await.unwrap();
    }
    let full = limiter.peek(&RULE, "a", START.plus_seconds(1)).await.unwrap();
    assert_eq!((full.allowed, full.remaining, full.retry_after_ms), (false, 0, 59_000));
    assert!(limiter.peek(&RULE, "a", START.plus_seconds(60)).await.unwrap().allowed);
}

/// Concurrent hits MUST NOT pass the limit together.
pub async fn concurrent_hits_keep_the_limit(limiter: &dyn RateLimiter) {
    let rule = RateRule::new("suite", 10, 60_000);
    let hits = join_all((0..40).map(|_| limiter.hit(&rule, "a", START))).await;
    assert_eq!(hits.into_iter().filter(|rate| rate.as_ref().unwrap().allowed).count(), 10);
}

/// Keys, and keys of different rules, MUST NOT meet.
pub async fn keys_and_rules_stay_apart(limiter: &dyn RateLimiter) {
    for _ in 0..3 {
        limiter.hit(&RULE, "a", START).await.unwrap();
    }
    assert_eq!(limiter.peek(&RULE, "b", START).await.unwrap().remaining, 3);
    assert_eq!(limiter.peek(&OTHER, "a", START).await.unwrap().remaining, 3);
    assert_eq!(limiter.peek(&RULE, "a", START).await.unwrap().remaining, 0);
}

/// A cleared key begins anew; others do not.
pub async fn a_cleared_key_begins_anew(limiter: &dyn RateLimiter) {
    for key in ["a", "b"] {
        limiter.hit(&RULE, key, START).await.unwrap();
    }
    limiter.clear(&RULE, "a").await.unwrap();
    limiter.clear(&RULE, "unknown").await.unwrap();
    assert_eq!(limiter.peek(&RULE, "a", START).await.unwrap().remaining, 3);
    assert_eq!(limiter.peek(&RULE, "b", START).await.unwrap().remaining, 2);
}

/// A clock that was far ahead for a moment does not shut anybody out.
pub async fn a_window_of_the_far_future_is_forgotten(limiter: &dyn RateLimiter) {
    for _ in 0..3 {
        limiter.hit(&RULE, "a", START.plus_seconds(1_000_000)).await.unwrap();
    }
    assert!(limiter.hit(&RULE, "a", START).await.unwrap().allowed);
}
