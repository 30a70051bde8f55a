//! Order: seqs without a hole and texts without a gap, though frames are lost, doubled and late.

use std::sync::Arc;

use kernel::{ManualClock, Timestamp, TokenUsage};
use tests::backends::{self, Backend};
use tests::fakes::lossy_bus::{LossyBus, Odds};
use tests::fakes::recorder::Recorder;
use tests::house::{House, Live, driven};

use super::{ended, joined, post, reaches, room, settles};
use crate::chat::on_both_databases;

const USAGE: TokenUsage = TokenUsage { prompt: 10, cached: 0, completion: 10, reasoning: 0 };
const BAD: Odds = Odds { lost: 20, twice: 15, late: 25 };

/// Houses on one database make other ids by other seeds.
fn house_with(backend: &Backend, odds: Odds, (seed, ids): (u64, u64)) -> House {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_790_000_000_000)));
    let mut live = Live::in_process(&clock);
    live.lane.broadcaster = Arc::new(LossyBus::new(live.lane.broadcaster, odds, seed));
    House::start(backend, clock, live, ids)
}

on_both_databases!(
    events_and_deltas_arrive_in_order_whatever_the_bus_does,
    an_author_is_told_with_the_message
);

async fn events_and_deltas_arrive_in_order_whatever_the_bus_does(backend: &Backend) {
    let seed = backends::seed();
    for round in 0..3 {
        one_bad_day(backend, (seed.wrapping_add(round), round)).await;
    }
}

/// People talk in a room, and a reply grows in a session; clients come at different times.
async fn one_bad_day(backend: &Backend, seeds: (u64, u64)) {
    let mut house = house_with(backend, BAD, seeds);
    let room = room(&house).await;
    let session = house.session().await;
    let (_feed, early) = joined(&house, &room, Some(0)).await;
    let (_watch, reader) = joined(&house, &session.id, Some(0)).await;
    let asked = house.ask(&session, "问").await.unwrap();
    let call = house.call().await;
    let mut late = None;
    let mut last = 0;
    for n in 0..40 {
        last = post(&house.chat, house.user, &room, &format!("第{n}句𠀀")).await;
        call.say(&format!("{n}𠀀，"));
        house.clock.advance_millis(60);
        if n == 20 {
            late = Some(joined(&house, &room, Some(7)).await);
        }
    }
    call.finish(USAGE);
    let (_handle, late) = late.unwrap();
    reaches(&house, &early, last).await;
    reaches(&house, &late, last).await;
    settles(&house, || ended(&reader) == 1).await;
    assert_eq!(early.seqs(), (1..=last).collect::<Vec<_>>());
    assert_eq!(late.seqs(), (8..=last).collect::<Vec<_>>());
    let said: Vec<_> =
        early.notes().events.iter().map(|event| event.message.clone().unwrap().content).collect();
    assert_eq!(said, (0..40).map(|n| format!("第{n}句𠀀")).collect::<Vec<_>>());
    let stored = house.chat.message(house.user, asked.reply.id).await.unwrap();
    assert_eq!(reader.text(asked.reply.id), stored.content);
}

async fn an_author_is_told_with_the_message(backend: &Backend) {
    // Nothing is lost: the event comes as it was announced. Everything is lost: it is read from the log.
    for lost in [0, 100] {
        let house = house_with(backend, Odds { lost, twice: 0, late: 0 }, (1, lost.into()));
        let room = room(&house).await;
        let (_feed, client) = joined(&house, &room, None).await;
        let seq = post(&house.chat, house.user, &room, "有朋自远方来").await;
        reaches(&house, &client, seq).await;
        let author = client.notes().events[0].author.clone().expect("an author");
        assert_eq!(author.user_id, house.user);
    }
}

#[tokio::test]
async fn a_hole_is_read_after_a_moment_without_any_look_at_the_heads() {
    let backend = backends::sqlite().await;
    let house = House::on(&backend);
    let deaf = house.beside(&backend, Live::in_process(&house.clock));
    let room = room(&house).await;
    let (_feed, client) = joined(&house, &room, Some(0)).await;
    // Two are said where this instance does not hear it; then it hears the third.
    post(&deaf.chat, house.user, &room, "一").await;
    post(&deaf.chat, house.user, &room, "二").await;
    post(&house.chat, house.user, &room, "三").await;
    let all_there = async {
        while client.seqs().len() < 3 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    };
    driven(&house.clock, all_there).await;
    assert_eq!(client.seqs(), [1, 2, 3]);
}

#[tokio::test]
async fn what_was_missed_without_any_sign_is_found_within_ten_seconds() {
    let backend = backends::sqlite().await;
    let house = House::on(&backend);
    let deaf = house.beside(&backend, Live::in_process(&house.clock));
    let room = room(&house).await;
    let (_feed, client) = joined(&house, &room, Some(0)).await;
    house.chat.check_heads().await.unwrap();
    post(&deaf.chat, house.user, &room, "一").await;
    house.clock.advance_millis(9_000);
    assert_eq!(house.chat.check_heads().await.unwrap(), 0);
    house.clock.advance_millis(1_000);
    assert_eq!(house.chat.check_heads().await.unwrap(), 1);
    assert_eq!(client.seqs(), [1]);
}

/// An audience that is slow to say that it has gone delays nobody: it only takes notes, and leaves by its handle.
#[tokio::test]
async fn a_client_that_left_is_told_nothing_more() {
    let backend = backends::sqlite().await;
    let house = House::on(&backend);
    let room = room(&house).await;
    let (stays, client) = joined(&house, &room, Some(0)).await;
    let (goes, gone) = joined(&house, &room, Some(0)).await;
    post(&house.chat, house.user, &room, "一").await;
    reaches(&house, &client, 1).await;
    drop(goes);
    post(&house.chat, house.user, &room, "二").await;
    reaches(&house, &client, 2).await;
    assert_eq!(gone.seqs(), [1]);
    assert_eq!(house.chat.feed_count(), 1);
    drop(stays);
    assert_eq!(house.chat.feed_count(), 0);
    let _: &Recorder = &client;
}
