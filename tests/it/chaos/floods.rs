//! Too much, and too slow: a flood is refused and then ended, and who never reads delays nobody.

use serde_json::json;
use tests::app::{Profile, TestApp};

use super::guest::{Guest, Scene};
use crate::api::on_both_profiles;

on_both_profiles! {
    a_flood_of_frames_is_refused_and_ended,
    somebody_who_never_reads_is_sent_away_and_delays_nobody,
    the_sixth_connection_replaces_the_first,
}

async fn a_flood_of_frames_is_refused_and_ended(profile: Profile) {
    let app = TestApp::with(profile, |config| {
        (config.limits.frames_per_second, config.limits.frames_burst) = (10, 30);
    });
    let mut scene = Scene::set(app.await).await;
    for _ in 0..60 {
        scene.rogue.wire.send_text("{\"op\":\"ping\"}").await.unwrap();
    }
    let complaint = scene.rogue.complaint().await;
    assert_eq!(complaint["error"], "rate_limited", "{complaint}");
    assert!(complaint["retryAfterMs"].is_u64(), "{complaint}");
    for _ in 0..2_000 {
        // It is closed somewhere on the way.
        if scene.rogue.wire.send_text("{\"op\":\"ping\"}").await.is_err() {
            break;
        }
    }
    let (bye, why) = scene.rogue.until_closed().await;
    if let Some(bye) = bye {
        assert_eq!((bye["code"].as_u64(), why.as_str()), (Some(4_029), "closed 4029"));
    }
    scene.witness_is_well().await;
}

async fn somebody_who_never_reads_is_sent_away_and_delays_nobody(profile: Profile) {
    let app = TestApp::with(profile, |config| {
        config.limits.frames_per_second = 0;
        config.limits.messages_per_minute = 0;
        config.limits.room_sends_per_second = 0;
    });
    let mut scene = Scene::set(app.await).await;
    let content = "静".repeat(1_000);
    // More than kernel buffers and the queue hold together; the rogue reads nothing of it.
    for number in 0..3_000 {
        let data = json!({"roomId": scene.room, "clientMsgId": format!("n-{number}"), "content": content});
        let ack = scene.witness.ask("room.send", &data).await;
        assert_eq!(ack["event"], "ack", "{ack}");
    }
    let (bye, why) = scene.rogue.until_closed().await;
    // The farewell may be behind what the kernel could not deliver any more.
    assert!(bye.is_none_or(|bye| bye["error"] == "slow_consumer"), "{why}");
    // It comes back and is told to page, instead of being sent everything at once.
    let mut again = Guest::open(&scene.app, scene.rogue.person.clone()).await;
    let joined = again.ask("room.join", &json!({"roomId": scene.room, "since": 0})).await;
    assert_eq!(joined["more"], true);
    assert!(joined["events"].as_array().is_some_and(|events| events.len() <= 300));
    assert!(joined.to_string().len() <= 300 << 10, "a page has a size");
}

async fn the_sixth_connection_replaces_the_first(profile: Profile) {
    let app = TestApp::with(profile, |config| config.limits.connections_per_user = 5);
    let mut scene = Scene::set(app.await).await;
    let mut others = Vec::new();
    for _ in 0..5 {
        others.push(Guest::open(&scene.app, scene.rogue.person.clone()).await);
    }
    let (bye, why) = scene.rogue.until_closed().await;
    assert_eq!((bye.unwrap()["error"].as_str(), why.as_str()), (Some("replaced"), "closed 4010"));
    for other in &mut others {
        assert_eq!(other.ask("ping", &json!({})).await["event"], "pong");
    }
    scene.witness_is_well().await;
}
