//! Frames that no honest client sends: each is told what is wrong, and the others in the room never notice.

use serde_json::{Value, json};
use tests::app::{Profile, TestApp};
use tokio_tungstenite::tungstenite::Message;

use super::guest::Scene;
use crate::api::on_both_profiles;

on_both_profiles! {
    frames_that_are_no_json_are_told_and_the_tenth_ends_the_socket,
    a_good_frame_between_bad_ones_begins_the_count_anew,
    unknown_ops_and_shapes_are_refused_and_unknown_fields_are_not,
    values_of_wrong_types_are_refused_op_by_op,
    texts_that_are_no_texts_are_refused,
    a_frame_over_the_limit_ends_the_socket_and_nobody_elses,
    frames_of_other_kinds_harm_nobody,
}

async fn scene(profile: Profile) -> Scene {
    Scene::set(TestApp::start(profile).await).await
}

async fn frames_that_are_no_json_are_told_and_the_tenth_ends_the_socket(profile: Profile) {
    let mut scene = scene(profile).await;
    for bad in [
        "",
        "{",
        "nothing",
        "{\"op\":\"ping\"",
        "{'op':'ping'}",
        "\u{0}",
        "{\"op\":\"ping\"}}",
        "[1",
        "\"",
        "}",
    ] {
        scene.rogue.wire.send_text(bad).await.unwrap();
    }
    let complaint = scene.rogue.complaint().await;
    assert_eq!((&complaint["error"], &complaint["event"]), (&json!("invalid_json"), &json!("error")));
    let (bye, why) = scene.rogue.until_closed().await;
    assert_eq!((bye.unwrap()["error"].as_str(), why.as_str()), (Some("protocol_error"), "closed 4504"));
    scene.witness_is_well().await;
}

async fn a_good_frame_between_bad_ones_begins_the_count_anew(profile: Profile) {
    let mut scene = scene(profile).await;
    for _ in 0..3 {
        for _ in 0..7 {
            scene.rogue.wire.send_text("{").await.unwrap();
            assert_eq!(scene.rogue.complaint().await["error"], "invalid_json");
        }
        assert_eq!(scene.rogue.ask("ping", &json!({})).await["event"], "pong");
    }
    scene.witness_is_well().await;
}

async fn unknown_ops_and_shapes_are_refused_and_unknown_fields_are_not(profile: Profile) {
    let mut scene = scene(profile).await;
    for op in ["", "room", "room.destroy", "ROOM.JOIN", "room.join ", "__proto__", "房间"] {
        assert_eq!(scene.rogue.refused(op, &json!({})).await, "unsupported_op", "{op}");
    }
    let fields =
        json!({"roomId": scene.room, "since": 0, "colour": "red", "live": {}, "x": [1, {"y": null}]});
    assert_eq!(scene.rogue.ask("room.join", &fields).await["event"], "result");
    scene.witness_is_well().await;
}

async fn values_of_wrong_types_are_refused_op_by_op(profile: Profile) {
    let app = TestApp::with(profile, |config| config.limits.frames_per_second = 0);
    let mut scene = Scene::set(app.await).await;
    let ops = [
        "room.join",
        "room.leave",
        "room.send",
        "room.stop",
        "room.recall",
        "room.typing",
        "room.sync",
        "room.like",
    ];
    let room = scene.room.clone();
    let shapes = [
        json!({}),
        json!({"roomId": 3}),
        json!({"roomId": null}),
        json!({"roomId": [room]}),
        json!({"roomId": {"$gt": ""}}),
        json!([]),
        json!("text"),
        Value::Null,
    ];
    for op in ops {
        for shape in &shapes {
            assert_eq!(scene.rogue.refused(op, shape).await, "validation_failed", "{op} {shape}");
        }
    }
    for (op, data) in [
        ("room.join", json!({"roomId": room, "since": -1})),
        ("room.join", json!({"roomId": room, "since": "0"})),
        ("room.join", json!({"roomId": room, "since": 1.5})),
        ("room.join", json!({"roomId": room, "epoch": 1})),
        ("room.join", json!({"roomId": room, "live": [1]})),
        ("room.send", json!({"roomId": room, "clientMsgId": 1, "content": "x"})),
        ("room.send", json!({"roomId": room, "clientMsgId": "a", "content": ["x"]})),
        ("room.send", json!({"roomId": room, "clientMsgId": "a", "content": "x", "mentions": "y"})),
        ("room.sync", json!({"roomId": room, "from": "1", "to": 2})),
        ("room.like", json!({"roomId": room, "messageId": "not-an-id", "liked": "yes"})),
    ] {
        assert_eq!(scene.rogue.refused(op, &data).await, "validation_failed", "{op} {data}");
    }
    scene.witness_is_well().await;
}

async fn texts_that_are_no_texts_are_refused(profile: Profile) {
    let mut scene = scene(profile).await;
    let room = scene.room.clone();
    let long = "长".repeat(1_001);
    for content in ["", "   \n", "a\u{0}b", long.as_str()] {
        let data = json!({"roomId": room, "clientMsgId": "a", "content": content});
        assert_eq!(scene.rogue.refused("room.send", &data).await, "validation_failed", "{content:?}");
    }
    for id in ["", &"x".repeat(300), "a\u{0}"] {
        let data = json!({"roomId": room, "clientMsgId": id, "content": "x"});
        assert_eq!(scene.rogue.refused("room.send", &data).await, "validation_failed", "{id:?}");
    }
    // A lone surrogate is no text, though it is spelled in valid ASCII.
    let lone = format!(r#"{{"op":"room.send","reqId":"s","data":{{"roomId":"{room}","content":"\ud800"}}}}"#);
    scene.rogue.wire.send_text(&lone).await.unwrap();
    let told = scene.rogue.answer("s").await;
    let error = told["error"].as_str().unwrap();
    assert!(["invalid_json", "validation_failed"].contains(&error), "{told}");
    let (open, close) = ("[".repeat(20_000), "]".repeat(20_000));
    let deep = format!("{{\"op\":\"room.join\",\"reqId\":\"deep\",\"data\":{{\"live\":{open}1{close}}}}}");
    scene.rogue.wire.send_text(&deep).await.unwrap();
    assert_eq!(scene.rogue.answer("deep").await["event"], "error");
    assert_eq!(scene.rogue.ask("ping", &json!({})).await["event"], "pong");
    scene.witness_is_well().await;
}

async fn a_frame_over_the_limit_ends_the_socket_and_nobody_elses(profile: Profile) {
    let mut scene = scene(profile).await;
    let padded = |bytes: usize| {
        let frame = json!({"op": "ping", "reqId": "big", "pad": "x".repeat(bytes)});
        frame.to_string()
    };
    scene.rogue.wire.send_text(&padded(60 << 10)).await.unwrap();
    assert_eq!(scene.rogue.ask("ping", &json!({})).await["event"], "pong");
    // The server may hang up before it has read all of it.
    let _ = scene.rogue.wire.send_text(&padded(1 << 20)).await;
    scene.rogue.until_closed().await;
    scene.witness_is_well().await;
}

async fn frames_of_other_kinds_harm_nobody(profile: Profile) {
    let mut scene = scene(profile).await;
    scene.rogue.wire.send_message(Message::Ping(vec![1; 125].into())).await.unwrap();
    scene.rogue.wire.send_message(Message::Pong(Vec::new().into())).await.unwrap();
    assert_eq!(scene.rogue.ask("ping", &json!({})).await["event"], "pong");
    // Whether binary is refused or read as text is nobody's business but the sender's.
    let _ = scene.rogue.wire.send_message(Message::Binary(vec![0xff, 0xfe].into())).await;
    scene.witness_is_well().await;
}
