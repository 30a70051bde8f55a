//! How long a connection lives: heartbeats, silence, and the server's own end.

use std::sync::Arc;

use kernel::{ManualClock, Timestamp};
use serde_json::json;
use tests::app::{Profile, TestApp};

use crate::api::on_both_profiles;

async fn silence_is_asked_about_and_then_taken_for_death(profile: Profile) {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_790_000_000_000)));
    let app = TestApp::on_clock(profile, clock.clone()).await;
    let person = app.person("you").await;
    let (mut alive, mut dead) = (app.socket(&person).await, app.socket(&person).await);
    clock.advance_millis(25_000);
    assert_eq!(alive.next().await.unwrap(), json!({ "op": "ping", "event": "ping" }));
    assert_eq!(dead.next().await.unwrap(), json!({ "op": "ping", "event": "ping" }));
    alive.tell("pong", json!({})).await;
    assert_eq!(alive.ask("ping", json!({})).await["event"], "pong");
    clock.advance_millis(10_000);
    let (code, bye) = dead.closed().await;
    assert_eq!((code, &bye["error"], &bye["retry"]), (Some(4_009), &json!("timeout"), &json!(true)));
    assert_eq!(alive.ask("ping", json!({})).await["event"], "pong");
}

async fn a_server_that_stops_says_so_to_everybody(profile: Profile) {
    let mut app = TestApp::start(profile).await;
    let person = app.person("xing").await;
    let mut sockets = Vec::new();
    for _ in 0..4 {
        sockets.push(app.socket(&person).await);
    }
    let stopping = app.restart();
    let watching = async {
        for socket in &mut sockets {
            let (code, bye) = socket.closed().await;
            assert_eq!((code, &bye["error"]), (Some(4_000), &json!("going_away")));
            assert!(bye["retry"] == true && bye["afterMs"].is_u64(), "{bye}");
        }
    };
    tokio::join!(stopping, watching);
    app.socket(&person).await.close().await;
}

on_both_profiles!(silence_is_asked_about_and_then_taken_for_death, a_server_that_stops_says_so_to_everybody);
