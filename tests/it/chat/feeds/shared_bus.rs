//! Several instances on one Redis, which may stand still or be gone.

use std::sync::Arc;
use std::time::Duration;

use adapter_memory::{MemoryBroadcaster, MemoryStreamBuffer};
use adapter_redis::{RedisBroadcaster, RedisConnection, RedisLimits, RedisPresence, RedisStreamBuffer};
use chat::event::Frame;
use chat::ports::BusSignal;
use chat::{EndReason, Lane, StopState, local_first};
use futures::{FutureExt, StreamExt};
use kernel::{ManualClock, Timestamp, TokenUsage};
use server::system::TrackedTasks;
use tests::backends::{self, Backend};
use tests::chaos::services::PrivateRedis;
use tests::fakes::lossy_bus::{LossyBus, Odds};
use tests::house::{House, Live, driven};
use tokio::runtime::Handle;

use super::{ended, joined, post, reaches, room, settles};
use crate::chat::on_both_databases;

const USAGE: TokenUsage = TokenUsage { prompt: 10, cached: 0, completion: 10, reasoning: 0 };
const FRAMES_MAX: usize = 256;

/// One process, and what of it can be looked at.
struct Instance {
    house: House,
    local: MemoryBroadcaster,
    remote: RedisBroadcaster,
    tasks: TrackedTasks,
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(Timestamp::from_millis(1_790_000_000_000)))
}

fn instance(
    backend: &Backend,
    clock: &Arc<ManualClock>,
    redis: &RedisConnection,
    n: u8,
    odds: Odds,
) -> Instance {
    let redis = redis.clone().speaking_as([n; 16]);
    let tasks = TrackedTasks::on(Handle::current());
    let local = MemoryBroadcaster::new(FRAMES_MAX);
    let remote = RedisBroadcaster::start(&redis, FRAMES_MAX);
    let buffer = MemoryStreamBuffer::new(local.clone(), clock.clone());
    let (broadcaster, buffer) = local_first(
        Lane { broadcaster: Arc::new(local.clone()), buffer: Arc::new(buffer) },
        Lane { broadcaster: Arc::new(remote.clone()), buffer: Arc::new(RedisStreamBuffer::new(&redis)) },
        clock.clone(),
        Arc::new(tasks.clone()),
    );
    let bus = LossyBus::new(Arc::new(broadcaster), odds, n.into());
    let lane = Lane { broadcaster: Arc::new(bus), buffer: Arc::new(buffer) };
    let live = Live { lane, presence: Arc::new(RedisPresence::new(&redis)) };
    let mut house = House::start(backend, clock.clone(), live, n.into());
    house.user = "00000000-0000-7000-8000-0000000000aa".parse().unwrap();
    Instance { house, local, remote, tasks }
}

const GOOD: Odds = Odds { lost: 0, twice: 0, late: 0 };
const BAD: Odds = Odds { lost: 20, twice: 20, late: 20 };

fn shared() -> RedisConnection {
    let place = backends::redis();
    let limits = RedisLimits { command_deadline: Duration::from_secs(5), ..RedisLimits::default() };
    RedisConnection::connect(&place.url, &place.prefix, limits).unwrap()
}

on_both_databases!(
    clients_of_two_instances_hear_the_same_though_frames_are_lost,
    a_stop_on_another_instance_reaches_the_owner,
);

async fn clients_of_two_instances_hear_the_same_though_frames_are_lost(backend: &Backend) {
    let (clock, redis) = (clock(), shared());
    let mut here = instance(backend, &clock, &redis, 1, BAD);
    let there = instance(backend, &clock, &redis, 2, BAD);
    let room = room(&here.house).await;
    let session = here.house.session().await;
    let near = joined(&here.house, &room, Some(0)).await;
    let far = joined(&there.house, &room, Some(0)).await;
    let reader = joined(&there.house, &session.id, None).await;
    let asked = here.house.ask(&session, "问").await.unwrap();
    let call = here.house.call().await;
    let mut last = 0;
    for n in 0..30 {
        let speaker = if n % 2 == 0 { &here } else { &there };
        last = post(&speaker.house.chat, here.house.user, &room, &format!("{n}")).await;
        call.say(&format!("{n}𠀀"));
        clock.advance_millis(60);
    }
    call.finish(USAGE);
    reaches(&here.house, &near.1, last).await;
    reaches(&there.house, &far.1, last).await;
    settles(&there.house, || ended(&reader.1) == 1).await;
    let stored = here.house.chat.message(here.house.user, asked.reply.id).await.unwrap();
    assert_eq!(reader.1.text(asked.reply.id), stored.content);
    for client in [&near.1, &far.1] {
        assert_eq!(client.seqs(), (1..=last).collect::<Vec<_>>());
    }
    drop((near, far, reader));
    for instance in [&here, &there] {
        let is_empty = || (instance.local.watched_count(), instance.remote.watched_count()) == (0, 0);
        settles(&instance.house, is_empty).await;
        assert_eq!(instance.house.chat.feed_count(), 0);
        assert!(driven(&clock, instance.tasks.finish(Duration::from_secs(20))).await);
    }
}

async fn a_stop_on_another_instance_reaches_the_owner(backend: &Backend) {
    let (clock, redis) = (clock(), shared());
    let mut here = instance(backend, &clock, &redis, 1, GOOD);
    let there = instance(backend, &clock, &redis, 2, GOOD);
    let session = here.house.session().await;
    let asked = here.house.ask(&session, "问").await.unwrap();
    let call = here.house.call().await;
    call.say("学而");
    let watch = joined(&there.house, &session.id, Some(0)).await;
    let stopped = driven(&clock, there.house.chat.stop(here.house.user, asked.reply.id)).await.unwrap();
    assert!(matches!(stopped, StopState::Stopped | StopState::Stopping));
    settles(&there.house, || ended(&watch.1) == 1).await;
    let stored = there.house.chat.message(here.house.user, asked.reply.id).await.unwrap();
    assert_eq!(stored.why, Some(EndReason::Stopped));
    assert_eq!(watch.1.text(asked.reply.id), stored.content);
}

#[tokio::test]
async fn a_frame_comes_once_from_its_own_instance_and_once_from_another() {
    let backend = backends::sqlite().await;
    let (clock, redis) = (clock(), shared());
    let here = instance(&backend, &clock, &redis, 1, GOOD);
    let there = instance(&backend, &clock, &redis, 2, GOOD);
    let room = "a".parse().unwrap();
    let frame = |n: u64| Arc::new(Frame::Read { user_id: here.house.user, seq: n });
    let (near, far) = (&here.house.live.lane.broadcaster, &there.house.live.lane.broadcaster);
    let mut watches = [near.subscribe(&room).await.unwrap(), far.subscribe(&room).await.unwrap()];
    for n in 0..50 {
        near.publish(&room, frame(n)).await.unwrap();
    }
    for signals in &mut watches {
        for n in 0..50 {
            let signal = driven(&clock, signals.next()).await;
            assert_eq!(signal, Some(BusSignal::Frame(frame(n))));
        }
    }
    // What the other one says last comes after all echoes there may be.
    far.publish(&room, frame(99)).await.unwrap();
    for signals in &mut watches {
        assert_eq!(driven(&clock, signals.next()).await, Some(BusSignal::Frame(frame(99))));
        assert_eq!(signals.next().now_or_never(), None);
    }
}

/// What Redis suffers, and how it recovers.
#[derive(Clone, Copy)]
enum Outage {
    Paused,
    Gone,
}

async fn goes_on_without_redis(outage: Outage) {
    let backend = backends::sqlite().await;
    let mut server = PrivateRedis::start();
    let redis = RedisConnection::connect(&server.url(), "t", RedisLimits::default()).unwrap();
    let clock = clock();
    let mut here = instance(&backend, &clock, &redis, 1, GOOD);
    let there = instance(&backend, &clock, &redis, 2, GOOD);
    let room = room(&here.house).await;
    let session = here.house.session().await;
    let near = joined(&here.house, &room, Some(0)).await;
    let far = joined(&there.house, &room, Some(0)).await;
    let (reader, far_reader) =
        (joined(&here.house, &session.id, None).await, joined(&there.house, &session.id, None).await);
    let asked = here.house.ask(&session, "问").await.unwrap();
    let call = here.house.call().await;
    post(&here.house.chat, here.house.user, &room, "一").await;
    reaches(&there.house, &far.1, 1).await;
    match outage {
        Outage::Paused => server.pause(),
        Outage::Gone => server.stop(),
    }
    for text in ["二", "三"] {
        post(&here.house.chat, here.house.user, &room, text).await;
        call.say(text);
        clock.advance_millis(3_000);
    }
    // This instance hears of it by itself, the other one reads the database; who comes now is served as well.
    let client = near.1.clone();
    driven(&clock, async {
        while client.seqs().len() < 3 || reader.1.text(asked.reply.id) != "二三" {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    reaches(&there.house, &far.1, 3).await;
    settles(&there.house, || far_reader.1.text(asked.reply.id) == "二三").await;
    let late = joined(&there.house, &room, Some(0)).await;
    assert_eq!(late.1.seqs(), [1, 2, 3]);
    match outage {
        Outage::Paused => server.resume(),
        Outage::Gone => server.restart(),
    }
    // With Redis back, a stop over there reaches the owner here again.
    driven(&clock, async {
        while there.house.chat.stop(here.house.user, asked.reply.id).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    settles(&there.house, || ended(&far_reader.1) == 1).await;
    post(&there.house.chat, here.house.user, &room, "四").await;
    reaches(&here.house, &near.1, 4).await;
    reaches(&there.house, &late.1, 4).await;
    assert_eq!(near.1.seqs(), [1, 2, 3, 4]);
}

#[tokio::test]
async fn chat_goes_on_while_redis_stands_still() {
    goes_on_without_redis(Outage::Paused).await;
}

#[tokio::test]
async fn chat_goes_on_while_redis_is_gone() {
    goes_on_without_redis(Outage::Gone).await;
}
