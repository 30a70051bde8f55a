//! Broadcaster: in memory and over both kinds of Redis's channels, with two handles on one bus.

use std::time::{Duration, Instant};

use adapter_memory::MemoryBroadcaster;
use adapter_redis::{Channels, RedisBroadcaster, RedisConnection, RedisLimits};
use chat::ports::{Broadcaster, BusSignal};
use kernel::PortError;
use tests::backends;
use tests::contract::broadcaster::{self as suite, FRAMES_MAX, conversation, frame, next};

fn memory() -> (MemoryBroadcaster, MemoryBroadcaster) {
    let bus = MemoryBroadcaster::new(FRAMES_MAX);
    (bus.clone(), bus)
}

fn connection() -> RedisConnection {
    let place = backends::redis();
    // A machine that runs all tests at once may be slow; how soon an absent Redis is noticed has its own test.
    let limits = RedisLimits { command_deadline: Duration::from_secs(5), ..RedisLimits::default() };
    RedisConnection::connect(&place.url, &place.prefix, limits).expect("a Redis URL")
}

/// Two instances: two subscribing connections.
fn redis(channels: Channels) -> (RedisBroadcaster, RedisBroadcaster) {
    let connection = connection().on_channels(channels);
    (RedisBroadcaster::start(&connection, FRAMES_MAX), RedisBroadcaster::start(&connection, FRAMES_MAX))
}

macro_rules! contract {
    ($($must:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $must() {
                let (near, far) = super::memory();
                super::suite::$must(&near, &far).await;
            })*
        }
        mod redis {
            $(#[tokio::test]
            async fn $must() {
                let (near, far) = super::redis(super::Channels::Plain);
                super::suite::$must(&near, &far).await;
            })*
        }
        mod redis_sharded {
            $(#[tokio::test]
            async fn $must() {
                let (near, far) = super::redis(super::Channels::Sharded);
                super::suite::$must(&near, &far).await;
            })*
        }
    };
}

contract! {
    a_frame_reaches_the_watchers_of_every_instance,
    one_publishers_frames_keep_their_order,
    a_frame_published_right_after_the_watch_began_arrives,
    conversations_stay_apart,
    a_slow_watcher_is_told_that_it_missed_frames,
    watchers_that_come_and_go_do_not_disturb_a_later_one,
}

#[tokio::test]
async fn a_frame_that_nobody_watches_is_no_error_anywhere() {
    suite::a_frame_that_nobody_watches_is_no_error(&memory().0).await;
    suite::a_frame_that_nobody_watches_is_no_error(&redis(Channels::Plain).0).await;
    suite::a_frame_that_nobody_watches_is_no_error(&redis(Channels::Sharded).0).await;
}

#[tokio::test]
async fn the_maps_are_empty_when_the_last_watcher_has_gone() {
    let (bus, _) = memory();
    let (redis, _) = redis(Channels::Plain);
    let watched = conversation("a");
    let first = (bus.subscribe(&watched).await.unwrap(), redis.subscribe(&watched).await.unwrap());
    let second = (bus.subscribe(&watched).await.unwrap(), redis.subscribe(&watched).await.unwrap());
    drop(first);
    assert_eq!((bus.watched_count(), redis.watched_count()), (1, 1));
    drop(second);
    assert_eq!((bus.watched_count(), redis.watched_count()), (0, 0));
}

/// Closes every subscribing connection of the server. Tests beside this one reconnect and hear `Missed`, so it
/// names its own connection alone.
async fn kill_subscriber(connection: &RedisConnection, field_of_count: &str, channels: &str) {
    let mut list = ::redis::cmd("CLIENT");
    list.arg("LIST").arg("TYPE").arg("PUBSUB");
    let clients: String = connection.query(&list).await.unwrap();
    for client in clients.lines() {
        let field =
            |name: &str| client.split(' ').find_map(|field| field.strip_prefix(name)).map(str::to_owned);
        // This test is the only one whose connection carries this many channels.
        if field(field_of_count).as_deref() == Some(channels) {
            let mut kill = ::redis::cmd("CLIENT");
            kill.arg("KILL").arg("ID").arg(field("id=").unwrap());
            let _: i64 = connection.query(&kill).await.unwrap();
        }
    }
}

#[tokio::test]
async fn after_a_broken_connection_every_watcher_hears_missed_and_frames_again() {
    a_broken_connection_is_survived(Channels::Plain, "sub=", 137).await;
}

#[tokio::test]
async fn after_a_broken_connection_every_watcher_of_sharded_channels_hears_missed_and_frames_again() {
    a_broken_connection_is_survived(Channels::Sharded, "ssub=", 139).await;
}

async fn a_broken_connection_is_survived(channels: Channels, field_of_count: &str, watched: usize) {
    let connection = connection().on_channels(channels);
    let bus = RedisBroadcaster::start(&connection, FRAMES_MAX);
    let mut watches = Vec::new();
    for n in 0..watched {
        watches.push(bus.subscribe(&conversation(&format!("c{n}"))).await.unwrap());
    }
    kill_subscriber(&connection, field_of_count, &watched.to_string()).await;
    for signals in &mut watches {
        assert_eq!(next(signals).await, BusSignal::Missed);
    }
    // Once when the connection broke; and a frame after the next one arrives for certain.
    for signals in &mut watches {
        assert_eq!(next(signals).await, BusSignal::Missed);
    }
    for (n, signals) in watches.iter_mut().enumerate() {
        bus.publish(&conversation(&format!("c{n}")), frame("again")).await.unwrap();
        let mut signal = next(signals).await;
        while signal == BusSignal::Missed {
            signal = next(signals).await;
        }
        assert_eq!(signal, BusSignal::Frame(frame("again")));
    }
}

/// How many of this bus's sharded channels Redis knows as watched.
async fn watched_in_redis(connection: &RedisConnection) -> usize {
    let mut list = ::redis::cmd("PUBSUB");
    list.arg("SHARDCHANNELS").arg(connection.key("bus:*"));
    connection.query::<Vec<String>>(&list).await.unwrap().len()
}

#[tokio::test]
async fn a_sharded_channel_is_left_after_its_last_watcher_unless_another_comes() {
    let connection = connection().on_channels(Channels::Sharded);
    let bus = RedisBroadcaster::start(&connection, FRAMES_MAX);
    let left = bus.subscribe(&conversation("left")).await.unwrap();
    let mut again = bus.subscribe(&conversation("again")).await.unwrap();
    assert_eq!(watched_in_redis(&connection).await, 2);
    drop(left);
    // Whoever comes and goes all the time keeps what it watches in the end.
    for _ in 0..50 {
        drop(again);
        again = bus.subscribe(&conversation("again")).await.unwrap();
    }
    let is_left = async {
        while watched_in_redis(&connection).await > 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), is_left).await.expect("redis is told");
    bus.publish(&conversation("again"), frame("still")).await.unwrap();
    assert_eq!(next(&mut again).await, BusSignal::Frame(frame("still")));
}

#[tokio::test]
async fn a_redis_without_sharded_channels_is_told_apart() {
    assert!(connection().on_channels(Channels::Sharded).has_channels().await.unwrap());
    let old = tests::fakes::old_redis::OldRedis::start().await;
    let connection = RedisConnection::connect(&old.url(), "t:", RedisLimits::default()).unwrap();
    assert!(connection.has_channels().await.unwrap());
    assert!(!connection.on_channels(Channels::Sharded).has_channels().await.unwrap());
}

#[tokio::test]
async fn without_redis_both_ways_fail_at_once() {
    // Port 1 of loopback: nothing listens there.
    let connection = RedisConnection::connect("redis://127.0.0.1:1/", "t:", RedisLimits::default()).unwrap();
    let bus = RedisBroadcaster::start(&connection, FRAMES_MAX);
    let began = Instant::now();
    let published = bus.publish(&conversation("a"), frame("one")).await;
    assert!(matches!(published, Err(PortError::Unavailable { .. })));
    let watched = bus.subscribe(&conversation("a")).await;
    assert!(matches!(watched.err(), Some(PortError::Unavailable { .. })));
    assert!(began.elapsed() < Duration::from_secs(2));
    assert_eq!(bus.watched_count(), 0);
}
