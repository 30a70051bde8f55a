//! Rate limits: in memory, in Redis, and in memory because Redis is away.

use std::sync::Arc;

use adapter_memory::MemoryRateLimiter;
use adapter_redis::{RedisConnection, RedisLimits, RedisRateLimiter};
use auth::ports::RateLimiter;
use auth::{FallbackRateLimiter, RateRule};
use tests::backends;
use tests::contract::people::START;
use tests::contract::rate_limiter as suite;

const KEYS_MAX: usize = 1_000;

fn memory() -> MemoryRateLimiter {
    MemoryRateLimiter::new(KEYS_MAX)
}

fn redis() -> RedisRateLimiter {
    let place = backends::redis();
    let connection = RedisConnection::connect(&place.url, &place.prefix, RedisLimits::default());
    RedisRateLimiter::new(&connection.expect("a Redis URL"))
}

fn without_redis() -> FallbackRateLimiter {
    // Port 1 of loopback: nothing listens there.
    let connection = RedisConnection::connect("redis://127.0.0.1:1/", "t", RedisLimits::default()).unwrap();
    FallbackRateLimiter::new(Arc::new(RedisRateLimiter::new(&connection)), Arc::new(memory()))
}

macro_rules! contract {
    ($($must:ident),+ $(,)?) => {
        contract! { @on memory, $($must),+ }
        contract! { @on redis, $($must),+ }
        contract! { @on without_redis, $($must),+ }
    };
    (@on $adapter:ident, $($must:ident),+) => {
        mod $adapter {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $must() {
                    super::suite::$must(&super::$adapter()).await;
                }
            )+
        }
    };
}

contract! {
    a_window_admits_its_limit,
    a_look_counts_nothing,
    concurrent_hits_keep_the_limit,
    keys_and_rules_stay_apart,
    a_cleared_key_begins_anew,
    a_window_of_the_far_future_is_forgotten,
}

#[tokio::test]
async fn two_instances_share_their_counts_in_redis() {
    let place = backends::redis();
    let connect = || RedisConnection::connect(&place.url, &place.prefix, RedisLimits::default()).unwrap();
    let (near, far) = (RedisRateLimiter::new(&connect()), RedisRateLimiter::new(&connect()));
    let rule = RateRule::new("suite", 3, 60_000);
    for limiter in [&near, &far, &near] {
        assert!(limiter.hit(&rule, "a", START).await.unwrap().allowed);
    }
    assert!(!far.hit(&rule, "a", START).await.unwrap().allowed);
}

#[tokio::test]
async fn somebody_from_very_many_addresses_costs_no_memory_and_resets_nobody_with_a_long_window() {
    let limiter = memory();
    let long = RateRule::new("long", 1, 3_600_000);
    let short = RateRule::new("short", 1, 1_000);
    limiter.hit(&long, "me", START).await.unwrap();
    for address in 0..20_000 {
        limiter.hit(&short, &address.to_string(), START).await.unwrap();
    }
    assert!(!limiter.hit(&long, "me", START).await.unwrap().allowed);
}
