//! A client that does not read: it is told to come back, and delays nobody.

use serde_json::json;
use tests::app::{Profile, TestApp};

use super::rooms::{room_of, said};
use crate::api::on_both_profiles;

/// More than the systems on both sides take in before anybody reads.
const MESSAGES: u64 = 150;
/// Three bytes each.
const CHARS: usize = 20_000;

async fn who_does_not_read_is_sent_away_and_delays_nobody(profile: Profile) {
    let app = TestApp::with(profile, |config| {
        config.limits.message_chars = 20_000;
        (config.limits.messages_per_minute, config.limits.room_sends_per_second) = (0, 0);
        config.limits.frames_per_second = 0;
    })
    .await;
    let person = app.person("man").await;
    let room = room_of(&person).await;
    let (mut speaker, mut deaf) = (app.socket(&person).await, app.narrow_socket(&person).await);
    let head = speaker.ask("room.join", json!({ "roomId": room })).await["head"].as_u64().unwrap();
    assert_eq!(deaf.ask("room.join", json!({ "roomId": room })).await["event"], "result");
    let content = "学".repeat(CHARS);
    for n in 0..MESSAGES {
        let ack = speaker.ask("room.send", said(&content, &room, &format!("c-{n}"))).await;
        assert_eq!(ack["seq"], head + 1 + n, "{ack}");
        let push = speaker.until("room.event", "message").await;
        assert_eq!(push["seq"], head + 1 + n);
    }
    // What it reads in the end has no hole, and says why there is no more.
    let mut next = head + 1;
    let mut bye = None;
    while let Some(object) = deaf.next().await {
        if object["op"] == "room.event" {
            assert_eq!(object["seq"], next);
            next += 1;
        } else if object["op"] == "bye" {
            bye = Some(object);
        }
    }
    assert!(next < head + 1 + MESSAGES, "it was not slow");
    assert_eq!(bye.expect("a reason")["error"], "slow_consumer");
    assert_eq!(deaf.closed().await.0, Some(4_008));
}

on_both_profiles!(who_does_not_read_is_sent_away_and_delays_nobody);
