//! The person's own sign-ins: the log, the list, the password.

use serde_json::json;
use tests::app::{PASSWORD, Person, Profile, TestApp};

use super::on_both_profiles;

on_both_profiles! {
    attempts_are_in_the_log,
    a_sign_in_elsewhere_is_listed_and_ended,
    a_new_password_ends_the_other_sign_ins,
    a_password_change_needs_the_old_one,
    a_weak_password_is_named,
}

async fn sign_in(app: &TestApp, email: &str, password: &str) -> Person {
    let body = json!({ "email": email, "password": password });
    let answer = app.post("/api/auth/email-login", &body).await;
    answer.data();
    app.signed_in(&answer)
}

async fn attempts_are_in_the_log(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let wrong = json!({ "email": "one@example.com", "password": "not the password" });
    app.post("/api/auth/email-login", &wrong).await;
    let page = person.get("/api/auth/login-logs?pageSize=1").await;
    let newest = &page.data()["logs"][0];
    assert_eq!((&newest["method"], &newest["success"]), (&json!("email"), &json!(false)));
    assert_eq!((&newest["reason"], &newest["ip"]), (&json!("wrong_password"), &json!("127.0.0.1")));
    let pagination = json!({ "page": 1, "pageSize": 1, "total": 2, "hasMore": true });
    assert_eq!(page.data()["pagination"], pagination);
    let second = person.get("/api/auth/login-logs?pageSize=1&page=2").await;
    assert_eq!(second.data()["logs"][0]["method"], "register");
    assert_eq!(second.data()["pagination"]["hasMore"], false);
}

async fn a_sign_in_elsewhere_is_listed_and_ended(profile: Profile) {
    let app = TestApp::start(profile).await;
    let here = app.person("one").await;
    let there = sign_in(&app, "one@example.com", PASSWORD).await;
    let list = here.get("/api/auth/sessions").await;
    let all = list.data()["signIns"].as_array().expect("a list");
    assert_eq!(all.len(), 2);
    assert_eq!(all.iter().filter(|sign_in| sign_in["isCurrent"] == true).count(), 1);
    let other = all.iter().find(|sign_in| sign_in["isCurrent"] == false).expect("the other");
    let path = format!("/api/auth/sessions/{}", other["signInId"].as_str().expect("an id"));
    here.delete(&path).await.data();
    assert_eq!(there.get("/api/user/profile").await.error(), (401, "unauthorized"));
    assert_eq!(here.get("/api/user/profile").await.status, 200);
    assert_eq!(here.get("/api/auth/sessions").await.data()["signIns"].as_array().map(Vec::len), Some(1));
}

async fn a_new_password_ends_the_other_sign_ins(profile: Profile) {
    let app = TestApp::start(profile).await;
    let here = app.person("one").await;
    let there = sign_in(&app, "one@example.com", PASSWORD).await;
    let change = json!({ "oldPassword": PASSWORD, "newPassword": "温故而知新可以为师矣" });
    here.put("/api/auth/password", &change).await.data();
    assert_eq!(there.get("/api/user/profile").await.error(), (401, "unauthorized"));
    assert_eq!(here.get("/api/user/profile").await.status, 200);
    sign_in(&app, "one@example.com", "温故而知新可以为师矣").await;
    let old = json!({ "email": "one@example.com", "password": PASSWORD });
    assert_eq!(app.post("/api/auth/email-login", &old).await.error(), (401, "invalid_credentials"));
}

async fn a_password_change_needs_the_old_one(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let change = json!({ "oldPassword": "not the password", "newPassword": "温故而知新可以为师矣" });
    assert_eq!(person.put("/api/auth/password", &change).await.error(), (401, "invalid_credentials"));
}

async fn a_weak_password_is_named(profile: Profile) {
    let app = TestApp::start(profile).await;
    let register = |password: String| json!({ "email": "one@example.com", "password": password });
    for (password, rule) in [("short", "too_short"), ("password", "too_common")] {
        let refused = app.post("/api/auth/register", &register(password.to_owned())).await;
        assert_eq!(refused.invalid(), ("password", rule));
    }
    let verse = "天地玄黄宇宙洪荒日月盈昃辰宿列张".repeat(4);
    let long = app.post("/api/auth/register", &register(format!("{verse}寒"))).await;
    assert_eq!(long.invalid(), ("password", "too_long"));
    // All 64 characters count: bcrypt alone would look at the first 24.
    assert_eq!(app.post("/api/auth/register", &register(verse.clone())).await.status, 200);
    let almost = json!({ "email": "one@example.com", "password": verse.replace("列张", "列长") });
    assert_eq!(app.post("/api/auth/email-login", &almost).await.error(), (401, "invalid_credentials"));
}
