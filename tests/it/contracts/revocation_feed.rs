//! News of ended sessions: in memory and over Redis, with two handles on one bus.

use std::time::Duration;

use adapter_memory::MemoryRevocationFeed;
use adapter_redis::{RedisConnection, RedisLimits, RedisRevocationFeed};
use auth::ports::{RevocationFeed, RevocationSignal};
use futures::StreamExt;
use kernel::PortError;
use tests::backends;
use tests::contract::people::ids;
use tests::contract::revocation_feed::{self as suite, SIGNALS_MAX};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

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

/// Carries one connection at a time to Redis, until the returned task is aborted.
async fn relay(redis: &str) -> (String, AbortHandle) {
    let redis = redis.trim_start_matches("redis://").trim_end_matches('/').to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}/", listener.local_addr().unwrap());
    #[expect(clippy::disallowed_methods, reason = "the relay's own task, which the test ends")]
    let task = tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut server = TcpStream::connect(&redis).await.unwrap();
            let _ = copy_bidirectional(&mut client, &mut server).await;
        }
    });
    (url, task.abort_handle())
}

#[tokio::test]
async fn a_broken_connection_ends_the_stream_and_the_next_one_hears_again() {
    let place = backends::redis();
    let (url, cable) = relay(&place.url).await;
    let behind = |url: &str| RedisConnection::connect(url, &place.prefix, RedisLimits::default()).unwrap();
    let mut signals = RedisRevocationFeed::new(&behind(&url)).subscribe().await.unwrap();
    cable.abort();
    let ended = tokio::time::timeout(Duration::from_secs(10), signals.next()).await;
    assert_eq!(ended, Ok(None));
    let feed = RedisRevocationFeed::new(&behind(&place.url));
    let mut signals = feed.subscribe().await.unwrap();
    let session = ids().next();
    feed.announce(&[session]).await.unwrap();
    assert_eq!(signals.next().await, Some(RevocationSignal::Ended(session)));
}
