//! A model endpoint that is down, slow, garbage or cut: a coded error, nothing lost, no hold left open.

use serde_json::{Value, json};
use tests::app::{Answer, Person, Profile, TestApp};
use tests::fakes::openai::{Gate, Script};

use super::on_both_profiles;

on_both_profiles! {
    an_endpoint_that_is_down_is_model_unavailable,
    an_endpoint_that_refuses_us_is_model_unavailable,
    an_endpoint_without_an_answer_is_model_timeout,
    garbage_is_model_unavailable,
    an_answer_that_is_cut_keeps_its_text_as_failed,
    an_answer_that_a_filter_withheld_is_blocked,
    a_failed_question_is_replayed_as_it_was,
    a_stream_says_what_failed,
}

/// A server whose model is asked once, and a person with a session.
async fn scene(profile: Profile) -> (TestApp, Person, String) {
    let app = TestApp::with_model(profile, |config| {
        config.model.retries_max = 0;
        config.model.first_content_seconds = 1;
        config.model.queue_seconds = 1;
    })
    .await;
    let person = app.person("one").await;
    let session = person.session().await;
    (app, person, session)
}

async fn ask(person: &Person, session: &str) -> Answer {
    person.ask(session, &json!({ "content": "仁是什么？", "clientMsgId": "c-1" })).await
}

async fn messages(person: &Person, session: &str) -> Vec<Value> {
    let history = person.get(&format!("/api/sessions/{session}/messages")).await;
    history.data()["messages"].as_array().expect("messages").clone()
}

/// The question is kept, its reply failed without a word, and nothing was paid or is held.
async fn is_as_if_nothing_was_asked(person: &Person, session: &str) {
    let all = messages(person, session).await;
    let [question, reply] = &all[..] else { panic!("{all:?}") };
    assert_eq!((&question["content"], &question["status"]), (&json!("仁是什么？"), &json!("done")));
    assert_eq!((&reply["content"], &reply["status"]), (&json!(""), &json!("failed")));
    assert!(reply.get("usage").is_none());
    assert_eq!(person.balance().await, (1_000_000, 0));
}

async fn an_endpoint_that_is_down_is_model_unavailable(profile: Profile) {
    // A port on which nobody listens any more.
    let closed =
        std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let app = TestApp::with_model(profile, |config| {
        config.model.url = format!("http://{closed}/v1");
        config.model.retries_max = 0;
    })
    .await;
    let person = app.person("one").await;
    let session = person.session().await;
    assert_eq!(ask(&person, &session).await.error(), (503, "model_unavailable"));
    is_as_if_nothing_was_asked(&person, &session).await;
}

async fn an_endpoint_that_refuses_us_is_model_unavailable(profile: Profile) {
    let (app, person, session) = scene(profile).await;
    let secret = json!({ "message": "invalid key sk-secret", "type": "authentication_error" });
    app.endpoint().script(Script::error(401, &[], &secret));
    let refused = ask(&person, &session).await;
    assert_eq!(refused.error(), (503, "model_unavailable"));
    assert!(!refused.text.contains("sk-secret"), "an upstream's body is never shown");
    is_as_if_nothing_was_asked(&person, &session).await;
}

async fn an_endpoint_without_an_answer_is_model_timeout(profile: Profile) {
    let (app, person, session) = scene(profile).await;
    let gate = Gate::new();
    app.endpoint().script(Script::silent(&gate));
    assert_eq!(ask(&person, &session).await.error(), (504, "model_timeout"));
    is_as_if_nothing_was_asked(&person, &session).await;
}

async fn garbage_is_model_unavailable(profile: Profile) {
    let (app, person, session) = scene(profile).await;
    app.endpoint().script(Script::stream().raw(b"data: <html>not json\n\n").end());
    assert_eq!(ask(&person, &session).await.error(), (503, "model_unavailable"));
    is_as_if_nothing_was_asked(&person, &session).await;
}

async fn an_answer_that_is_cut_keeps_its_text_as_failed(profile: Profile) {
    let (app, person, session) = scene(profile).await;
    app.endpoint().script(Script::stream().text("仁者爱").end());
    let cut = ask(&person, &session).await;
    let message = &cut.data()["message"];
    assert_eq!((&message["content"], &message["status"]), (&json!("仁者爱"), &json!("failed")));
    let (available, held) = person.balance().await;
    let credits = message["usage"]["credits"].as_i64().unwrap_or(0);
    assert_eq!((available, held), (1_000_000 - credits, 0));
}

async fn an_answer_that_a_filter_withheld_is_blocked(profile: Profile) {
    let (app, person, session) = scene(profile).await;
    app.endpoint().script(Script::stream().text("仁").finish("content_filter").done());
    let blocked = ask(&person, &session).await;
    assert_eq!(blocked.data()["message"]["status"], "blocked");
    assert_eq!(person.balance().await.1, 0);
}

async fn a_failed_question_is_replayed_as_it_was(profile: Profile) {
    let (app, person, session) = scene(profile).await;
    app.endpoint().script(Script::stream().raw(b"data: {}\n\n").end());
    let first = ask(&person, &session).await;
    let again = ask(&person, &session).await;
    assert_eq!(again.error(), first.error());
    assert_eq!(
        (first.header("idempotent-replayed"), again.header("idempotent-replayed")),
        (None, Some("true"))
    );
    assert_eq!(app.endpoint().requests().len(), 1, "a repeat asks nobody");
}

async fn a_stream_says_what_failed(profile: Profile) {
    let (app, person, session) = scene(profile).await;
    app.endpoint().script(Script::stream().text("仁者爱").end());
    let events = person.stream(&session, "仁是什么？").await.all().await;
    let names: Vec<&str> = events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names[names.len() - 3..], ["error", "final", "done"]);
    let error = events.iter().find(|event| event.name == "error").expect("an error");
    assert_eq!(error.data["error"], "model_unavailable");
    assert!(error.data["message"].as_str().is_some_and(|text| text.contains("模型")));
}
