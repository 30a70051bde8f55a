//! News of ended sessions: in memory and over Redis, with two handles on one bus.

use adapter_memory::MemoryRevocationFeed;
use adapter_redis::{RedisConnection, RedisLimits, RedisRevocationFeed};
use auth::ports::{RevocationFeed, RevocationSignal};
use futures::StreamExt;
use kernel::PortError;
use tests::backends;
use tests::contract::people::ids;
use tests::contract::revocation_feed::{self as suite, SIGNALS_MAX};

fn connection() -> RedisConnection {
    let place = backends::redis();
    RedisConnection::connect(&place.url, &place.prefix, RedisLimits::default()).expect("a Redis URL")
}

macro_rules! contract {
    ($($must:ident),+ $(,)?) => {
        mod memory {
            $(
                #[tokio::test]
                async fn $must() {
                    let feed = super::MemoryRevocationFeed::new(super::SIGNALS_MAX);
                    super::suite::$must(&feed, &feed).await;
                }
            )+
        }
        mod redis {
            $(
                #[tokio::test]
                async fn $must() {
                    let connection = super::connection();
                    let (near, far) =
                        [(); 2].map(|()| super::RedisRevocationFeed::new(&connection)).into();
                    super::suite::$must(&near, &far).await;
                }
            )+
        }
    };
}

contract! {
    an_ended_session_is_heard_on_every_instance,
    listening_begins_when_it_is_asked_for,
    many_sessions_at_once_lose_nothing_silently,
}

#[tokio::test]
async fn a_listener_that_falls_behind_in_memory_is_told_so() {
    let feed = MemoryRevocationFeed::new(2);
    let mut signals = feed.subscribe().await.unwrap();
    let ids = ids();
    feed.announce(&[ids.next(), ids.next(), ids.next()]).await.unwrap();
    assert_eq!(signals.next().await, Some(RevocationSignal::Missed));
}

#[tokio::test]
async fn without_redis_both_ways_fail_at_once() {
    // Port 1 of loopback: nothing listens there.
    let connection = RedisConnection::connect("redis://127.0.0.1:1/", "t", RedisLimits::default()).unwrap();
    let feed = RedisRevocationFeed::new(&connection);
    assert!(matches!(feed.announce(&[ids().next()]).await, Err(PortError::Unavailable { .. })));
    assert!(matches!(feed.subscribe().await.err(), Some(PortError::Unavailable { .. })));
}

#[tokio::test]
async fn a_broken_connection_ends_the_stream() {
    let connection = connection();
    let feed = RedisRevocationFeed::new(&connection);
    let mut signals = feed.subscribe().await.unwrap();
    let mut name = ::redis::cmd("PUBSUB");
    name.arg("NUMSUB").arg(connection.key("revoked"));
    let (_, listeners): (String, u32) = connection.query(&name).await.unwrap();
    assert_eq!(listeners, 1);
    drop_subscribers_of(&connection).await;
    assert_eq!(signals.next().await, None);
}

/// Ends the connections that listen to one channel each; a listener of another test hears of it and goes on.
async fn drop_subscribers_of(connection: &RedisConnection) {
    let mut list = ::redis::cmd("CLIENT");
    list.arg("LIST").arg("TYPE").arg("PUBSUB");
    let clients: String = connection.query(&list).await.unwrap();
    let newest = clients.lines().filter(|client| client.contains(" sub=1 ")).filter_map(|client| {
        client.split(' ').find_map(|field| field.strip_prefix("id=")).and_then(|id| id.parse::<u64>().ok())
    });
    let mut kill = ::redis::cmd("CLIENT");
    kill.arg("KILL").arg("ID").arg(newest.max().unwrap());
    let _: i64 = connection.query(&kill).await.unwrap();
}
