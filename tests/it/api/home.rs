//! The front page, for anybody.

use std::fs;
use std::sync::Arc;

use kernel::{ManualClock, Timestamp};
use serde_json::json;
use tests::app::{Profile, TestApp};

use super::on_both_profiles;

on_both_profiles! {
    anybody_sees_cards_and_swipers,
    the_operators_file_counts_without_a_restart,
}

async fn anybody_sees_cards_and_swipers(profile: Profile) {
    let app = TestApp::start(profile).await;
    let cards = app.get("/home/cards").await;
    for card in cards.data()["cards"].as_array().expect("cards") {
        for field in ["id", "title", "icon", "background", "description", "roomId"] {
            assert!(card[field].is_string(), "{field} of {card}");
        }
        assert_eq!(app.get(card["icon"].as_str().expect("a path")).await.status, 200);
    }
    let swipers = app.get("/home/swipers").await;
    for swiper in swipers.data()["swipers"].as_array().expect("swipers") {
        assert!(["room", "url", "none"].contains(&swiper["jumpType"].as_str().expect("a kind")));
        assert_eq!(app.get(swiper["imageUrl"].as_str().expect("a path")).await.status, 200);
    }
}

async fn the_operators_file_counts_without_a_restart(profile: Profile) {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_790_000_000_000)));
    let app = TestApp::on_clock(profile, Arc::clone(&clock)).await;
    app.get("/home/cards").await.data();
    let file = app.data_dir().join("home.toml");
    let card =
        "[[cards]]\nid = \"a\"\ntitle = \"甲\"\nicon = \"\"\nbackground = \"#fff\"\ndescription = \"\"\n";
    fs::write(&file, format!("{card}target_url = \"/a\"\n")).expect("a writable folder");
    clock.advance_millis(5_000);
    let shown = json!([{ "id": "a", "title": "甲", "icon": "", "background": "#fff", "description": "", "targetUrl": "/a" }]);
    assert_eq!(app.get("/home/cards").await.data()["cards"], shown);
    assert_eq!(app.get("/home/swipers").await.data()["swipers"], json!([]));
    fs::write(&file, "[[cards]]\nid = 3").expect("a writable folder");
    clock.advance_millis(5_000);
    assert_eq!(app.get("/home/cards").await.data()["cards"], shown, "what was last good goes on");
}
