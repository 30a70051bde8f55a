//! Sessions over HTTP.

use serde_json::json;
use tests::app::{Profile, TestApp};

use super::on_both_profiles;

on_both_profiles! {
    a_session_without_a_character_is_with_kongzi,
    a_session_has_the_character_and_title_asked_for,
    sessions_are_listed_by_activity_with_their_last_message,
    a_session_is_renamed,
    a_deleted_session_is_gone_with_its_messages,
    an_unknown_character_is_not_found,
    a_title_is_checked,
}

async fn a_session_without_a_character_is_with_kongzi(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let created = person.post("/api/sessions", &json!({})).await;
    let session = &created.data()["session"];
    assert_eq!((&session["characterId"], &session["title"]), (&json!("classics_kongzi"), &json!("")));
    assert!(session["createTime"].is_i64() && session["lastActiveTime"].is_i64());
    let id = session["sessionId"].as_str().expect("an id");
    let read = person.get(&format!("/api/sessions/{id}")).await;
    assert_eq!(read.data()["session"], *session);
    let history = person.get(&format!("/api/sessions/{id}/messages")).await;
    let empty = json!({ "messages": [], "hasMore": false, "nextCursor": null, "head": 0 });
    assert_eq!(*history.data(), empty);
}

async fn a_session_has_the_character_and_title_asked_for(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let body = json!({ "characterId": "intj_scientist_001", "title": " 夜谈 " });
    let created = person.post("/api/sessions", &body).await;
    let session = &created.data()["session"];
    assert_eq!((&session["characterId"], &session["title"]), (&json!("intj_scientist_001"), &json!("夜谈")));
}

async fn sessions_are_listed_by_activity_with_their_last_message(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let (old, quiet) = (person.session().await, person.session().await);
    let asked = person.ask(&old, &json!({ "content": "仁是什么？" })).await;
    let list = person.get("/api/sessions").await;
    let sessions = list.data()["sessions"].as_array().expect("a list");
    assert_eq!((&sessions[0]["sessionId"], &sessions[1]["sessionId"]), (&json!(old), &json!(quiet)));
    assert_eq!(sessions[0]["lastMessage"]["messageId"], asked.data()["message"]["messageId"]);
    assert_eq!(sessions[0]["title"], "仁是什么？");
    assert!(sessions[1].get("lastMessage").is_none());
    let pagination = json!({ "page": 1, "pageSize": 20, "total": 2, "hasMore": false });
    assert_eq!(list.data()["pagination"], pagination);
    let second = person.get("/api/sessions?page=2&pageSize=1").await;
    assert_eq!(second.data()["sessions"][0]["sessionId"], quiet);
}

async fn a_session_is_renamed(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let path = format!("/api/sessions/{}", person.session().await);
    let renamed = person.patch(&path, &json!({ "title": "读论语" })).await;
    assert_eq!(renamed.data()["session"]["title"], "读论语");
    assert_eq!(person.get(&path).await.data()["session"]["title"], "读论语");
}

async fn a_deleted_session_is_gone_with_its_messages(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let session = person.session().await;
    let asked = person.ask(&session, &json!({ "content": "仁是什么？" })).await;
    let reply = asked.data()["message"]["messageId"].as_str().expect("an id").to_owned();
    let path = format!("/api/sessions/{session}");
    person.delete(&path).await.data();
    let gone = [path.clone(), format!("{path}/messages"), format!("/api/messages/{reply}/stream")];
    for path in gone {
        assert_eq!(person.get(&path).await.error(), (404, "not_found"), "{path}");
    }
    assert_eq!(person.delete(&path).await.error(), (404, "not_found"));
    assert_eq!(person.get("/api/sessions").await.data()["sessions"], json!([]));
    let (available, held) = person.balance().await;
    assert_eq!((person.transactions_sum().await, held), (available, 0));
}

async fn an_unknown_character_is_not_found(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    for id in ["nobody", "../etc", "孔子", ""] {
        let refused = person.post("/api/sessions", &json!({ "characterId": id })).await;
        assert_eq!(refused.error(), (404, "not_found"), "{id}");
    }
}

async fn a_title_is_checked(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let path = format!("/api/sessions/{}", person.session().await);
    assert_eq!(person.patch(&path, &json!({ "title": " " })).await.invalid(), ("title", "blank"));
    let long = json!({ "title": "学".repeat(101) });
    assert_eq!(person.patch(&path, &long).await.invalid(), ("title", "too_long"));
    assert_eq!(person.patch(&path, &json!({})).await.invalid(), ("title", "required"));
}
