//! Bodies and queries that no honest client sends.

use reqwest::Method;
use serde_json::{Value, json};
use tests::app::{Answer, Person, Profile, TestApp, answer};

use super::on_both_profiles;

on_both_profiles! {
    a_body_that_is_no_json_is_told_from_one_of_another_shape,
    a_body_over_the_limit_is_too_large_and_the_server_goes_on,
    a_deep_body_is_refused,
    every_body_is_checked_in_the_same_manner,
    queries_are_checked_in_the_same_manner,
    a_lone_surrogate_is_no_text,
    unknown_fields_and_other_content_types_are_taken,
    a_stranger_is_told_to_sign_in_and_nothing_else,
}

/// Every route with a body, and one with all that it needs.
fn routes(session: &str) -> Vec<(Method, String, Value)> {
    let password = "有朋自远方来不亦乐乎";
    vec![
        (Method::POST, "/api/auth/register".into(), json!({ "email": "a@b.cn", "password": password })),
        (Method::POST, "/api/auth/email-login".into(), json!({ "email": "a@b.cn", "password": password })),
        (Method::POST, "/api/auth/wechat-login".into(), json!({ "code": "c" })),
        (Method::POST, "/api/auth/wxlogin".into(), json!({ "code": "c" })),
        (
            Method::PUT,
            "/api/auth/password".into(),
            json!({ "oldPassword": password, "newPassword": password }),
        ),
        (Method::PATCH, format!("/api/sessions/{session}"), json!({ "title": "夜谈" })),
        (Method::POST, format!("/api/sessions/{session}/messages"), json!({ "content": "仁" })),
    ]
}

async fn send(person: &Person, method: &Method, path: &str, body: impl Into<reqwest::Body>) -> Answer {
    answer(person.request(method.clone(), path).header("content-type", "application/json").body(body)).await
}

async fn a_body_that_is_no_json_is_told_from_one_of_another_shape(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let post = Method::POST;
    for body in [&b"{"[..], b"nothing", b"{\"title\":\"\xff\xfe\"}", b"{'title':1}", b"{\"title\":1}}"] {
        let refused = send(&person, &post, "/api/sessions", body.to_vec()).await;
        assert_eq!(refused.error(), (400, "invalid_json"), "{body:?}");
        assert_eq!(refused.body["data"], Value::Null);
    }
    for body in ["[]", "\"text\"", "3", "null", "[\"classics_kongzi\"]"] {
        assert_eq!(send(&person, &post, "/api/sessions", body).await.invalid(), ("", "type"), "{body}");
    }
    assert_eq!(send(&person, &post, "/api/sessions", "{\"title\":3}").await.invalid(), ("title", "type"));
}

async fn a_body_over_the_limit_is_too_large_and_the_server_goes_on(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let session = person.session().await;
    let path = format!("/api/sessions/{session}/messages");
    let content = "a".repeat(10 << 20);
    let declared = person.ask(&session, &json!({ "content": content })).await;
    assert_eq!(declared.error(), (413, "payload_too_large"));
    let piece = bytes::Bytes::from(vec![b' '; 64 << 10]);
    let pieces = futures::stream::iter((0..160).map(move |_| Ok::<_, std::io::Error>(piece.clone())));
    let chunked = send(&person, &Method::POST, &path, reqwest::Body::wrap_stream(pieces)).await;
    assert_eq!(chunked.error(), (413, "payload_too_large"));
    let just_fits = format!("{{\"title\":\"夜谈\"{}}}", " ".repeat((1 << 20) - 18));
    assert_eq!(just_fits.len(), 1 << 20);
    assert_eq!(send(&person, &Method::POST, "/api/sessions", just_fits).await.status, 200);
}

async fn a_deep_body_is_refused(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{{\"title\":{}1{}}}", open.repeat(100_000), close.repeat(100_000));
        let refused = send(&person, &Method::POST, "/api/sessions", deep).await;
        assert_eq!(refused.error(), (400, "invalid_json"));
    }
}

async fn every_body_is_checked_in_the_same_manner(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let session = person.session().await;
    for (method, path, good) in routes(&session) {
        for field in good.as_object().expect("an object").keys() {
            for (value, rule) in
                [(json!(3), "type"), (json!({}), "type"), (json!(["x"]), "type"), (Value::Null, "type")]
            {
                let mut bad = good.clone();
                bad[field] = value;
                let refused = send(&person, &method, &path, bad.to_string()).await;
                assert_eq!(refused.invalid(), (field.as_str(), rule), "{method} {path}");
            }
            let mut less = good.clone();
            less.as_object_mut().expect("an object").remove(field);
            let refused = send(&person, &method, &path, less.to_string()).await;
            assert_eq!(refused.invalid(), (field.as_str(), "required"), "{method} {path}");
            let mut nul = good.clone();
            nul[field] = json!("a\0b");
            let refused = send(&person, &method, &path, nul.to_string()).await;
            assert_eq!(refused.invalid(), (field.as_str(), "nul"), "{method} {path}");
        }
        assert_eq!(
            send(&person, &method, &path, "{").await.error(),
            (400, "invalid_json"),
            "{method} {path}"
        );
    }
}

async fn queries_are_checked_in_the_same_manner(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let session = person.session().await;
    let history = format!("/api/sessions/{session}/messages");
    let cases = [
        ("/api/sessions?page=x".to_owned(), ("page", "value")),
        ("/api/sessions?pageSize=-1".to_owned(), ("pageSize", "value")),
        ("/api/sessions?page=1&page=2".to_owned(), ("page", "value")),
        ("/api/auth/login-logs?page=1.5".to_owned(), ("page", "value")),
        ("/api/billing/transactions?type=stolen".to_owned(), ("type", "value")),
        ("/api/billing/transactions?type=%00".to_owned(), ("type", "nul")),
        ("/api/characters?dimension=XXXX".to_owned(), ("dimension", "value")),
        ("/api/knowledge/search".to_owned(), ("q", "required")),
        ("/api/knowledge/search?q=".to_owned(), ("q", "blank")),
        (format!("/api/knowledge/search?q={}", "a".repeat(201)), ("q", "too_long")),
        ("/api/knowledge/search?q=a&k=0".to_owned(), ("k", "value")),
        (format!("{history}?since=x"), ("since", "value")),
        (format!("{history}?limit=x"), ("limit", "value")),
        (format!("{history}?before=x"), ("before", "format")),
        (format!("{history}?before=0193d5c8-0000-7000-8000-000000000000&since=1"), ("since", "value")),
    ];
    for (path, wanted) in cases {
        assert_eq!(person.get(&path).await.invalid(), wanted, "{path}");
    }
    let large = person.get("/api/sessions?page=4294967295&pageSize=4294967295").await;
    assert_eq!(large.data()["pagination"]["pageSize"], 100);
    assert_eq!(person.get(&format!("{history}?limit=0")).await.status, 200);
}

async fn a_lone_surrogate_is_no_text(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    for body in [r#"{"title":"\ud800"}"#, r#"{"title":"\udc00x"}"#, r#"{"other":"\ud800"}"#] {
        assert_eq!(
            send(&person, &Method::POST, "/api/sessions", body).await.error(),
            (400, "invalid_json"),
            "{body}"
        );
    }
    let pair = send(&person, &Method::POST, "/api/sessions", r#"{"title":"\ud842\udfb7"}"#).await;
    assert_eq!(pair.data()["session"]["title"], "𠮷");
}

async fn unknown_fields_and_other_content_types_are_taken(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let request = person.request(Method::POST, "/api/sessions").body(r#"{"title":"夜谈","more":{"x":[1]}}"#);
    assert_eq!(answer(request).await.data()["session"]["title"], "夜谈");
    assert_eq!(
        answer(person.request(Method::POST, "/api/sessions")).await.status,
        200,
        "no body is an empty one"
    );
}

async fn a_stranger_is_told_to_sign_in_and_nothing_else(profile: Profile) {
    let app = TestApp::start(profile).await;
    let (get, post) = (Method::GET, Method::POST);
    let long = "x".repeat(300);
    let bodies = [
        (post.clone(), "/api/sessions".to_owned()),
        (post.clone(), "/api/sessions/x/messages".to_owned()),
        (Method::PATCH, "/api/sessions/x".to_owned()),
        (Method::PUT, "/api/user/profile".to_owned()),
        (Method::PUT, "/api/auth/password".to_owned()),
    ];
    for (method, path) in bodies {
        for body in ["{", "[]", "{\"title\":3,\"content\":3,\"gender\":\"x\"}"] {
            let request = app.request(method.clone(), &path).header("idempotency-key", "a b").body(body);
            assert_eq!(answer(request).await.error(), (401, "unauthorized"), "{method} {path} {body}");
        }
    }
    let others = [
        (get.clone(), "/api/sessions?page=x".to_owned()),
        (get.clone(), "/api/sessions/x/messages?limit=x".to_owned()),
        (get.clone(), format!("/api/sessions/{long}")),
        (Method::DELETE, format!("/api/sessions/{long}")),
        (get.clone(), "/api/messages/x/stream?offset=x".to_owned()),
        (post, "/api/messages/x/stop".to_owned()),
        (get.clone(), "/api/auth/login-logs?page=x".to_owned()),
        (Method::DELETE, format!("/api/auth/sessions/{long}")),
        (get.clone(), "/api/billing/transactions?page=x".to_owned()),
        (get.clone(), "/api/characters?page=x".to_owned()),
        (get.clone(), format!("/api/characters/{long}")),
        (get.clone(), "/api/knowledge/search?k=x".to_owned()),
        (get, format!("/api/knowledge/passages/{long}")),
    ];
    for (method, path) in others {
        let request = app.request(method.clone(), &path);
        assert_eq!(answer(request).await.error(), (401, "unauthorized"), "{method} {path}");
    }
}
