//! How much one may have and send, and that nothing stays behind.

use std::time::Duration;

use serde_json::json;
use tests::app::{Profile, TestApp};

use crate::api::on_both_profiles;

async fn frames_beyond_the_rate_are_refused_and_then_end_the_connection(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("duo").await;
    let (mut flood, mut other) = (app.socket(&person).await, app.socket(&person).await);
    for _ in 0..400 {
        flood.tell("ping", json!({})).await;
    }
    let refused = flood.until("ping", "error").await;
    assert_eq!((&refused["code"], &refused["error"]), (&json!(429), &json!("rate_limited")));
    assert!(refused["retryAfterMs"].as_i64().is_some_and(|ms| (1..=100).contains(&ms)), "{refused}");
    let (code, bye) = flood.closed().await;
    assert_eq!((code, &bye["error"], &bye["retry"]), (Some(4_029), &json!("rate_limited"), &json!(true)));
    assert_eq!(other.ask("ping", json!({})).await["event"], "pong");
}

async fn frames_that_are_no_messages_count_as_well(profile: Profile) {
    const PING: [u8; 6] = [0x89, 0x80, 0, 0, 0, 0];
    const PONG: [u8; 6] = [0x8A, 0x80, 0, 0, 0, 0];
    const FIRST_PART: [u8; 7] = [0x01, 0x81, 0, 0, 0, 0, b'x'];
    const NEXT_PART: [u8; 6] = [0x00, 0x80, 0, 0, 0, 0];
    let app = TestApp::start(profile).await;
    let person = app.person("sui").await;
    let mut other = app.socket(&person).await;
    for flood in [PING.repeat(400), PONG.repeat(400), [FIRST_PART.to_vec(), NEXT_PART.repeat(400)].concat()] {
        let mut socket = app.socket(&person).await;
        socket.write_raw(&flood).await;
        let (code, bye) = socket.closed().await;
        assert_eq!((code, &bye["error"]), (Some(4_029), &json!("rate_limited")));
    }
    // Few of them are no matter.
    other.write_raw(&[PING.repeat(3), FIRST_PART.to_vec(), NEXT_PART.to_vec()].concat()).await;
    other.write_raw(&[0x80, 0x80, 0, 0, 0, 0]).await;
    assert_eq!(other.next().await.unwrap()["error"], "invalid_json");
    assert_eq!(other.ask("ping", json!({})).await["event"], "pong");
}

async fn the_sixth_connection_replaces_the_first(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("liu").await;
    let mut sockets = Vec::new();
    for _ in 0..6 {
        sockets.push(app.socket(&person).await);
    }
    let (code, bye) = sockets.remove(0).closed().await;
    assert_eq!((code, &bye["error"], &bye["retry"]), (Some(4_010), &json!("replaced"), &json!(true)));
    for socket in &mut sockets {
        assert_eq!(socket.ask("ping", json!({})).await["event"], "pong");
    }
}

async fn an_address_has_only_so_many_connections(profile: Profile) {
    let app = TestApp::with(profile, |config| config.limits.connections_per_ip = 2).await;
    let first = app.connect("/ws", &[]).await.unwrap();
    let _second = app.connect("/ws", &[]).await.unwrap();
    assert_eq!(app.connect("/ws", &[]).await.map(|_| ()), Err(429));
    first.close().await;
    // The place is free when the server has seen the end.
    while app.connect("/ws", &[]).await.is_err() {
        tokio::task::yield_now().await;
    }
}

async fn nothing_stays_behind_however_connections_end(profile: Profile) {
    let app = TestApp::start(profile).await;
    let (host, guest) = (app.person("zhu").await, app.person("ke").await);
    let session = host.session().await;
    let mut closed = app.socket(&host).await;
    assert_eq!(closed.ask("room.join", json!({ "roomId": session })).await["event"], "result");
    let mut dropped = app.socket(&host).await;
    assert_eq!(dropped.ask("room.join", json!({ "roomId": session })).await["event"], "result");
    let mut hasty = app.socket(&guest).await;
    hasty.begin("room.join", json!({ "roomId": session })).await;
    let stranger = app.connect("/ws", &[]).await.unwrap();
    assert!(app.gateway().holdings().rooms > 0);
    closed.close().await;
    drop((dropped, hasty, stranger));
    let empty = async {
        while app.gateway().holdings() != api::ws::Holdings::default() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let emptied = tokio::time::timeout(Duration::from_secs(20), empty).await;
    assert!(emptied.is_ok(), "{:?}", app.gateway().holdings());
}

on_both_profiles!(
    frames_beyond_the_rate_are_refused_and_then_end_the_connection,
    frames_that_are_no_messages_count_as_well,
    the_sixth_connection_replaces_the_first,
    an_address_has_only_so_many_connections,
    nothing_stays_behind_however_connections_end,
);
