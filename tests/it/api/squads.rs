//! Squads over HTTP.

use reqwest::Method;
use serde_json::{Value, json};
use tests::app::{Events, Person, Profile, TestApp};

use super::on_both_profiles;

on_both_profiles! {
    there_are_sixteen_characters_and_seven_topics,
    a_squad_is_made_listed_and_read,
    a_squad_has_one_to_eight_characters,
    every_character_answers_in_the_rooms_order,
    a_mentioned_character_answers_alone,
    a_poor_owner_is_told_before_anything_is_stored,
}

async fn squad(person: &Person, characters: &[&str]) -> String {
    let body = json!({ "title": "换工作", "topic": "要不要换一份工作", "characterIds": characters });
    let created = person.post("/api/squad/rooms", &body).await;
    created.data()["room"]["roomId"].as_str().expect("an id").to_owned()
}

async fn ask(person: &Person, squad: &str, body: &Value) -> Vec<Value> {
    let request = person.request(Method::POST, &format!("/api/squad/rooms/{squad}/messages")).json(body);
    let events = Events::of(request.send().await.expect("the server answers")).all().await;
    assert!(events.iter().all(|event| event.id.is_empty() && event.name.is_empty()));
    events.into_iter().map(|event| event.data).collect()
}

async fn there_are_sixteen_characters_and_seven_topics(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let characters = person.get("/api/squad/characters").await;
    let characters = characters.data()["characters"].as_array().expect("characters").clone();
    let letters: Vec<&str> = characters.iter().filter_map(|c| c["dimension"].as_str()).collect();
    assert_eq!(letters.concat(), "EEIISSNNTTFFJJPP");
    for field in ["characterId", "name", "persona", "avatar", "voiceStyle", "signature", "unlockType"] {
        assert!(characters.iter().all(|c| c[field].as_str().is_some_and(|text| !text.is_empty())), "{field}");
    }
    assert_eq!(characters[0]["characterId"], "char_e_1");
    let picture = app.get(characters[15]["avatar"].as_str().expect("a path")).await;
    assert_eq!((picture.status, picture.header("content-type")), (200, Some("image/svg+xml")));
    let topics = person.get("/api/squad/topics").await;
    let topics = topics.data()["topics"].as_array().expect("topics").clone();
    assert_eq!(topics.len(), 7);
    for topic in topics {
        let recommended = topic["recommendedCharacterIds"].as_array().expect("characters");
        assert!(recommended.len() >= 3 && topic["title"].is_string() && topic["topicId"].is_string());
    }
}

async fn a_squad_is_made_listed_and_read(profile: Profile) {
    let app = TestApp::start(profile).await;
    let (person, other) = (app.person("one").await, app.person("other").await);
    let id = squad(&person, &["char_t_2", "char_f_1"]).await;
    let read = person.get(&format!("/api/squad/rooms/{id}")).await;
    let data = read.data();
    assert_eq!(
        (&data["room"]["title"], &data["room"]["topic"]),
        (&json!("换工作"), &json!("要不要换一份工作"))
    );
    assert_eq!(data["room"]["characterIds"], json!(["char_t_2", "char_f_1"]));
    assert_eq!((&data["messages"], &data["characters"][0]["dimension"]), (&json!([]), &json!("T")));
    assert!(data["room"]["createTime"].is_i64() && data["room"]["lastActiveTime"].is_i64());
    let list = person.get("/api/squad/rooms").await;
    assert_eq!(list.data()["rooms"][0]["roomId"], json!(id));
    assert_eq!(list.data()["pagination"]["total"], 1);
    assert_eq!(other.get("/api/squad/rooms").await.data()["rooms"], json!([]));
    assert_eq!(other.get(&format!("/api/squad/rooms/{id}")).await.error(), (404, "not_found"));
    let rooms = person.get("/api/rooms?scope=joined").await;
    assert_eq!(rooms.data()["rooms"], json!([]), "a squad is no room");
}

async fn a_squad_has_one_to_eight_characters(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let nine: Vec<String> =
        "eisntfjp".chars().map(|letter| format!("char_{letter}_1")).chain(["char_e_2".to_owned()]).collect();
    for characters in [Vec::new(), nine] {
        let body = json!({ "title": "甲", "topic": "乙", "characterIds": characters });
        let refused = person.post("/api/squad/rooms", &body).await;
        assert_eq!(refused.error(), (400, "validation_failed"));
        assert_eq!(refused.body["data"]["fields"][0]["field"], "characterIds");
    }
    let unknown = json!({ "title": "甲", "topic": "乙", "characterIds": ["char_x_1"] });
    assert_eq!(person.post("/api/squad/rooms", &unknown).await.error(), (404, "not_found"));
}

async fn every_character_answers_in_the_rooms_order(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let id = squad(&person, &["char_t_2", "char_f_1"]).await;
    let lines = ask(&person, &id, &json!({ "content": "我想辞职" })).await;
    let of = |kind: &str| -> Vec<&Value> { lines.iter().filter(|line| line["type"] == kind).collect() };
    let speakers = |kind: &str| -> Vec<&str> {
        of(kind).into_iter().filter_map(|line| line["characterId"].as_str()).collect()
    };
    assert_eq!(speakers("start"), ["char_t_2", "char_f_1"], "{lines:?}");
    assert_eq!(speakers("end"), ["char_t_2", "char_f_1"]);
    assert_eq!((&of("start")[0]["name"], &of("start")[0]["dimension"]), (&json!("秦算"), &json!("T")));
    assert_eq!(lines.last(), Some(&json!({ "type": "done" })));
    let said = |character: &str| -> String {
        let chunks = of("chunk").into_iter().filter(|line| line["characterId"] == character);
        chunks.filter_map(|line| line["content"].as_str()).collect()
    };
    let read = person.get(&format!("/api/squad/rooms/{id}")).await;
    let messages = read.data()["messages"].as_array().expect("messages");
    let senders: Vec<_> = messages.iter().filter_map(|message| message["senderType"].as_str()).collect();
    assert_eq!(senders, ["user", "character", "character"]);
    for message in &messages[1..] {
        let sender = message["senderId"].as_str().expect("a character");
        assert_eq!(message["content"].as_str(), Some(said(sender).as_str()), "{sender}");
    }
}

async fn a_mentioned_character_answers_alone(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let id = squad(&person, &["char_t_2", "char_f_1"]).await;
    let body = json!({ "content": "你怎么看？", "mentionedCharacterIds": ["char_f_1"] });
    let lines = ask(&person, &id, &body).await;
    let starts: Vec<_> = lines.iter().filter(|line| line["type"] == "start").collect();
    assert_eq!(starts.len(), 1);
    assert_eq!(starts[0]["characterId"], "char_f_1");
    let read = person.get(&format!("/api/squad/rooms/{id}")).await;
    assert_eq!(read.data()["messages"][0]["mentionedCharacterIds"], json!(["char_f_1"]));
}

async fn a_poor_owner_is_told_before_anything_is_stored(profile: Profile) {
    let app = TestApp::with(profile, |config| config.billing.welcome_credits = 0).await;
    let person = app.person("one").await;
    let id = squad(&person, &["char_t_2"]).await;
    let path = format!("/api/squad/rooms/{id}/messages");
    assert_eq!(person.post(&path, &json!({ "content": "甲" })).await.error(), (402, "insufficient_balance"));
    assert_eq!(person.get(&format!("/api/squad/rooms/{id}")).await.data()["messages"], json!([]));
}
