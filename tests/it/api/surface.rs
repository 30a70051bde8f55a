//! The surface as a whole: the registry of errors, and that document and router are one.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use api::language::Language;
use api::problem::Slug;
use reqwest::Method;
use serde_json::Value;
use tests::app::{Profile, TestApp, answer};

use super::on_both_profiles;

on_both_profiles! {
    every_operation_of_the_document_is_answered,
    the_passage_of_the_examples_can_be_read,
}

#[test]
fn every_slug_has_its_status_and_its_words_in_both_languages() {
    let mut table = String::new();
    for slug in Slug::ALL {
        let (chinese, english) = (slug.message(Language::Chinese), slug.message(Language::English));
        let _ = writeln!(table, "{} {} | {chinese} | {english}", slug.status().as_u16(), slug.as_str());
    }
    insta::assert_snapshot!("slugs", table);
}

#[test]
fn every_handler_in_the_sources_is_an_operation_of_the_document() {
    let documented = operations(&serde_json::from_str(&api::openapi_json()).expect("JSON"));
    let handlers = handlers();
    assert!(handlers.len() > 30, "the sources were found: {handlers:?}");
    assert_eq!(handlers, documented);
}

#[test]
fn every_operation_is_described_for_readers_and_for_programs() {
    let document: Value = serde_json::from_str(&api::openapi_json()).expect("JSON");
    let mut ids = BTreeSet::new();
    for (path, method, operation) in each_operation(&document) {
        let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
        assert!(!id.is_empty() && id.is_ascii(), "{method} {path} has an id");
        assert!(ids.insert(id.clone()), "{id} is used once");
        assert!(operation["summary"].as_str().is_some_and(|text| !text.is_ascii()), "{id} has a summary");
        assert!(operation["tags"][0].is_string(), "{id} has a tag");
        assert!(operation["security"].is_array(), "{id} says who may call");
        let responses = operation["responses"].as_object().expect("responses");
        assert!(responses.contains_key("200") && responses.contains_key("500"), "{id}");
        let has_body = ["post", "put", "patch"].contains(&method) && operation.get("requestBody").is_some();
        assert_eq!(has_body, responses.contains_key("413"), "{id} says what becomes of bad bodies");
        assert_eq!(path.contains('{'), responses.contains_key("404") && path.contains('{'), "{id}");
    }
}

#[test]
fn every_reference_of_the_document_points_somewhere() {
    let text = api::openapi_json();
    let document: Value = serde_json::from_str(&text).expect("JSON");
    let schemas = document["components"]["schemas"].as_object().expect("schemas");
    let names = text.split("\"#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next());
    for name in names {
        assert!(schemas.contains_key(name), "{name}");
    }
}

async fn every_operation_of_the_document_is_answered(profile: Profile) {
    let app = TestApp::start(profile).await;
    let document = app.get("/api-docs/openapi.json").await;
    for (method, template) in operations(&document.body) {
        let path = template.replace("{id}", "x");
        let method: Method = method.parse().expect("a method");
        // Without a token an operation is open, refuses the caller, or refuses what it got; a route that is not there
        // would be 404 or 405.
        let answer = answer(app.request(method.clone(), &path)).await;
        assert!([200, 401, 422].contains(&answer.status), "{method} {path} answers {}", answer.status);
    }
}

async fn the_passage_of_the_examples_can_be_read(profile: Profile) {
    let document: Value = serde_json::from_str(&api::openapi_json()).expect("JSON");
    let citation = &document["components"]["schemas"]["CitationView"]["properties"];
    let id = citation["passageId"]["example"].as_str().expect("an example");
    let app = TestApp::start(profile).await;
    let passage = app.person("one").await.get(&format!("/api/knowledge/passages/{id}")).await;
    assert!(passage.data()["passage"]["text"].as_str().is_some_and(|text| text.contains("学而时习之")));
}

fn each_operation(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().expect("paths");
    let methods = |item: &'_ Value| item.as_object().expect("operations").clone();
    let mut all = Vec::new();
    for (path, item) in paths {
        for method in methods(item).keys() {
            let (method, operation) =
                item.as_object().and_then(|item| item.get_key_value(method)).expect("it");
            all.push((path.as_str(), method.as_str(), operation));
        }
    }
    all
}

fn operations(document: &Value) -> BTreeSet<(String, String)> {
    let named = |(path, method, _): (&str, &str, &Value)| (method.to_uppercase(), path.to_owned());
    each_operation(document).into_iter().map(named).collect()
}

/// Method and path of every `#[get("…")]` and its like in the sources of the API.
fn handlers() -> BTreeSet<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/api/src/routes");
    let mut found = BTreeSet::new();
    for file in fs::read_dir(folder).expect("the routes") {
        let text = fs::read_to_string(file.expect("a file").path()).expect("a readable file");
        for line in text.lines() {
            let Some((method, rest)) = line.strip_prefix("#[").and_then(|line| line.split_once("(\"/"))
            else {
                continue;
            };
            let path = rest.split('"').next().unwrap_or_default();
            found.insert((method.to_uppercase(), format!("/{path}")));
        }
    }
    found
}
