//! The library over HTTP.

use serde_json::json;
use tests::app::{Profile, TestApp};

use super::on_both_profiles;

on_both_profiles! {
    a_search_finds_the_passage_and_marks_the_words,
    a_search_stays_in_the_works_that_are_named,
    works_are_listed_with_their_provenance,
    a_passage_is_read_by_its_id,
}

async fn a_search_finds_the_passage_and_marks_the_words(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    for question in ["学而时习之", "學而時習之"] {
        let found = person.get(&format!("/api/knowledge/search?q={question}&k=3")).await;
        let hits = found.data()["hits"].as_array().expect("hits");
        assert!(hits.len() <= 3);
        let hit = &hits[0];
        assert_eq!(
            (&hit["work"], &hit["chapter"], &hit["number"]),
            (&json!("论语"), &json!("学而"), &json!(1))
        );
        let text: Vec<u16> = hit["text"].as_str().expect("text").encode_utf16().collect();
        let place = |name: &str| {
            hit["highlights"][0][name].as_u64().and_then(|at| usize::try_from(at).ok()).expect("a place")
        };
        let marked = String::from_utf16_lossy(&text[place("start")..place("end")]);
        assert!("学而时习之".contains(&marked), "{marked}");
        assert!(hit["score"].as_f64() > Some(0.0) && hit["passageId"].is_string());
    }
}

async fn a_search_stays_in_the_works_that_are_named(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let found = person.get("/api/knowledge/search?q=天下&k=20&work=老子,孙子").await;
    let hits = found.data()["hits"].as_array().expect("hits");
    assert!(!hits.is_empty());
    assert!(hits.iter().all(|hit| hit["work"] == "道德经" || hit["work"] == "孙子兵法"), "{}", found.text);
    let unknown = person.get("/api/knowledge/search?q=天下&work=没有这本书").await;
    assert_eq!(unknown.error(), (404, "not_found"));
}

async fn works_are_listed_with_their_provenance(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let list = person.get("/api/knowledge/works").await;
    let works = list.data()["works"].as_array().expect("works");
    for name in ["论语", "孟子", "大学", "中庸", "道德经", "孙子兵法", "唐诗三百首"] {
        let work = works.iter().find(|work| work["name"] == name).unwrap_or_else(|| panic!("no {name}"));
        assert!(work["provenance"].as_str().is_some_and(|text| !text.is_empty()), "{work}");
    }
}

async fn a_passage_is_read_by_its_id(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let read = person.get("/api/knowledge/passages/lunyu.1.1").await;
    let passage = &read.data()["passage"];
    assert_eq!((&passage["passageId"], &passage["work"]), (&json!("lunyu.1.1"), &json!("论语")));
    assert!(passage["text"].as_str().is_some_and(|text| text.contains("学而时习之")));
}
