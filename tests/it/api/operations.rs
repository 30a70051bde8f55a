//! Probes, metrics, the page and the documentation.

use reqwest::Method;
use serde_json::json;
use tests::app::{Profile, TestApp, answer};

use super::on_both_profiles;

on_both_profiles! {
    probes_answer,
    probes_answer_head,
    metrics_count_requests_by_route,
    the_page_is_served_with_its_files,
    a_known_file_is_not_sent_again,
    the_documentation_is_served,
}

async fn probes_answer(profile: Profile) {
    let app = TestApp::start(profile).await;
    for path in ["/livez", "/healthz"] {
        assert_eq!(app.get(path).await.data()["status"], "alive", "{path}");
    }
    let ready = app.get("/readyz").await;
    assert_eq!((&ready.data()["status"], ready.data().get("dependencies")), (&json!("ready"), None));
    let verbose = app.get("/readyz?verbose").await;
    let dependencies = verbose.data()["dependencies"].as_array().expect("dependencies");
    assert!(dependencies.iter().any(|dependency| dependency["name"] == "store" && dependency["up"] == true));
}

async fn probes_answer_head(profile: Profile) {
    let app = TestApp::start(profile).await;
    for path in ["/livez", "/healthz", "/readyz"] {
        let head = answer(app.request(Method::HEAD, path)).await;
        assert_eq!((head.status, head.text.as_str()), (200, ""), "{path}");
        let refused = answer(app.request(Method::POST, path)).await;
        assert_eq!(
            (refused.error(), refused.header("allow")),
            ((405, "method_not_allowed"), Some("GET, HEAD"))
        );
    }
}

async fn metrics_count_requests_by_route(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let session = person.session().await;
    person.get(&format!("/api/sessions/{session}/messages")).await.data();
    let metrics = app.get("/metrics").await;
    assert!(metrics.header("content-type").is_some_and(|kind| kind.starts_with("text/plain")));
    let wanted = [
        r#"http_requests_total{method="GET",route="/api/sessions/{id}/messages",status="200"} 1"#,
        r#"http_request_duration_seconds_count{method="POST",route="/api/auth/register"} 1"#,
        "http_requests_in_flight",
        "build_info",
    ];
    for line in wanted {
        assert!(metrics.text.contains(line), "{line} in {}", metrics.text);
    }
    assert!(!metrics.text.contains(&session), "ids are no labels");
}

async fn the_page_is_served_with_its_files(profile: Profile) {
    let app = TestApp::start(profile).await;
    let page = app.get("/").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let links = page.text.split(['"', '\'']).filter(|link| link.starts_with('/') && link.contains('.'));
    for link in links {
        let file = app.get(link).await;
        assert_eq!(file.status, 200, "{link}");
        assert_ne!(file.header("content-type"), Some("application/octet-stream"), "{link}");
    }
    let head = answer(app.request(Method::HEAD, "/")).await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
}

async fn a_known_file_is_not_sent_again(profile: Profile) {
    let app = TestApp::start(profile).await;
    for path in ["/", "/api-docs/openapi.json"] {
        let first = app.get(path).await;
        let tag = first.header("etag").expect("a tag").to_owned();
        let again = answer(app.request(Method::GET, path).header("if-none-match", tag)).await;
        assert_eq!((again.status, again.text.as_str()), (304, ""), "{path}");
    }
}

async fn the_documentation_is_served(profile: Profile) {
    let app = TestApp::start(profile).await;
    // The client follows the redirect to /docs/.
    let docs = app.get("/docs").await;
    assert!(docs.text.contains("swagger-ui"), "{}", docs.text);
    for file in ["swagger-ui.css", "swagger-ui-bundle.js", "swagger-initializer.js"] {
        let answer = app.get(&format!("/docs/{file}")).await;
        assert_eq!(answer.status, 200, "{file}");
    }
    assert!(app.get("/docs/swagger-initializer.js").await.text.contains("/api-docs/openapi.json"));
    assert_eq!(app.get("/docs/nowhere.js").await.error(), (404, "not_found"));
}
