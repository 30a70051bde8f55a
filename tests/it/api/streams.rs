//! Replies as events: while they grow, from elsewhere, and after they ended.

use serde_json::json;
use tests::app::{Event, Profile, TestApp, text_of};
use tests::fakes::openai::{Gate, Script};

use super::on_both_profiles;

on_both_profiles! {
    a_reply_is_streamed_in_the_promised_order,
    a_stream_is_never_compressed_or_cached,
    a_reply_goes_on_when_its_reader_is_gone,
    a_growing_reply_is_joined_anywhere,
    a_finished_reply_is_replayed_from_any_offset,
    a_last_event_id_goes_on_where_it_was,
    a_stopped_reply_keeps_its_text_and_ends,
    a_repeat_of_a_streamed_question_streams_the_same_reply,
}

fn names(events: &[Event]) -> Vec<&str> {
    let mut names: Vec<&str> = events.iter().map(|event| event.name.as_str()).collect();
    names.dedup();
    names
}

fn id_of(event: &Event) -> String {
    event.data["messageId"].as_str().expect("an id").to_owned()
}

async fn a_reply_is_streamed_in_the_promised_order(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let session = person.session().await;
    let events = person.stream(&session, "学而时习之是什么意思？").await.all().await;
    assert_eq!(names(&events), ["start", "delta", "citations", "final", "done"]);
    let start = &events[0].data;
    assert_eq!((&start["seq"], &start["gen"], &start["userSeq"]), (&json!(2), &json!(1), &json!(1)));
    assert!(start["userMessageId"].is_string());
    assert_eq!((&start["aigc"]["label"], &start["aigc"]["produceId"]), (&json!("1"), &start["messageId"]));
    let last = &events[events.len() - 2].data;
    assert_eq!(last["message"]["content"], text_of(&events));
    assert_eq!(last["message"]["messageId"], start["messageId"]);
    assert_eq!(last["usage"], last["message"]["usage"]);
    let citations = events.iter().find(|event| event.name == "citations").expect("citations");
    assert_eq!(citations.data["citations"], last["message"]["citations"]);
    assert_eq!(citations.data["citations"][0]["work"], "论语");
}

async fn a_stream_is_never_compressed_or_cached(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let session = person.session().await;
    let path = format!("/api/sessions/{session}/messages");
    let request = person.request(reqwest::Method::POST, &path).json(&json!({ "content": "仁" }));
    let response = person.events(request.header("accept-encoding", "gzip")).await;
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
    assert_eq!(header("content-encoding"), Some("identity"));
    assert_eq!((header("cache-control"), header("x-accel-buffering")), (Some("no-cache"), Some("no")));
    assert!(response.text().await.expect("text").contains("event: done"));
}

async fn a_reply_goes_on_when_its_reader_is_gone(profile: Profile) {
    let app = TestApp::with_model(profile, |_| ()).await;
    let person = app.person("one").await;
    let session = person.session().await;
    let gate = Gate::new();
    app.endpoint().script(Script::stream().text("仁者").wait(&gate).text("爱人").finish("stop").done());
    let mut events = person.stream(&session, "仁是什么？").await;
    let reply = id_of(&events.until("start").await);
    events.until("delta").await;
    drop(events);
    gate.reached().await;
    gate.open();
    let replay = person.follow(&reply, "").await.all().await;
    assert_eq!(text_of(&replay), "仁者爱人");
    assert_eq!(replay[replay.len() - 2].data["message"]["status"], "done");
    assert_eq!(person.balance().await.1, 0);
}

async fn a_growing_reply_is_joined_anywhere(profile: Profile) {
    let app = TestApp::with_model(profile, |_| ()).await;
    let person = app.person("one").await;
    let session = person.session().await;
    let gate = Gate::new();
    app.endpoint().script(Script::stream().text("仁者").wait(&gate).text("爱人").finish("stop").done());
    let mut first = person.stream(&session, "仁是什么？").await;
    let start = first.until("start").await;
    first.until("delta").await;
    let mut second = person.follow(&id_of(&start), "").await;
    let question = start.data["userMessageId"].as_str().expect("an id").to_owned();
    let by_question = person.follow(&question, "?offset=1").await;
    second.until("delta").await;
    gate.open();
    assert_eq!(first.until("final").await.data["message"]["content"], "仁者爱人");
    assert_eq!(second.until("final").await.data["message"]["content"], "仁者爱人");
    let events = by_question.all().await;
    let tail: Vec<&str> = events.iter().filter_map(|event| event.data["text"].as_str()).collect();
    assert_eq!(tail.concat(), "者爱人");
}

async fn a_finished_reply_is_replayed_from_any_offset(profile: Profile) {
    let app = TestApp::with_model(profile, |_| ()).await;
    let person = app.person("one").await;
    let session = person.session().await;
    app.endpoint().script(Script::stream().text("𠮷人也").finish("stop").done());
    let asked = person.ask(&session, &json!({ "content": "谁？", "useKnowledge": false })).await;
    let reply = asked.data()["message"]["messageId"].as_str().expect("an id").to_owned();
    for (query, text) in [("", "𠮷人也"), ("?offset=2", "人也"), ("?offset=4", ""), ("?offset=99", "")]
    {
        let events = person.follow(&reply, query).await.all().await;
        let tail: Vec<&str> = events.iter().filter_map(|event| event.data["text"].as_str()).collect();
        assert_eq!(tail.concat(), text, "{query}");
        assert_eq!(events[events.len() - 2].data["message"]["content"], "𠮷人也");
        assert_eq!(events.last().map(|event| event.name.as_str()), Some("done"));
    }
}

async fn a_last_event_id_goes_on_where_it_was(profile: Profile) {
    let app = TestApp::with_model(profile, |_| ()).await;
    let person = app.person("one").await;
    let session = person.session().await;
    app.endpoint().script(Script::stream().text("仁者爱人").finish("stop").done());
    let asked = person.ask(&session, &json!({ "content": "仁" })).await;
    let reply = asked.data()["message"]["messageId"].as_str().expect("an id").to_owned();
    let path = format!("/api/messages/{reply}/stream");
    for (query, id, text) in
        [("", "1:2", "爱人"), ("", "2:2", "仁者爱人"), ("?offset=3", "1:2", "人"), ("", "x", "仁者爱人")]
    {
        let request =
            person.request(reqwest::Method::GET, &format!("{path}{query}")).header("last-event-id", id);
        let events = tests::app::Events::of(person.events(request).await).all().await;
        let tail: Vec<&str> = events.iter().filter_map(|event| event.data["text"].as_str()).collect();
        assert_eq!(tail.concat(), text, "{query} {id}");
    }
}

async fn a_stopped_reply_keeps_its_text_and_ends(profile: Profile) {
    let app = TestApp::with_model(profile, |_| ()).await;
    let person = app.person("one").await;
    let session = person.session().await;
    let gate = Gate::new();
    app.endpoint().script(Script::stream().text("仁者").wait(&gate).text("爱人").finish("stop").done());
    let mut events = person.stream(&session, "仁是什么？").await;
    let start = events.until("start").await;
    events.until("delta").await;
    let path = format!("/api/messages/{}/stop", id_of(&start));
    let stopped = person.post(&path, &json!({})).await;
    assert_eq!(stopped.data()["state"], "stopped");
    let last = events.until("final").await;
    let message = &last.data["message"];
    assert_eq!((&message["status"], &message["content"]), (&json!("stopped"), &json!("仁者")));
    let credits = message["usage"]["credits"].as_i64().expect("a stopped reply is charged");
    let (available, held) = person.balance().await;
    assert_eq!((held, person.transactions_sum().await), (0, available));
    assert_eq!(available, 1_000_000 - credits);
    let question = start.data["userMessageId"].as_str().expect("an id");
    let again = person.post(&format!("/api/messages/{question}/stop"), &json!({})).await;
    assert_eq!(again.data()["state"], "stopped");
}

async fn a_repeat_of_a_streamed_question_streams_the_same_reply(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let session = person.session().await;
    let path = format!("/api/sessions/{session}/messages");
    let body = json!({ "content": "仁是什么？", "clientMsgId": "c-1" });
    let mut finals = Vec::new();
    for replayed in [None, Some("true")] {
        let request = person.request(reqwest::Method::POST, &path).json(&body);
        let mut events = tests::app::Events::of(person.events(request).await);
        assert_eq!(events.header("idempotent-replayed"), replayed);
        finals.push(events.until("final").await.data);
    }
    assert_eq!(finals[0], finals[1]);
}
