//! Characters over HTTP.

use serde_json::json;
use tests::app::{Profile, TestApp};

use super::on_both_profiles;

on_both_profiles! {
    characters_are_listed_masters_first,
    a_type_finds_its_characters,
    a_character_is_read_with_ones_progress,
}

async fn characters_are_listed_masters_first(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let list = person.get("/api/characters?pageSize=100").await;
    let characters = list.data()["characters"].as_array().expect("a list");
    assert_eq!((characters.len(), &list.data()["pagination"]["total"]), (20, &json!(20)));
    assert_eq!(characters[0]["characterId"], "classics_kongzi");
    let keys = [
        "characterId",
        "dimension",
        "name",
        "englishName",
        "avatar",
        "background",
        "backgroundStory",
        "rarity",
        "unlockType",
        "price",
        "personality",
        "talents",
        "learnableSkills",
        "statistics",
    ];
    for character in characters {
        assert!(keys.iter().all(|key| character.get(key).is_some()), "{character}");
        let avatar = app.get(character["avatar"].as_str().expect("an address")).await;
        assert_eq!(
            (avatar.status, avatar.header("content-type")),
            (200, Some("image/svg+xml")),
            "{character}"
        );
    }
}

async fn a_type_finds_its_characters(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let list = person.get("/api/characters?dimension=intj").await;
    let characters = list.data()["characters"].as_array().expect("a list");
    assert!(!characters.is_empty());
    assert!(characters.iter().all(|character| character["dimension"] == "INTJ"));
}

async fn a_character_is_read_with_ones_progress(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let read = person.get("/api/characters/classics_kongzi").await;
    let data = read.data();
    assert_eq!(
        (&data["character"]["name"], &data["userProgress"]["isUnlocked"]),
        (&json!("孔子"), &json!(true))
    );
    assert_eq!((&data["character"]["price"], &data["character"]["unlockType"]), (&json!(0), &json!("free")));
    assert!(data["character"]["personality"]["traits"].as_array().is_some_and(|traits| !traits.is_empty()));
    assert!(!read.text.contains("instructions"), "the system role is nobody's business");
}
