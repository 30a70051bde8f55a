//! Asking and reading back, whole replies.

use reqwest::Method;
use serde_json::{Value, json};
use tests::app::{Person, Profile, TestApp, answer};
use tests::fakes::openai::{Gate, Script};

use super::on_both_profiles;

on_both_profiles! {
    a_question_about_the_analects_is_answered_from_them,
    a_reply_costs_what_its_usage_says,
    a_repeated_client_msg_id_gets_the_same_answer,
    a_client_msg_id_is_for_one_message,
    a_second_question_waits_for_the_first_reply,
    a_poor_person_is_told_before_anything_is_stored,
    a_message_has_a_thousand_characters_at_most,
    a_history_is_read_page_by_page,
    a_history_is_caught_up_from_a_seq,
    an_unknown_model_is_not_found,
}

fn messages(answer: &Value) -> &Vec<Value> {
    answer["messages"].as_array().expect("messages")
}

async fn history(person: &Person, session: &str, query: &str) -> Value {
    person.get(&format!("/api/sessions/{session}/messages{query}")).await.data().clone()
}

async fn a_question_about_the_analects_is_answered_from_them(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let session = person.session().await;
    let asked =
        person.ask(&session, &json!({ "content": "学而时习之是什么意思？", "clientMsgId": "c-1" })).await;
    let message = &asked.data()["message"];
    assert_eq!(
        (&message["role"], &message["status"], &message["seq"]),
        (&json!("assistant"), &json!("done"), &json!(2))
    );
    assert_eq!((&message["characterId"], &message["isFavorite"]), (&json!("classics_kongzi"), &json!(false)));
    let citation = &message["citations"][0];
    assert_eq!(
        (&citation["n"], &citation["work"], &citation["chapter"]),
        (&json!(1), &json!("论语"), &json!("学而"))
    );
    let aigc = json!({ "label": "1", "text": "内容由AI生成", "produceId": message["messageId"], "producer": "Jixia" });
    assert_eq!(message["aigc"], aigc);
    let passage = citation["passageId"].as_str().expect("a passage");
    let read = person.get(&format!("/api/knowledge/passages/{passage}")).await;
    assert_eq!(read.data()["passage"]["text"], citation["quote"]);

    let page = history(&person, &session, "").await;
    let [question, reply] = &messages(&page)[..] else { panic!("{page}") };
    assert_eq!(
        (&question["role"], &question["seq"], &question["clientMsgId"]),
        (&json!("user"), &json!(1), &json!("c-1"))
    );
    assert!(question.get("aigc").is_none() && question.get("usage").is_none());
    assert_eq!((reply, &page["head"]), (message, &json!(3)));
    assert_eq!(
        (&reply["replyToMessageId"], &page["nextCursor"]),
        (&question["messageId"], &question["messageId"])
    );
}

async fn a_reply_costs_what_its_usage_says(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let before = person.balance().await.0;
    let session = person.session().await;
    let asked = person.ask(&session, &json!({ "content": "仁是什么？" })).await;
    let usage = &asked.data()["usage"];
    assert_eq!(*usage, asked.data()["message"]["usage"]);
    let credits = usage["credits"].as_i64().expect("credits");
    assert!(credits > 0 && usage["promptTokens"].as_i64() > Some(0), "{usage}");
    assert_eq!(person.balance().await, (before - credits, 0));
    assert_eq!(person.transactions_sum().await, before - credits);
    let list = person.get("/api/billing/transactions?type=consume").await;
    let newest = &list.data()["transactions"][0];
    assert_eq!((&newest["amount"], &newest["balanceAfter"]), (&json!(-credits), &json!(before - credits)));
    assert_eq!(newest["refId"], asked.data()["message"]["messageId"]);
}

async fn a_repeated_client_msg_id_gets_the_same_answer(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let session = person.session().await;
    let body = json!({ "content": "仁是什么？", "clientMsgId": "c-1" });
    let first = person.ask(&session, &body).await;
    let again = person.ask(&session, &body).await;
    assert_eq!(again.data(), first.data());
    assert_eq!(
        (first.header("idempotent-replayed"), again.header("idempotent-replayed")),
        (None, Some("true"))
    );
    assert_eq!(messages(&history(&person, &session, "").await).len(), 2);
}

async fn a_client_msg_id_is_for_one_message(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let session = person.session().await;
    person.ask(&session, &json!({ "content": "仁是什么？", "clientMsgId": "c-1" })).await.data();
    let other = person.ask(&session, &json!({ "content": "义是什么？", "clientMsgId": "c-1" })).await;
    assert_eq!(other.error(), (409, "idempotency_conflict"));
    let long = json!({ "content": "仁", "clientMsgId": "x".repeat(65) });
    assert_eq!(person.ask(&session, &long).await.invalid().0, "clientMsgId");
}

async fn a_second_question_waits_for_the_first_reply(profile: Profile) {
    let app = TestApp::with_model(profile, |_| ()).await;
    let person = app.person("one").await;
    let session = person.session().await;
    let gate = Gate::new();
    app.endpoint().script(Script::stream().text("仁者").wait(&gate).text("爱人").finish("stop").done());
    let mut events = person.stream(&session, "仁是什么？").await;
    events.until("delta").await;
    let second = person.ask(&session, &json!({ "content": "义是什么？" })).await;
    assert_eq!(second.error(), (409, "reply_in_progress"));
    gate.open();
    events.until("done").await;
    assert_eq!(messages(&history(&person, &session, "").await).len(), 2);
    person.ask(&session, &json!({ "content": "义是什么？" })).await.data();
}

async fn a_poor_person_is_told_before_anything_is_stored(profile: Profile) {
    let app = TestApp::with_model(profile, |config| config.billing.welcome_credits = 10).await;
    let person = app.person("one").await;
    let session = person.session().await;
    let body = json!({ "content": "仁是什么？", "clientMsgId": "c-1" });
    for _ in 0..2 {
        let refused = person.ask(&session, &body).await;
        assert_eq!(refused.error(), (402, "insufficient_balance"));
        assert!(
            refused.body["message"].as_str().is_some_and(|text| text.contains("余额不足")),
            "{}",
            refused.text
        );
    }
    assert_eq!(messages(&history(&person, &session, "").await).len(), 0);
    assert_eq!(person.balance().await, (10, 0));
    assert_eq!(app.endpoint().requests().len(), 0, "nothing upstream is called without a hold");
}

async fn a_message_has_a_thousand_characters_at_most(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let session = person.session().await;
    for (content, rule) in
        [(String::new(), "blank"), (" \u{3000}".into(), "blank"), ("学".repeat(1_001), "too_long")]
    {
        let refused = person.ask(&session, &json!({ "content": content })).await;
        assert_eq!(refused.invalid(), ("content", rule));
    }
    let path = format!("/api/sessions/{session}/messages");
    let nul = person.request(Method::POST, &path).body(r#"{"content":"a\u0000b"}"#);
    assert_eq!(answer(nul).await.invalid(), ("content", "nul"));
    assert_eq!(messages(&history(&person, &session, "").await).len(), 0);
    person.ask(&session, &json!({ "content": "学".repeat(1_000) })).await.data();
}

async fn a_history_is_read_page_by_page(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let session = person.session().await;
    for question in ["一", "二", "三"] {
        person.ask(&session, &json!({ "content": question })).await.data();
    }
    let mut seqs = Vec::new();
    let mut query = "?limit=4".to_owned();
    loop {
        let page = history(&person, &session, &query).await;
        let part: Vec<_> = messages(&page).iter().filter_map(|message| message["seq"].as_u64()).collect();
        assert!(part.is_sorted(), "messages ascend inside a page");
        seqs.splice(0..0, part);
        if page["hasMore"] == false {
            break;
        }
        query = format!("?limit=4&before={}", page["nextCursor"].as_str().expect("a cursor"));
    }
    assert_eq!(seqs, [1, 2, 4, 5, 7, 8]);
    let strange = "?before=0193d5c8-0000-7000-8000-000000000000";
    assert_eq!(history(&person, &session, strange).await["messages"], json!([]));
}

async fn a_history_is_caught_up_from_a_seq(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let session = person.session().await;
    person.ask(&session, &json!({ "content": "一" })).await.data();
    let head = history(&person, &session, "").await["head"].as_u64().expect("a head");
    assert_eq!(history(&person, &session, &format!("?since={head}")).await["messages"], json!([]));
    person.ask(&session, &json!({ "content": "二" })).await.data();
    let page = history(&person, &session, &format!("?since={head}")).await;
    assert_eq!((messages(&page).len(), &page["head"]), (2, &json!(head + 3)));
}

async fn an_unknown_model_is_not_found(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let session = person.session().await;
    let unknown = person.ask(&session, &json!({ "content": "仁", "model": "gpt-unknown" })).await;
    assert_eq!(unknown.error(), (404, "not_found"));
    person.ask(&session, &json!({ "content": "仁", "model": "default", "useKnowledge": false })).await.data();
}
