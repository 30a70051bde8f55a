//! Who is there: at the upgrade, by the first frame, and for how long.

use std::sync::Arc;

use kernel::{ManualClock, Timestamp};
use serde_json::json;
use tests::app::{Profile, TestApp};

use crate::api::on_both_profiles;

async fn a_token_is_taken_wherever_clients_put_it(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("ren").await;
    app.socket(&person).await.close().await;
    for path in ["/ws", "/service/ws"] {
        let mut socket = app.connect(path, &[("authorization", &person.token)]).await.unwrap();
        assert_eq!(socket.next().await.unwrap()["userId"], json!(person.id));
        let mut socket = app.connect(&format!("{path}?token={}", person.token), &[]).await.unwrap();
        assert_eq!(socket.next().await.unwrap()["userId"], json!(person.id));
        let mut socket = app.connect(path, &[]).await.unwrap();
        let welcome = socket.ask("auth", json!({ "token": person.token })).await;
        assert_eq!((&welcome["event"], &welcome["userId"]), (&json!("result"), &json!(person.id)));
        assert_eq!(welcome["pingSeconds"], 25);
        assert_eq!(welcome["limits"]["frameBytes"], 65_536);
        assert!(welcome["connId"].is_string() && welcome["now"].is_i64(), "{welcome}");
    }
}

async fn nobody_is_answered_but_with_who_they_are(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("yi").await;
    let mut socket = app.connect("/ws", &[("authorization", "Bearer wrong")]).await.unwrap();
    let refused = socket.next().await.unwrap();
    assert_eq!((&refused["op"], &refused["error"]), (&json!("auth"), &json!("unauthorized")));
    assert_eq!((&refused["code"], &refused["detail"]), (&json!(401), &json!("请先登录")));
    let refused = socket.ask("room.join", json!({ "roomId": "x" })).await;
    assert_eq!((&refused["event"], &refused["error"]), (&json!("error"), &json!("unauthorized")));
    assert_eq!(socket.ask("ping", json!({})).await["event"], "pong");
    assert_eq!(socket.ask("auth", json!({ "token": "wrong" })).await["error"], "unauthorized");
    assert_eq!(socket.ask("auth", json!({})).await["fields"][0]["rule"], "required");
    // What follows at once is read when it is known who is there.
    let auth = socket.begin("auth", json!({ "token": person.token })).await;
    let join = socket.begin("room.join", json!({ "roomId": "nowhere" })).await;
    assert_eq!(socket.answer(&auth).await["event"], "result");
    assert_eq!(socket.answer(&join).await["error"], "not_found");
    // Another person needs another connection.
    let other = app.person("other").await;
    assert_eq!(socket.ask("auth", json!({ "token": other.token })).await["error"], "forbidden");
    assert_eq!(socket.ask("auth", json!({ "token": person.token })).await["event"], "result");
}

async fn scripts_of_other_sites_stay_outside_in_production(profile: Profile) {
    let app = TestApp::with(profile, |config| {
        config.http.cors_origins = vec!["https://friend.example".to_owned()];
    })
    .await;
    let open = async |origin: &str| app.connect("/ws", &[("origin", origin)]).await.map(|_| ());
    let own = app.base.clone();
    assert_eq!(open(&own).await, Ok(()));
    assert_eq!(open("https://friend.example").await, Ok(()));
    let stranger = if profile == Profile::Production { Err(403) } else { Ok(()) };
    assert_eq!(open("https://stranger.example").await, stranger);
    assert_eq!(app.connect("/ws", &[]).await.map(|_| ()), Ok(()));
}

async fn a_connection_without_a_person_ends_after_ten_seconds(profile: Profile) {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_790_000_000_000)));
    let app = TestApp::on_clock(profile, clock.clone()).await;
    let mut socket = app.connect("/ws", &[]).await.unwrap();
    assert_eq!(socket.ask("ping", json!({})).await["event"], "pong");
    clock.advance_millis(10_000);
    let (code, bye) = socket.closed().await;
    assert_eq!((code, &bye["error"], &bye["retry"]), (Some(4_501), &json!("auth_timeout"), &json!(false)));
}

async fn a_token_that_runs_out_ends_the_connection_unless_it_is_renewed(profile: Profile) {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_790_000_000_000)));
    let app = TestApp::on_clock(profile, clock.clone()).await;
    let person = app.person("zhi").await;
    let (mut lasting, mut ending) = (app.socket(&person).await, app.socket(&person).await);
    // Nearly a quarter of an hour, in steps short enough for both sides to hear of each other.
    for _ in 0..29 {
        clock.advance_millis(30_000);
        assert_eq!(lasting.ask("ping", json!({})).await["event"], "pong");
        assert_eq!(ending.ask("ping", json!({})).await["event"], "pong");
    }
    let renewed = person.post("/api/auth/refresh", &json!({ "refreshToken": person.refresh_token })).await;
    let token = renewed.data()["token"].as_str().unwrap().to_owned();
    assert_eq!(lasting.ask("auth", json!({ "token": token })).await["event"], "result");
    clock.advance_millis(30_000);
    let (code, bye) = ending.closed().await;
    assert_eq!((code, &bye["error"], &bye["retry"]), (Some(4_003), &json!("token_expired"), &json!(true)));
    assert_eq!(lasting.ask("ping", json!({})).await["event"], "pong");
}

async fn a_sign_out_ends_the_connection(profile: Profile) {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_790_000_000_000)));
    let app = TestApp::on_clock(profile, clock.clone()).await;
    let person = app.person("xin").await;
    let mut socket = app.socket(&person).await;
    assert_eq!(person.post("/api/auth/logout", &json!({})).await.status, 200);
    clock.advance_millis(1_000);
    let (code, bye) = socket.closed().await;
    assert_eq!((code, &bye["error"]), (Some(4_503), &json!("revoked")));
}

async fn a_ban_that_no_news_tells_of_ends_the_connection_within_a_minute(profile: Profile) {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_790_000_000_000)));
    let app = TestApp::on_clock(profile, clock.clone()).await;
    let (person, other) = (app.person("jin").await, app.person("other").await);
    // The token is known as good for the longest time, and the connection's looks fall badly.
    person.get("/api/user/profile").await.data();
    app.ban_unheard(&person).await;
    clock.advance_millis(19_000);
    let (mut socket, mut watch) = (app.socket(&person).await, app.socket(&other).await);
    clock.advance_millis(20_000);
    assert_eq!(socket.ask("ping", json!({})).await["event"], "pong");
    assert_eq!(watch.ask("ping", json!({})).await["event"], "pong");
    clock.advance_millis(20_000);
    assert_eq!(watch.ask("ping", json!({})).await["event"], "pong");
    clock.advance_millis(1_000);
    let (code, bye) = socket.closed().await;
    assert_eq!((code, &bye["error"]), (Some(4_503), &json!("revoked")));
    assert_eq!(watch.ask("ping", json!({})).await["event"], "pong");
}

on_both_profiles!(
    a_token_is_taken_wherever_clients_put_it,
    nobody_is_answered_but_with_who_they_are,
    scripts_of_other_sites_stay_outside_in_production,
    a_connection_without_a_person_ends_after_ten_seconds,
    a_token_that_runs_out_ends_the_connection_unless_it_is_renewed,
    a_sign_out_ends_the_connection,
    a_ban_that_no_news_tells_of_ends_the_connection_within_a_minute,
);
