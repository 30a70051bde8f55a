//! The `Idempotency-Key`: a request that is sent twice makes one thing.

use std::sync::Arc;

use kernel::{ManualClock, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};
use tests::app::{Answer, PASSWORD, Person, Profile, TestApp, answer};

use super::on_both_profiles;

on_both_profiles! {
    a_repeated_key_gets_the_first_session,
    a_key_is_for_one_session_of_one_person,
    a_key_is_free_after_a_day,
    a_message_takes_any_key_that_is_visible_ascii,
    a_key_that_cannot_be_read_is_named_by_its_header,
}

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

async fn post(person: &Person, path: &str, key: impl AsRef<[u8]>, body: &Value) -> Answer {
    answer(person.request(Method::POST, path).header("idempotency-key", key.as_ref()).json(body)).await
}

async fn create(person: &Person, key: &str, body: &Value) -> Answer {
    post(person, "/api/sessions", key, body).await
}

async fn a_repeated_key_gets_the_first_session(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let body = json!({ "characterId": "classics_kongzi", "title": "夜谈" });
    let first = create(&person, "order:7/a.1", &body).await;
    // What is left out and what is the default are the same request.
    let again = create(&person, "order:7/a.1", &json!({ "title": " 夜谈 " })).await;
    assert_eq!(again.data(), first.data());
    let replayed = |answer: &Answer| answer.header("idempotent-replayed").map(str::to_owned);
    assert_eq!((replayed(&first), replayed(&again).as_deref()), (None, Some("true")));
    assert_eq!(person.get("/api/sessions").await.data()["pagination"]["total"], 1);
}

async fn a_key_is_for_one_session_of_one_person(profile: Profile) {
    let app = TestApp::start(profile).await;
    let (one, two) = (app.person("one").await, app.person("two").await);
    create(&one, "k-1", &json!({ "title": "夜谈" })).await.data();
    let other = create(&one, "k-1", &json!({ "title": "晨谈" })).await;
    assert_eq!(other.error(), (409, "idempotency_conflict"));
    let of_another = create(&two, "k-1", &json!({ "title": "晨谈" })).await;
    assert_eq!((of_another.status, of_another.header("idempotent-replayed")), (200, None));
    // Only successes are kept.
    let unknown = create(&one, "k-2", &json!({ "characterId": "nobody" })).await;
    assert_eq!(unknown.error(), (404, "not_found"));
    create(&one, "k-2", &json!({ "title": "晨谈" })).await.data();
}

async fn a_key_is_free_after_a_day(profile: Profile) {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_790_000_000_000)));
    let app = TestApp::on_clock(profile, clock.clone()).await;
    let person = app.person("one").await;
    let first = create(&person, "k-1", &json!({})).await;
    clock.advance_millis(DAY_MS + 1);
    let login = json!({ "email": "one@example.com", "password": PASSWORD });
    let person = app.signed_in(&app.post("/api/auth/email-login", &login).await);
    let later = create(&person, "k-1", &json!({ "title": "夜谈" })).await;
    assert_ne!(later.data()["session"]["sessionId"], first.data()["session"]["sessionId"]);
    assert_eq!(later.header("idempotent-replayed"), None);
}

async fn a_message_takes_any_key_that_is_visible_ascii(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let path = format!("/api/sessions/{}/messages", person.session().await);
    let long = "k".repeat(128);
    for (key, content) in [("2026-01:retry.1", "仁是什么？"), (long.as_str(), "义是什么？")] {
        let body = json!({ "content": content });
        let first = post(&person, &path, key, &body).await;
        let again = post(&person, &path, key, &body).await;
        assert_eq!((again.data(), again.header("idempotent-replayed")), (first.data(), Some("true")));
        let other = post(&person, &path, key, &json!({ "content": "礼是什么？" })).await;
        assert_eq!(other.error(), (409, "idempotency_conflict"));
    }
}

async fn a_key_that_cannot_be_read_is_named_by_its_header(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let messages = format!("/api/sessions/{}/messages", person.session().await);
    let body = json!({ "content": "仁是什么？" });
    for path in ["/api/sessions", messages.as_str()] {
        for (key, rule) in
            [("", "format"), ("a b", "format"), ("键", "format"), (&"k".repeat(129), "too_long")]
        {
            let refused = post(&person, path, key, &body).await;
            assert_eq!(refused.invalid(), ("Idempotency-Key", rule), "{path} {key}");
        }
    }
}
