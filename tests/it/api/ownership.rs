//! Other people's ids, unknown ids and texts that are no ids: one and the same 404, on every route that has an id.

use reqwest::Method;
use serde_json::{Value, json};
use tests::app::{Answer, Person, Profile, TestApp, answer};

use super::on_both_profiles;

on_both_profiles! {
    what_is_another_persons_is_not_found,
    what_is_nowhere_is_not_found,
    every_route_with_an_id_is_tried,
}

/// Every route that has an id, with the kind of id and a body that it takes.
const ROUTES: [(&str, &str, &str); 51] = [
    ("DELETE", "/api/auth/sessions/{id}", "sign_in"),
    ("GET", "/api/sessions/{id}", "session"),
    ("PATCH", "/api/sessions/{id}", "session"),
    ("DELETE", "/api/sessions/{id}", "session"),
    ("GET", "/api/sessions/{id}/messages", "session"),
    ("POST", "/api/sessions/{id}/messages", "session"),
    ("GET", "/api/messages/{id}/stream", "message"),
    ("POST", "/api/messages/{id}/stop", "message"),
    ("POST", "/api/messages/{id}/recall", "message"),
    ("POST", "/api/messages/{id}/like", "message"),
    ("DELETE", "/api/messages/{id}/like", "message"),
    ("POST", "/api/messages/{id}/report", "message"),
    ("GET", "/api/conversations/{id}/events", "conversation"),
    ("GET", "/api/rooms/{id}/events", "conversation"),
    ("POST", "/api/rooms/{id}/read", "conversation"),
    ("GET", "/api/rooms/{id}/messages", "conversation"),
    ("POST", "/api/rooms/{id}/messages", "conversation"),
    ("GET", "/api/rooms/{id}", "room"),
    ("PATCH", "/api/rooms/{id}", "room"),
    ("PATCH", "/api/rooms/{id}/settings", "room"),
    ("DELETE", "/api/rooms/{id}", "room"),
    ("POST", "/api/rooms/{id}/join", "room"),
    ("POST", "/api/rooms/{id}/leave", "room"),
    ("GET", "/api/rooms/{id}/invite", "room"),
    ("GET", "/api/rooms/{id}/pool", "room"),
    ("POST", "/api/rooms/{id}/pool", "room"),
    ("POST", "/api/rooms/{id}/invite", "room"),
    ("GET", "/api/rooms/{id}/bans", "room"),
    ("DELETE", "/api/rooms/{id}/bans/{userId}", "room"),
    ("GET", "/api/rooms/{id}/members", "room"),
    ("PATCH", "/api/rooms/{id}/members/{userId}", "room"),
    ("DELETE", "/api/rooms/{id}/members/{userId}", "room"),
    ("POST", "/api/rooms/{id}/members/{userId}/mute", "room"),
    ("GET", "/api/squad/rooms/{id}", "squad"),
    ("POST", "/api/squad/rooms/{id}/messages", "squad"),
    ("GET", "/api/admin/rooms/{id}/turns", "operator"),
    ("POST", "/api/admin/rooms/{id}/announcements", "operator"),
    ("PATCH", "/api/admin/moderation/reports/{id}", "operator"),
    ("PUT", "/api/admin/coupons/{id}", "operator"),
    ("POST", "/api/payment/orders/{id}/refund", "operator"),
    ("GET", "/api/payment/orders/{id}", "order"),
    ("POST", "/api/payment/orders/{id}/cancel", "order"),
    ("POST", "/api/payment/orders/{id}/refund-request", "order"),
    ("GET", "/sandbox/pay/{id}", "signed"),
    ("POST", "/sandbox/pay/{id}", "signed"),
    ("PUT", "/api/users/{userId}/block", "person"),
    ("DELETE", "/api/users/{userId}/block", "person"),
    ("POST", "/api/users/{userId}/report", "person"),
    ("GET", "/api/characters/{id}", "shared"),
    ("GET", "/api/knowledge/passages/{id}", "shared"),
    ("GET", "/docs/{file}", "page"),
];

async fn call(person: &Person, method: &str, path: &str) -> Answer {
    let method: Method = method.parse().expect("a method");
    let body: Value = json!({
        "title": "夜谈", "content": "仁是什么？", "seq": 1, "seconds": 60, "role": "admin", "reason": "辱骂", "amount": 1,
        "idempotencyKey": "k"
    });
    let request = person.request(method.clone(), &path.replace("{userId}", &person.id));
    answer(if method == Method::GET { request } else { request.json(&body) }).await
}

async fn what_is_another_persons_is_not_found(profile: Profile) {
    let app = TestApp::start(profile).await;
    let (owner, stranger) = (app.person("owner").await, app.person("stranger").await);
    let session = owner.session().await;
    let asked = owner.ask(&session, &json!({ "content": "仁是什么？" })).await;
    let reply = asked.data()["message"]["messageId"].as_str().expect("an id").to_owned();
    let question = asked.data()["message"]["replyToMessageId"].as_str().expect("an id").to_owned();
    let sign_ins = owner.get("/api/auth/sessions").await;
    let sign_in = sign_ins.data()["signIns"][0]["signInId"].as_str().expect("an id").to_owned();
    let room = owner.room(&[]).await;
    let squad = json!({ "title": "甲", "topic": "乙", "characterIds": ["char_e_1"] });
    let squad = owner.post("/api/squad/rooms", &squad).await;
    let squad = squad.data()["room"]["roomId"].as_str().expect("an id").to_owned();
    for (method, template, kind) in ROUTES {
        let ids: &[&String] = match kind {
            "session" => &[&session],
            "room" => &[&room, &squad],
            "squad" => &[&squad],
            "conversation" => &[&session, &room, &squad],
            "message" => &[&reply, &question],
            "sign_in" => &[&sign_in],
            _ => &[],
        };
        for id in ids {
            let path = template.replace("{id}", id);
            let refused = call(&stranger, method, &path).await;
            assert_eq!(refused.error(), (404, "not_found"), "{method} {path}");
        }
    }
    // Nothing of it changed anything.
    assert_eq!(owner.get(&format!("/api/sessions/{session}")).await.data()["session"]["title"], "仁是什么？");
    let history = owner.get(&format!("/api/sessions/{session}/messages")).await;
    assert_eq!(history.data()["messages"].as_array().map(Vec::len), Some(2));
}

async fn what_is_nowhere_is_not_found(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let long = "x".repeat(2_000);
    let ids =
        ["0193d5c8-0000-7000-8000-000000000000", "nobody", "1", "%00", "..%2f..%2fetc", "%ff", "孔子", &long];
    for (method, template, kind) in ROUTES {
        // Opened by a signed link only: without it nobody looks whether there is such an order.
        if kind == "signed" {
            continue;
        }
        let expected = if kind == "operator" { (403, "forbidden") } else { (404, "not_found") };
        for id in ids {
            let path = template.replace("{id}", id).replace("{file}", id);
            let path = if kind == "person" { path.replace("{userId}", id) } else { path };
            let refused = call(&person, method, &path).await;
            assert_eq!(refused.error(), expected, "{method} {path}");
        }
    }
}

async fn every_route_with_an_id_is_tried(profile: Profile) {
    let app = TestApp::start(profile).await;
    let document = app.get("/api-docs/openapi.json").await;
    let paths = document.body["paths"].as_object().expect("paths");
    for (path, item) in paths.iter().filter(|(path, _)| path.contains('{')) {
        for method in item.as_object().expect("operations").keys() {
            let tried = ROUTES
                .iter()
                .any(|(known, template, _)| known.eq_ignore_ascii_case(method) && template == path);
            assert!(tried, "{method} {path} is missing in ROUTES");
        }
    }
}
