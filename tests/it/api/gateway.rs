//! The gateway for other programs.

use reqwest::Method;
use serde_json::json;
use tests::app::{Profile, TestApp};
use tests::fakes::openai::Script;

use super::on_both_profiles;

on_both_profiles! {
    a_program_gets_one_answer_and_pays_for_it,
    a_stream_is_data_lines_of_raw_text,
    a_model_that_fails_at_once_is_an_error,
    a_stream_that_breaks_has_no_end_mark,
    a_poor_program_is_told_first,
    what_cannot_be_asked_is_refused,
}

async fn a_program_gets_one_answer_and_pays_for_it(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let (before, _) = person.balance().await;
    let body = json!({ "messages": [{ "role": "user", "content": "用一句话介绍论语" }], "modelAlias": "default",
        "temperature": 0.5, "metadata": { "from": "test" }, "characterId": "classics_kongzi" });
    let answer = person.post("/service/chat", &body).await;
    let data = answer.data();
    assert!(data["text"].as_str().is_some_and(|text| !text.is_empty()), "{}", answer.text);
    assert!(data["model"].is_string() && data["created"].is_i64() && data["status"] == "done");
    let credits = data["usage"]["credits"].as_i64().expect("a price");
    assert_eq!(person.balance().await, (before - credits, 0));
    assert_eq!(person.get("/api/sessions").await.data()["sessions"], json!([]), "nothing is stored");
}

async fn a_stream_is_data_lines_of_raw_text(profile: Profile) {
    let app = TestApp::with_model(profile, |_| ()).await;
    let person = app.person("one").await;
    app.endpoint().script(Script::stream().text("学而\n时习之").finish("stop").done());
    let body = json!({ "messages": [{ "role": "user", "content": "背一句" }] });
    let request = person.request(Method::POST, "/service/streamchat").json(&body);
    let answer = tests::app::answer(request).await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some("text/event-stream; charset=utf-8"))
    );
    assert!(answer.text.starts_with("data: 学"), "{}", answer.text);
    assert!(answer.text.ends_with("\n\ndata: [DONE]\n\n"), "{}", answer.text);
    assert!(answer.text.lines().all(|line| line.is_empty() || line.starts_with("data: ")), "{}", answer.text);
    let joined: Vec<String> =
        answer.text.trim_end().split("\n\n").map(|event| event.replace("data: ", "")).collect();
    assert_eq!(joined.concat(), "学而\n时习之[DONE]");
}

async fn a_model_that_fails_at_once_is_an_error(profile: Profile) {
    let app = TestApp::with_model(profile, |config| config.model.retries_max = 0).await;
    let person = app.person("one").await;
    let body = json!({ "messages": [{ "role": "user", "content": "甲" }] });
    for path in ["/service/chat", "/service/streamchat"] {
        app.endpoint().script(Script::error(500, &[], &json!({})));
        assert_eq!(person.post(path, &body).await.error(), (503, "model_unavailable"), "{path}");
    }
    assert_eq!(person.balance().await.1, 0, "nothing stays held");
}

async fn a_stream_that_breaks_has_no_end_mark(profile: Profile) {
    let app = TestApp::with_model(profile, |config| config.model.retries_max = 0).await;
    let person = app.person("one").await;
    let body = json!({ "messages": [{ "role": "user", "content": "甲" }] });
    app.endpoint().script(Script::stream().text("仁者爱").end());
    let answer = person.post("/service/streamchat", &body).await;
    assert_eq!(answer.status, 200);
    assert!(answer.text.contains("仁者爱") && !answer.text.contains("[DONE]"), "{}", answer.text);
}

async fn a_poor_program_is_told_first(profile: Profile) {
    let app = TestApp::with(profile, |config| config.billing.welcome_credits = 0).await;
    let person = app.person("one").await;
    let body = json!({ "messages": [{ "role": "user", "content": "甲" }] });
    for path in ["/service/chat", "/service/streamchat"] {
        assert_eq!(person.post(path, &body).await.error(), (402, "insufficient_balance"), "{path}");
    }
}

async fn what_cannot_be_asked_is_refused(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let say = json!([{ "role": "user", "content": "甲" }]);
    for (body, field, rule) in [
        (json!({}), "messages", "required"),
        (json!({ "messages": [{ "role": "robot", "content": "甲" }] }), "messages[0].role", "value"),
        (json!({ "messages": say, "temperature": 3 }), "temperature", "value"),
        (json!({ "messages": say, "metadata": 3 }), "metadata", "type"),
    ] {
        assert_eq!(person.post("/service/chat", &body).await.invalid(), (field, rule), "{body}");
    }
    assert_eq!(person.post("/service/chat", &json!({ "messages": [] })).await.status, 422);
    for wrong in
        [json!({ "messages": say, "modelAlias": "none" }), json!({ "messages": say, "characterId": "none" })]
    {
        assert_eq!(person.post("/service/chat", &wrong).await.error(), (404, "not_found"), "{wrong}");
    }
}
