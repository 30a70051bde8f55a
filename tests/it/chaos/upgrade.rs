//! Who may open a socket: other origins, no token, a bad one, subprotocols, and requests that are no upgrade.

use std::net::SocketAddr;

use serde_json::json;
use tests::app::{Profile, TestApp};
use tests::chaos::client::wire::{Introduction, Wire};

use crate::api::on_both_profiles;

on_both_profiles! {
    every_way_to_say_who_one_is_works_at_both_addresses,
    a_bad_token_is_told_and_a_good_one_may_follow,
    nothing_but_auth_and_ping_is_answered_to_a_stranger,
    the_first_subprotocol_that_is_asked_for_is_taken,
    a_request_that_is_no_upgrade_is_told_so,
}

fn address(app: &TestApp) -> SocketAddr {
    app.base.trim_start_matches("http://").parse().unwrap()
}

/// The next object that answers to this.
async fn reply(wire: &mut Wire, id: &str) -> serde_json::Value {
    loop {
        let found = wire.next().await.unwrap().into_iter().find(|object| object.value["reqId"] == id);
        if let Some(found) = found {
            return found.value;
        }
    }
}

async fn every_way_to_say_who_one_is_works_at_both_addresses(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    for path in ["/ws", "/service/ws"] {
        for how in Introduction::ALL {
            let opened = Wire::introduce(address(&app), path, &person.token, how).await;
            opened.unwrap_or_else(|why| panic!("{path} {how:?}: {why}"));
        }
    }
}

async fn a_bad_token_is_told_and_a_good_one_may_follow(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let mut wire = Wire::open(address(&app), "/ws?token=forged", &[]).await.unwrap();
    let told = wire.next().await.unwrap().remove(0).value;
    assert_eq!((&told["event"], &told["error"]), (&json!("error"), &json!("unauthorized")), "{told}");
    wire.send(&json!({"op": "auth", "reqId": "a", "data": {"token": person.token}})).await.unwrap();
    let known = reply(&mut wire, "a").await;
    assert_eq!((&known["event"], &known["userId"]), (&json!("result"), &json!(person.id)), "{known}");
}

async fn nothing_but_auth_and_ping_is_answered_to_a_stranger(profile: Profile) {
    let app = TestApp::start(profile).await;
    let mut wire = Wire::open(address(&app), "/ws", &[]).await.unwrap();
    for (op, expected) in [
        ("room.join", "unauthorized"),
        ("room.send", "unauthorized"),
        ("ai.chat", "unauthorized"),
        ("no.such.op", "unauthorized"),
    ] {
        wire.send(&json!({"op": op, "reqId": op, "data": {"roomId": "guoxue_room"}})).await.unwrap();
        assert_eq!(reply(&mut wire, op).await["error"], expected, "{op}");
    }
    wire.send(&json!({"op": "ping", "reqId": "p"})).await.unwrap();
    assert_eq!(reply(&mut wire, "p").await["event"], "pong");
}

async fn the_first_subprotocol_that_is_asked_for_is_taken(profile: Profile) {
    let app = TestApp::start(profile).await;
    // A client that asked for some and is answered with none, or another, fails the handshake.
    let asked = [("sec-websocket-protocol", "chat.v1, chat.v2")];
    Wire::open(address(&app), "/ws", &asked).await.unwrap();
}

async fn a_request_that_is_no_upgrade_is_told_so(profile: Profile) {
    let app = TestApp::start(profile).await;
    let answer = app.get("/ws").await;
    assert!((400..500).contains(&answer.status), "{}", answer.text);
    assert!(answer.body["error"].is_string(), "{}", answer.text);
}

#[tokio::test]
async fn another_origin_opens_no_socket_in_production() {
    let app = TestApp::with(Profile::Production, |config| {
        config.http.cors_origins = vec!["https://chat.example.com".to_owned()];
    });
    let app = app.await;
    let own = app.base.clone();
    for (origin, is_taken) in [
        ("https://evil.example", false),
        ("null", false),
        ("https://chat.example.com", true),
        (own.as_str(), true),
    ] {
        let opened = Wire::open(address(&app), "/ws", &[("origin", origin)]).await;
        assert_eq!(opened.is_ok(), is_taken, "{origin}");
    }
    // Mini-programs and programs name none.
    Wire::open(address(&app), "/ws", &[]).await.unwrap();
}
