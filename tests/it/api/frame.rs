//! What is around every request: ids, languages, headers, compression, origins.

use reqwest::Method;
use tests::app::{Profile, TestApp, answer};

use super::on_both_profiles;

on_both_profiles! {
    a_request_id_goes_in_and_out_if_it_is_plain,
    messages_are_in_the_language_asked_for,
    every_answer_has_its_safety_headers,
    json_is_compressed_where_the_client_takes_it,
    small_answers_and_streams_are_not_compressed,
    other_sites_may_not_call_unless_they_are_named,
    an_unknown_address_and_a_wrong_method_are_told_apart,
}

async fn a_request_id_goes_in_and_out_if_it_is_plain(profile: Profile) {
    let app = TestApp::start(profile).await;
    let with = |id: &str| app.request(Method::GET, "/livez").header("x-request-id", id);
    let plain = answer(with("trace-01_A")).await;
    assert_eq!(
        (plain.header("x-request-id"), &plain.body["requestId"]),
        (Some("trace-01_A"), &"trace-01_A".into())
    );
    for strange in ["a b", "<script>", &"x".repeat(65)] {
        let own = answer(with(strange)).await;
        assert_ne!(own.header("x-request-id"), Some(strange));
        assert_eq!(own.header("x-request-id").map(str::len), Some(36));
        assert_eq!(own.body["requestId"].as_str(), own.header("x-request-id"));
    }
}

async fn messages_are_in_the_language_asked_for(profile: Profile) {
    let app = TestApp::start(profile).await;
    for (language, words) in
        [(None, "没有找到"), (Some("en-GB,en;q=0.9"), "There is no such thing."), (Some("fr"), "没有找到")]
    {
        let mut request = app.request(Method::GET, "/api/nowhere");
        if let Some(language) = language {
            request = request.header("accept-language", language);
        }
        assert_eq!(answer(request).await.body["message"], words);
    }
}

async fn every_answer_has_its_safety_headers(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    for answer in [app.get("/").await, app.get("/nowhere").await, person.get("/api/user/profile").await] {
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert!(answer.header("x-request-id").is_some());
    }
    assert_eq!(person.get("/api/user/profile").await.header("cache-control"), Some("no-store"));
    let policy = app.get("/").await.header("content-security-policy").map(str::to_owned);
    assert!(policy.is_some_and(|policy| policy.contains("default-src 'none'") && !policy.contains("unsafe")));
}

async fn json_is_compressed_where_the_client_takes_it(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let request = person.request(Method::GET, "/api/characters").header("accept-encoding", "gzip");
    let response = request.send().await.expect("an answer");
    assert_eq!(
        response.headers().get("content-encoding").and_then(|value| value.to_str().ok()),
        Some("gzip")
    );
    assert_eq!(response.bytes().await.expect("bytes")[..2], [0x1f, 0x8b]);
    assert_eq!(person.get("/api/characters").await.header("content-encoding"), None);
}

async fn small_answers_and_streams_are_not_compressed(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let takes_gzip = |method, path: &str| person.request(method, path).header("accept-encoding", "gzip, br");
    let small = answer(takes_gzip(Method::GET, "/api/user/profile")).await;
    assert_eq!(
        (small.data()["nickName"].as_str(), small.header("content-encoding")),
        (Some("one"), Some("identity"))
    );
    let path = format!("/api/sessions/{}/messages", person.session().await);
    let ask = takes_gzip(Method::POST, &path).json(&serde_json::json!({ "content": "仁是什么？" }));
    let stream = answer(ask.header("accept", "text/event-stream")).await;
    assert_eq!(stream.header("content-encoding"), Some("identity"));
    assert!(stream.text.contains("event: done"), "{}", stream.text);
}

async fn other_sites_may_not_call_unless_they_are_named(profile: Profile) {
    let closed = TestApp::start(profile).await;
    let ask = |app: &TestApp, origin: &str| app.request(Method::GET, "/livez").header("origin", origin);
    let allowed =
        |answer: &tests::app::Answer| answer.header("access-control-allow-origin").map(str::to_owned);
    assert_eq!(allowed(&answer(ask(&closed, "https://chat.example.com")).await), None);
    let origins = vec!["https://chat.example.com".to_owned()];
    let open = TestApp::with(profile, |config| config.http.cors_origins = origins).await;
    let named = answer(ask(&open, "https://chat.example.com")).await;
    assert_eq!(allowed(&named).as_deref(), Some("https://chat.example.com"));
    for other in ["https://evil.example", "http://chat.example.com", "https://chat.example.com.evil.example"]
    {
        assert_eq!(allowed(&answer(ask(&open, other)).await), None, "{other}");
    }
    let preflight = open
        .request(Method::OPTIONS, "/api/sessions")
        .header("origin", "https://chat.example.com")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-type");
    let preflight = answer(preflight).await;
    assert_eq!((preflight.status, allowed(&preflight).as_deref()), (200, Some("https://chat.example.com")));
    let refused = open
        .request(Method::OPTIONS, "/api/sessions")
        .header("origin", "https://evil.example")
        .header("access-control-request-method", "POST");
    assert_eq!(answer(refused).await.error(), (403, "forbidden"));
}

async fn an_unknown_address_and_a_wrong_method_are_told_apart(profile: Profile) {
    let app = TestApp::start(profile).await;
    for path in ["/nowhere", "/api", "/api/", "/api/sessions/", "/../etc/passwd", "//", "/api/user/profile/x"]
    {
        assert_eq!(app.get(path).await.error(), (404, "not_found"), "{path}");
    }
    for (method, path, allow) in [
        (Method::DELETE, "/api/sessions", "GET, POST"),
        (Method::POST, "/api/user/profile", "GET, PUT"),
        (Method::PUT, "/api/sessions/x/messages", "GET, POST"),
        (Method::POST, "/", "GET, HEAD"),
        (Method::DELETE, "/docs", "GET, HEAD"),
    ] {
        let refused = answer(app.request(method.clone(), path)).await;
        assert_eq!(refused.error(), (405, "method_not_allowed"), "{method} {path}");
        assert_eq!(refused.header("allow"), Some(allow), "{method} {path}");
    }
}
