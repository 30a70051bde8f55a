//! Limits over HTTP: the answer, its headers, and that one person's limit is nobody else's.

use serde_json::json;
use tests::app::{Answer, PASSWORD, Profile, TestApp};
use tests::fakes::openai::{Gate, Script};

use super::on_both_profiles;

on_both_profiles! {
    requests_of_a_person_are_limited,
    messages_of_a_person_are_limited,
    growing_replies_of_a_person_are_limited,
    registrations_of_an_address_are_limited,
    guesses_are_limited,
    a_forwarded_address_counts_only_from_a_trusted_proxy,
}

/// Seconds to wait of a refusal by a limit of so many, whose numbers are in its headers.
fn waits(answer: &Answer, limit: &str) -> u64 {
    assert_eq!(answer.error(), (429, "rate_limited"));
    says_its_numbers(answer, limit)
}

fn says_its_numbers(answer: &Answer, limit: &str) -> u64 {
    let header = |name| answer.header(name);
    assert_eq!((header("ratelimit-limit"), header("ratelimit-remaining")), (Some(limit), Some("0")));
    let wait = header("retry-after").and_then(|text| text.parse().ok()).expect("seconds to wait");
    let reset: u64 =
        header("ratelimit-reset").and_then(|text| text.parse().ok()).expect("seconds to the reset");
    assert!(reset >= wait && wait > 0, "{reset} {wait}");
    wait
}

async fn requests_of_a_person_are_limited(profile: Profile) {
    let app = TestApp::with(profile, |config| config.limits.requests_per_minute = 3).await;
    let (busy, calm) = (app.person("busy").await, app.person("calm").await);
    for _ in 0..3 {
        busy.get("/api/user/profile").await.data();
    }
    let refused = busy.get("/api/user/profile").await;
    assert!((1..=60).contains(&waits(&refused, "3")));
    calm.get("/api/user/profile").await.data();
}

async fn messages_of_a_person_are_limited(profile: Profile) {
    let app = TestApp::with(profile, |config| config.limits.messages_per_minute = 1).await;
    let person = app.person("one").await;
    let session = person.session().await;
    let first = json!({ "content": "仁是什么？", "clientMsgId": "c-1" });
    person.ask(&session, &first).await.data();
    waits(&person.ask(&session, &json!({ "content": "义是什么？" })).await, "1");
    // A repeat of what was taken is no new message.
    person.ask(&session, &first).await.data();
}

async fn growing_replies_of_a_person_are_limited(profile: Profile) {
    let app = TestApp::with_model(profile, |config| config.limits.streams_per_user = 1).await;
    let person = app.person("one").await;
    let (one, two) = (person.session().await, person.session().await);
    let gate = Gate::new();
    app.endpoint().script(Script::stream().text("仁").wait(&gate).finish("stop").done());
    let mut events = person.stream(&one, "仁是什么？").await;
    events.until("delta").await;
    let refused = person.ask(&two, &json!({ "content": "义是什么？" })).await;
    assert_eq!(refused.error(), (429, "too_many_streams"));
    says_its_numbers(&refused, "1");
    gate.open();
    events.until("done").await;
    assert_eq!(person.balance().await.1, 0);
}

async fn registrations_of_an_address_are_limited(profile: Profile) {
    let app = TestApp::with(profile, |config| config.limits.registrations_per_hour = 2).await;
    app.person("one").await;
    app.person("two").await;
    let third = json!({ "email": "three@example.com", "password": PASSWORD });
    waits(&app.post("/api/auth/register", &third).await, "2");
}

async fn guesses_are_limited(profile: Profile) {
    let app = TestApp::with(profile, |config| config.limits.login_failures_per_five_minutes = 2).await;
    app.person("one").await;
    let guess = json!({ "email": "one@example.com", "password": "not the password" });
    for _ in 0..2 {
        assert_eq!(app.post("/api/auth/email-login", &guess).await.error(), (401, "invalid_credentials"));
    }
    waits(&app.post("/api/auth/email-login", &guess).await, "2");
    let right = json!({ "email": "one@example.com", "password": PASSWORD });
    waits(&app.post("/api/auth/email-login", &right).await, "2");
}

async fn a_forwarded_address_counts_only_from_a_trusted_proxy(profile: Profile) {
    for (trusted, seen) in [(vec![], "127.0.0.1"), (vec!["127.0.0.0/8".to_owned()], "203.0.113.9")] {
        let app = TestApp::with(profile, |config| config.http.trusted_proxies = trusted).await;
        let person = app.person("one").await;
        let login = json!({ "email": "one@example.com", "password": PASSWORD });
        let request = app.request(reqwest::Method::POST, "/api/auth/email-login").json(&login);
        tests::app::answer(request.header("x-forwarded-for", "198.51.100.1, 203.0.113.9")).await.data();
        let logs = person.get("/api/auth/login-logs").await;
        assert_eq!(logs.data()["logs"][0]["ip"], seen);
    }
}
