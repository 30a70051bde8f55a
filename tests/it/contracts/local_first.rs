//! Bus and buffer with this instance's own before them: the suites of both ports, on two instances with one Redis.
//!
//! Of the buffer's suite two functions stay out: an owner finds out that another one has taken or closed its reply
//! when it writes, not when it reads.

use std::sync::Arc;
use std::time::Duration;

use adapter_memory::{MemoryBroadcaster, MemoryStreamBuffer};
use adapter_redis::{RedisBroadcaster, RedisConnection, RedisLimits, RedisStreamBuffer};
use chat::ports::{FlushOutcome, StreamBuffer};
use chat::{Lane, LocalFirstBroadcaster, LocalFirstBuffer, local_first};
use kernel::{ManualClock, Timestamp};
use server::system::TrackedTasks;
use tests::backends;
use tests::contract::broadcaster::{self as bus_suite, FRAMES_MAX};
use tests::contract::stream_buffer::{self as buffer_suite, ACCEPTED, flush, reply};
use tokio::runtime::Handle;

type Pair = (LocalFirstBroadcaster, LocalFirstBuffer);

fn instances() -> (Pair, Pair) {
    let place = backends::redis();
    // A machine that runs all tests at once may be slow.
    let limits = RedisLimits { command_deadline: Duration::from_secs(5), ..RedisLimits::default() };
    let redis = RedisConnection::connect(&place.url, &place.prefix, limits).expect("a Redis URL");
    (instance(&redis, 1), instance(&redis, 2))
}

fn instance(redis: &RedisConnection, origin: u8) -> Pair {
    let redis = redis.clone().speaking_as([origin; 16]);
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_790_000_000_000)));
    let bus = MemoryBroadcaster::new(FRAMES_MAX);
    let buffer = MemoryStreamBuffer::new(bus.clone(), clock.clone());
    local_first(
        Lane { broadcaster: Arc::new(bus), buffer: Arc::new(buffer) },
        Lane {
            broadcaster: Arc::new(RedisBroadcaster::start(&redis, FRAMES_MAX)),
            buffer: Arc::new(RedisStreamBuffer::new(&redis)),
        },
        clock,
        Arc::new(TrackedTasks::on(Handle::current())),
    )
}

macro_rules! broadcaster {
    ($($must:ident),* $(,)?) => {
        mod broadcaster {
            $(#[tokio::test]
            async fn $must() {
                let ((near, _), (far, _)) = super::instances();
                super::bus_suite::$must(&near, &far).await;
            })*
        }
    };
}

broadcaster! {
    a_frame_reaches_the_watchers_of_every_instance,
    one_publishers_frames_keep_their_order,
    a_frame_published_right_after_the_watch_began_arrives,
    conversations_stay_apart,
    a_slow_watcher_is_told_that_it_missed_frames,
    watchers_that_come_and_go_do_not_disturb_a_later_one,
}

#[tokio::test]
async fn text_is_here_and_there_and_restored_where_it_was_lost() {
    let ((_, near), (bus, far)) = instances();
    buffer_suite::a_flush_is_appended_and_published(&near, &far, &bus).await;
    let ((_, near), (bus, far)) = instances();
    buffer_suite::a_text_of_another_length_is_restored_by_its_writer(&near, &far, &bus).await;
    let ((_, near), (bus, _)) = instances();
    buffer_suite::an_empty_flush_changes_and_publishes_nothing(&near, &bus).await;
    let ((_, near), _) = instances();
    buffer_suite::a_lost_text_is_restored_by_its_writer(&near).await;
}

#[tokio::test]
async fn a_stop_reaches_the_owner_from_wherever_it_comes() {
    let ((_, near), (_, far)) = instances();
    buffer_suite::a_stop_reaches_the_owner_with_its_next_flush(&near, &far).await;
    let ((_, near), (_, far)) = instances();
    buffer_suite::a_stop_before_the_opening_is_kept(&near, &far).await;
}

#[tokio::test]
async fn an_owner_whose_reply_was_taken_or_closed_elsewhere_finds_out_when_it_writes() {
    let ((_, near), (_, far)) = instances();
    for (n, closes) in [(1, true), (2, false)] {
        let reply = reply(n);
        near.open(reply, 1, "学").await.unwrap();
        assert_eq!(near.flush(&flush(reply, "学", "而")).await.unwrap(), ACCEPTED);
        if closes {
            far.close(reply).await.unwrap();
        } else {
            assert_eq!(far.open(reply, 2, "学而").await.unwrap(), ACCEPTED);
        }
        assert_eq!(near.flush(&flush(reply, "学而", "时")).await.unwrap(), FlushOutcome::Fenced);
        assert_eq!(near.flush(&flush(reply, "学而时", "习")).await.unwrap(), FlushOutcome::Fenced);
        assert_eq!(near.open(reply, 1, "学而").await.unwrap(), FlushOutcome::Fenced);
        let held = near.snapshot(reply).await.unwrap().map(|held| (held.generation, held.text));
        assert_eq!(held, (!closes).then(|| (2, "学而".to_owned())));
    }
}

/// The shared buffer may lose everything at any time: the next flush brings the whole text back.
#[tokio::test]
async fn a_shared_buffer_that_forgot_gets_the_whole_text_again() {
    let place = backends::redis();
    let redis = RedisConnection::connect(&place.url, &place.prefix, RedisLimits::default()).unwrap();
    let ((_, near), (_, far)) = (instance(&redis, 1), instance(&redis, 2));
    near.open(reply(1), 1, "").await.unwrap();
    near.flush(&flush(reply(1), "", "学而")).await.unwrap();
    for part in ["gen", "text"] {
        let mut forget = ::redis::cmd("DEL");
        forget.arg(redis.key(&format!("reply:{{{}}}:{part}", reply(1))));
        let _: i64 = redis.query(&forget).await.unwrap();
    }
    assert_eq!(far.snapshot(reply(1)).await.unwrap(), None);
    assert_eq!(near.flush(&flush(reply(1), "学而", "时习之")).await.unwrap(), ACCEPTED);
    let held = far.snapshot(reply(1)).await.unwrap().map(|held| held.text);
    assert_eq!(held.as_deref(), Some("学而时习之"));
}
