//! StreamBuffer: in memory and in Redis, with two handles on one store.

use std::sync::Arc;
use std::time::{Duration, Instant};

use adapter_memory::{MemoryBroadcaster, MemoryStreamBuffer};
use adapter_redis::{Channels, RedisBroadcaster, RedisConnection, RedisLimits, RedisStreamBuffer};
use chat::ports::{FlushOutcome, StreamBuffer};
use kernel::{ManualClock, PortError, Timestamp};
use tests::backends;
use tests::contract::stream_buffer::{self as suite, ACCEPTED, flush, reply};

const FRAMES_MAX: usize = 16;

/// Two instances' buffers and the bus on which both publish.
struct Parts<Buffer, Bus> {
    near: Buffer,
    far: Buffer,
    bus: Bus,
}

fn memory() -> Parts<MemoryStreamBuffer, MemoryBroadcaster> {
    let bus = MemoryBroadcaster::new(FRAMES_MAX);
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_790_000_000_000)));
    let buffer = MemoryStreamBuffer::new(bus.clone(), clock);
    Parts { near: buffer.clone(), far: buffer, bus }
}

fn connection() -> RedisConnection {
    let place = backends::redis();
    // A machine that runs all tests at once may be slow; how soon an absent Redis is noticed has its own test.
    let limits = RedisLimits { command_deadline: Duration::from_secs(5), ..RedisLimits::default() };
    RedisConnection::connect(&place.url, &place.prefix, limits).expect("a Redis URL")
}

fn redis(channels: Channels) -> Parts<RedisStreamBuffer, RedisBroadcaster> {
    let connection = connection().on_channels(channels);
    let bus = RedisBroadcaster::start(&connection, FRAMES_MAX);
    Parts { near: RedisStreamBuffer::new(&connection), far: RedisStreamBuffer::new(&connection), bus }
}

macro_rules! contract {
    ($($must:ident($($part:ident),*)),* $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $must() {
                let parts = super::memory();
                super::suite::$must($(&parts.$part),*).await;
            })*
        }
        mod redis {
            $(#[tokio::test]
            async fn $must() {
                let parts = super::redis(super::Channels::Plain);
                super::suite::$must($(&parts.$part),*).await;
            })*
        }
        mod redis_sharded {
            $(#[tokio::test]
            async fn $must() {
                let parts = super::redis(super::Channels::Sharded);
                super::suite::$must($(&parts.$part),*).await;
            })*
        }
    };
}

contract! {
    a_flush_is_appended_and_published(near, far, bus),
    an_empty_flush_changes_and_publishes_nothing(near, bus),
    a_text_of_another_length_is_restored_by_its_writer(near, far, bus),
    a_lost_text_is_restored_by_its_writer(near),
    a_lower_generation_is_fenced(near, far),
    nothing_is_written_after_the_close(near, far),
    a_stop_reaches_the_owner_with_its_next_flush(near, far),
    a_stop_before_the_opening_is_kept(near, far),
}

#[tokio::test]
async fn every_key_in_redis_expires() {
    let connection = connection();
    let buffer = RedisStreamBuffer::new(&connection);
    assert_eq!(buffer.open(reply(1), 1, "").await.unwrap(), ACCEPTED);
    assert_eq!(buffer.flush(&flush(reply(1), "", "学而")).await.unwrap(), ACCEPTED);
    buffer.request_stop(reply(1)).await.unwrap();
    buffer.close(reply(2)).await.unwrap();
    let keys: Vec<String> = connection.query(::redis::cmd("KEYS").arg(connection.key("*"))).await.unwrap();
    assert_eq!(keys.len(), 4, "{keys:?}");
    for key in keys {
        let left: i64 = connection.query(::redis::cmd("PTTL").arg(&key)).await.unwrap();
        assert!((1..=600_000).contains(&left), "{key} lives {left} ms");
    }
}

#[tokio::test]
async fn a_redis_that_lost_its_data_and_scripts_is_repaired_by_the_writer() {
    let connection = connection();
    let buffer = RedisStreamBuffer::new(&connection);
    buffer.open(reply(1), 1, "").await.unwrap();
    buffer.flush(&flush(reply(1), "", "学")).await.unwrap();
    let keys: Vec<String> = connection.query(::redis::cmd("KEYS").arg(connection.key("*"))).await.unwrap();
    let _: i64 = connection.query(::redis::cmd("DEL").arg(keys)).await.unwrap();
    let _: String = connection.query(::redis::cmd("SCRIPT").arg("FLUSH")).await.unwrap();
    assert_eq!(buffer.flush(&flush(reply(1), "学", "而")).await.unwrap(), FlushOutcome::Diverged);
    assert_eq!(buffer.open(reply(1), 1, "学").await.unwrap(), ACCEPTED);
    assert_eq!(buffer.flush(&flush(reply(1), "学", "而")).await.unwrap(), ACCEPTED);
}

#[tokio::test]
async fn without_redis_a_flush_fails_at_once() {
    // Port 1 of loopback: nothing listens there.
    let connection = RedisConnection::connect("redis://127.0.0.1:1/", "t:", RedisLimits::default()).unwrap();
    let buffer = RedisStreamBuffer::new(&connection);
    let began = Instant::now();
    let flushed = buffer.flush(&flush(reply(1), "", "学")).await;
    assert!(matches!(flushed, Err(PortError::Unavailable { .. })));
    assert!(began.elapsed() < Duration::from_secs(1));
}
