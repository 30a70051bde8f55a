//! Joining: what a client has missed, whole or not at all.

use std::sync::Arc;

use chat::feed::ClientPlace;
use chat::{ChatError, ConversationId};
use kernel::TokenUsage;
use sea_orm::ConnectionTrait;
use tests::backends::Backend;
use tests::fakes::recorder::Recorder;
use tests::house::{House, Live, driven};

use super::{ended, joined, post, reaches, room, settles};
use crate::chat::on_both_databases;

const USAGE: TokenUsage = TokenUsage { prompt: 10, cached: 0, completion: 10, reasoning: 0 };

on_both_databases!(
    a_join_in_mid_answer_has_the_text_so_far_and_then_the_rest,
    a_place_ahead_of_the_feed_makes_it_catch_up,
    a_place_that_is_none_of_this_log_begins_anew,
    what_does_not_fit_is_more,
    a_log_that_was_restored_sends_everybody_to_join_again,
);

async fn a_join_in_mid_answer_has_the_text_so_far_and_then_the_rest(backend: &Backend) {
    let mut house = House::on(backend);
    // A second instance, whose feed begins and joins while the text grows.
    let other = house.second(backend);
    let session = house.session().await;
    let asked = house.ask(&session, "问").await.unwrap();
    let call = house.call().await;
    let mut clients = Vec::new();
    for n in 0..30 {
        call.say(&format!("{n}学𠀀而"));
        driven(&house.clock, tokio::task::yield_now()).await;
        house.clock.advance_millis(60);
        if n % 5 == 0 {
            clients.push(joined(&house, &session.id, None).await);
            clients.push(joined(&other, &session.id, Some(0)).await);
        }
    }
    call.finish(USAGE);
    for (_, client) in &clients {
        settles(&house, || ended(client) == 1).await;
    }
    let stored = house.chat.message(house.user, asked.reply.id).await.unwrap();
    for (feed, client) in &clients {
        assert_eq!(client.text(asked.reply.id), stored.content);
        assert!(feed.position().streams.is_empty());
        assert_eq!(feed.growing(asked.reply.id), None);
    }
}

async fn a_place_ahead_of_the_feed_makes_it_catch_up(backend: &Backend) {
    let house = House::on(backend);
    let deaf = house.beside(backend, Live::in_process(&house.clock));
    let room = room(&house).await;
    let (feed, client) = joined(&house, &room, Some(0)).await;
    for text in ["一", "二", "三"] {
        post(&deaf.chat, house.user, &room, text).await;
    }
    // The client was on the other instance, and comes to this one, which has not heard of it.
    let place = ClientPlace { since: Some(3), epoch: Some(feed.position().epoch) };
    let recovery = house.chat.recover(&feed, &place).await.unwrap();
    assert!(!recovery.reset && recovery.events.is_empty());
    assert_eq!(recovery.head, 3);
    assert_eq!(client.seqs(), [1, 2, 3]);
    let since_two = ClientPlace { since: Some(2), ..ClientPlace::default() };
    let recovery = house.chat.recover(&feed, &since_two).await.unwrap();
    assert_eq!(recovery.events.iter().map(|event| event.seq).collect::<Vec<_>>(), [3]);
    assert!(recovery.events[0].author.is_some());
}

async fn a_place_that_is_none_of_this_log_begins_anew(backend: &Backend) {
    let house = House::on(backend);
    let room = room(&house).await;
    let (feed, client) = joined(&house, &room, Some(0)).await;
    post(&house.chat, house.user, &room, "一").await;
    reaches(&house, &client, 1).await;
    for place in [
        ClientPlace { since: Some(2), epoch: None },
        ClientPlace { since: Some(0), epoch: Some("another".to_owned()) },
        ClientPlace { since: None, epoch: Some("another".to_owned()) },
    ] {
        let recovery = house.chat.recover(&feed, &place).await.unwrap();
        assert!(recovery.reset && recovery.events.is_empty() && !recovery.more);
        assert_eq!(recovery.head, 1);
    }
    let unknown: ConversationId = "nowhere".parse().unwrap();
    let found = house.chat.feed(&unknown, Recorder::new()).await;
    assert!(matches!(found.err(), Some(ChatError::NotFound)));
    assert_eq!(house.chat.feed_count(), 1);
}

async fn what_does_not_fit_is_more(backend: &Backend) {
    let house = Arc::new(House::on(backend));
    let room = room(&house).await;
    for round in 0..31 {
        let ten = (0..10).map(|n| {
            let (house, room) = (house.clone(), room.clone());
            async move { post(&house.chat, house.user, &room, &format!("{round}.{n}")).await }
        });
        futures::future::join_all(ten).await;
    }
    let feed = house.chat.feed(&room, Recorder::new()).await.unwrap();
    let recovery = |since| {
        let place = ClientPlace { since: Some(since), epoch: None };
        let (house, feed) = (&house, &feed);
        async move { house.chat.recover(feed, &place).await.unwrap() }
    };
    let seqs = |events: &[chat::event::Event]| events.iter().map(|event| event.seq).collect::<Vec<_>>();
    let from_start = recovery(0).await;
    assert!(from_start.more && !from_start.reset);
    assert_eq!((from_start.head, seqs(&from_start.events)), (310, (1..=300).collect()));
    let just_so = recovery(10).await;
    assert!(!just_so.more);
    assert_eq!(seqs(&just_so.events), (11..=310).collect::<Vec<_>>());
    let page = house.chat.events(&room, 300, 1_000).await.unwrap();
    assert_eq!(seqs(&page), (301..=310).collect::<Vec<_>>());
}

async fn a_log_that_was_restored_sends_everybody_to_join_again(backend: &Backend) {
    let house = House::on(backend);
    let room = room(&house).await;
    let (feed, client) = joined(&house, &room, Some(0)).await;
    let database = sea_orm::Database::connect(&backend.url).await.unwrap();
    let sql = format!("UPDATE conversations SET epoch = 'restored' WHERE id = '{room}'");
    database.execute_unprepared(&sql).await.unwrap();
    settles(&house, || client.notes().resets == 1).await;
    assert_eq!(feed.position().epoch, "restored");
    let sql = format!("DELETE FROM conversations WHERE id = '{room}'");
    database.execute_unprepared(&sql).await.unwrap();
    settles(&house, || client.notes().resets == 2).await;
    house.clock.advance_millis(20_000);
    house.chat.check_heads().await.unwrap();
    assert_eq!(client.notes().resets, 2);
}
