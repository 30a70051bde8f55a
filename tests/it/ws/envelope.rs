//! The envelope: what is no request is answered, and what breaks the protocol ends its own connection only.

use serde_json::json;
use tests::app::{Profile, TestApp};

use crate::api::on_both_profiles;

async fn what_is_no_request_is_refused_and_the_socket_stays_open(profile: Profile) {
    let app = TestApp::start(profile).await;
    let mut socket = app.socket(&app.person("li").await).await;
    socket.write("{").await;
    assert_eq!(
        socket.next().await.unwrap(),
        json!({ "event": "error", "code": 400, "error": "invalid_json", "detail": "请求体不是有效的 UTF-8 JSON" })
    );
    assert_eq!(socket.ask("room.fly", json!({})).await["error"], "unsupported_op");
    assert_eq!(socket.ask("room.join", json!({})).await["fields"][0]["field"], "roomId");
    let refused = socket.ask("room.join", json!({ "roomId": 7 })).await;
    assert_eq!((&refused["code"], &refused["fields"][0]["rule"]), (&json!(422), &json!("type")));
    assert_eq!(socket.ask("room.leave", json!({ "roomId": "r", "unknown": 1 })).await["event"], "result");
    // A frame without an id is answered without one.
    socket.tell("ping", json!({})).await;
    assert_eq!(socket.next().await.unwrap(), json!({ "op": "ping", "event": "pong" }));
}

async fn ten_frames_of_no_json_are_enough(profile: Profile) {
    let app = TestApp::start(profile).await;
    let mut socket = app.socket(&app.person("le").await).await;
    for _ in 0..9 {
        socket.write("no").await;
    }
    assert_eq!(socket.ask("ping", json!({})).await["event"], "pong");
    for _ in 0..10 {
        socket.write("no").await;
    }
    let (code, bye) = socket.closed().await;
    assert_eq!((code, &bye["error"]), (Some(4_504), &json!("protocol_error")));
}

async fn a_frame_that_is_too_large_ends_its_own_connection_only(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("she").await;
    let (mut large, mut other) = (app.socket(&person).await, app.socket(&person).await);
    let mut plain = app.socket(&person).await;
    large.write("x".repeat(65_537)).await;
    let (code, bye) = large.closed().await;
    assert_eq!((code, &bye["error"], &bye["retry"]), (Some(4_504), &json!("protocol_error"), &json!(false)));
    // A frame that is not masked.
    plain.write_raw(&[0x81, 0x01, b'x']).await;
    assert_eq!(plain.closed().await.0, Some(4_504));
    assert_eq!(other.ask("ping", json!({})).await["event"], "pong");
    other.write(format!("{{\"op\":\"ping\",\"x\":\"{}\"}}", "x".repeat(65_000))).await;
    assert_eq!(other.next().await.unwrap()["event"], "pong");
}

async fn the_first_protocol_that_is_asked_for_is_answered(profile: Profile) {
    let app = TestApp::start(profile).await;
    let socket = app.connect("/ws", &[("sec-websocket-protocol", "jixia.v1, x")]).await.unwrap();
    assert_eq!(socket.response.headers()["sec-websocket-protocol"], "jixia.v1");
    // What is no upgrade has the envelope of HTTP.
    assert_eq!(app.get("/ws").await.error(), (400, "unsupported_op"));
}

async fn words_are_in_the_language_of_the_upgrade(profile: Profile) {
    let app = TestApp::start(profile).await;
    let mut socket = app.connect("/ws", &[("accept-language", "en")]).await.unwrap();
    assert_eq!(socket.ask("room.join", json!({})).await["detail"], "Sign in first.");
}

on_both_profiles!(
    what_is_no_request_is_refused_and_the_socket_stays_open,
    ten_frames_of_no_json_are_enough,
    a_frame_that_is_too_large_ends_its_own_connection_only,
    the_first_protocol_that_is_asked_for_is_answered,
    words_are_in_the_language_of_the_upgrade,
);
