//! What is another's, what is not there, and places and generations that were made up.

use serde_json::json;
use tests::app::{Profile, TestApp};

use super::guest::{Guest, Scene, private_room};
use crate::api::on_both_profiles;

on_both_profiles! {
    what_is_anothers_looks_like_what_is_not_there,
    a_forged_place_begins_anew_and_never_looks_whole,
    a_forged_generation_stops_nothing,
    a_sync_gives_no_more_than_a_page,
    messages_of_others_cannot_be_taken_back,
    somebody_who_left_hears_nothing_more,
}

async fn scene(profile: Profile) -> Scene {
    Scene::set(TestApp::start(profile).await).await
}

async fn what_is_anothers_looks_like_what_is_not_there(profile: Profile) {
    let mut scene = scene(profile).await;
    let session = scene.witness.person.session().await;
    let room = private_room(&scene.witness.person).await;
    let unknown = "0193d5c8-5f1e-7abc-8def-0123456789ab".to_owned();
    for id in [session, room, unknown, "no_such_room".to_owned()] {
        for (op, data) in [
            ("room.join", json!({ "roomId": id })),
            ("room.send", json!({"roomId": id, "clientMsgId": "a", "content": "x"})),
        ] {
            assert_eq!(scene.rogue.refused(op, &data).await, "not_found", "{op} {data}");
        }
        // The connection has to be in the room; the answer tells nothing about the room.
        let sync = json!({"roomId": id, "from": 1, "to": 2});
        assert_eq!(scene.rogue.refused("room.sync", &sync).await, "membership_required", "{sync}");
    }
    for id in ["../../etc/passwd", "a b", "", &"x".repeat(65), "房"] {
        let error = scene.rogue.refused("room.join", &json!({ "roomId": id })).await;
        assert!(["not_found", "validation_failed"].contains(&error.as_str()), "{id}: {error}");
    }
    scene.witness_is_well().await;
}

async fn a_forged_place_begins_anew_and_never_looks_whole(profile: Profile) {
    let mut scene = scene(profile).await;
    scene.witness_is_well().await;
    let head = scene.rogue.ask("room.join", &json!({ "roomId": scene.room })).await["head"].as_u64().unwrap();
    for place in [
        json!({"roomId": scene.room, "since": head + 1}),
        json!({"roomId": scene.room, "since": u64::MAX}),
        json!({"roomId": scene.room, "since": 0, "epoch": "forged"}),
    ] {
        let joined = scene.rogue.ask("room.join", &place).await;
        assert_eq!((&joined["reset"], &joined["events"]), (&json!(true), &json!([])), "{place}");
    }
    let live = json!({"0193d5c8-5f1e-7abc-8def-0123456789ab": [9, 1_000_000], "not-an-id": [1, 1]});
    let place = json!({"roomId": scene.room, "since": 0, "live": live});
    let joined = scene.rogue.ask("room.join", &place).await;
    assert!(joined["event"] == "result" || joined["error"] == "validation_failed", "{joined}");
    scene.witness_is_well().await;
}

async fn a_forged_generation_stops_nothing(profile: Profile) {
    let mut scene = scene(profile).await;
    let unknown = "0193d5c8-5f1e-7abc-8def-0123456789ab";
    for data in [
        json!({"roomId": scene.room, "messageId": unknown, "gen": 1}),
        json!({"roomId": scene.room, "messageId": unknown, "gen": u32::MAX}),
        json!({"roomId": scene.room, "clientMsgId": "never sent"}),
    ] {
        assert_eq!(scene.rogue.refused("room.stop", &data).await, "not_found", "{data}");
    }
    scene.witness_is_well().await;
}

async fn a_sync_gives_no_more_than_a_page(profile: Profile) {
    let mut scene = scene(profile).await;
    scene.witness_is_well().await;
    let all = json!({"roomId": scene.room, "from": 1, "to": u32::MAX});
    let synced = scene.rogue.ask("room.sync", &all).await;
    assert!(synced["events"].as_array().is_some_and(|events| events.len() <= 300), "{synced}");
    let backwards = json!({"roomId": scene.room, "from": 9, "to": 2});
    let answer = scene.rogue.ask("room.sync", &backwards).await;
    assert!(answer["error"] == "validation_failed" || answer["events"] == json!([]), "{answer}");
    scene.witness_is_well().await;
}

async fn messages_of_others_cannot_be_taken_back(profile: Profile) {
    let mut scene = scene(profile).await;
    let data = json!({"roomId": scene.room, "clientMsgId": "mine", "content": "我的"});
    let message = scene.witness.ask("room.send", &data).await["messageId"].clone();
    let recall = json!({"roomId": scene.room, "messageId": message});
    assert_eq!(scene.rogue.refused("room.recall", &recall).await, "forbidden");
    // The same id of another sender is another message.
    let same = json!({"roomId": scene.room, "clientMsgId": "mine", "content": "也是我的"});
    let ack = scene.rogue.ask("room.send", &same).await;
    assert!(ack["event"] == "ack" && ack["messageId"] != message, "{ack}");
    scene.witness_is_well().await;
}

async fn somebody_who_left_hears_nothing_more(profile: Profile) {
    let mut scene = scene(profile).await;
    let left = scene.rogue.person.post(&format!("/api/rooms/{}/leave", scene.room), &json!({})).await;
    assert_eq!(left.status, 200, "{}", left.text);
    scene.witness_is_well().await;
    let data = json!({"roomId": scene.room, "clientMsgId": "late", "content": "x"});
    let error = scene.rogue.refused("room.send", &data).await;
    assert!(["membership_required", "not_found"].contains(&error.as_str()), "{error}");
    scene.witness_is_well().await;
    // Whatever the socket still gets, it is nothing that was said after the end of the membership.
    let mut again = Guest::open(&scene.app, scene.rogue.person.clone()).await;
    let refused = again.refused("room.join", &json!({ "roomId": scene.room })).await;
    assert!(["membership_required", "not_found"].contains(&refused.as_str()), "{refused}");
}
