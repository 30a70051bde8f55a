//! Profile and balance over HTTP.

use serde_json::json;
use tests::app::{Profile, TestApp};

use super::on_both_profiles;

on_both_profiles! {
    a_profile_is_flat_and_has_its_totals,
    a_change_is_seen_at_once_and_leaves_the_rest,
    every_broken_field_is_named,
    a_new_account_has_its_welcome,
}

async fn a_profile_is_flat_and_has_its_totals(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let answer = person.get("/api/user/profile").await;
    let data = answer.data();
    assert_eq!((&data["userId"], &data["nickName"]), (&json!(person.id), &json!("one")));
    let totals = ["totalMessages", "totalLikes", "totalSkillLevel"];
    assert!(totals.iter().all(|name| data[name] == 0), "{}", answer.text);
    assert_eq!(data["ownedCharacters"], 16);
    assert_eq!((&data["joinedRooms"], &data["favoriteCharacters"]), (&json!([]), &json!([])));
}

async fn a_change_is_seen_at_once_and_leaves_the_rest(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    person.get("/api/user/profile").await.data();
    let change = json!({ "nickName": " 孟轲 ", "gender": 1, "mbtiType": "enfj", "city": "邹城" });
    let changed = person.put("/api/user/profile", &change).await;
    let read = person.get("/api/user/profile").await;
    for answer in [&changed, &read] {
        let data = answer.data();
        assert_eq!((&data["nickName"], &data["gender"]), (&json!("孟轲"), &json!(1)));
        assert_eq!((&data["mbtiType"], &data["city"]), (&json!("ENFJ"), &json!("邹城")));
        assert_eq!(data["email"], "one@example.com");
    }
}

async fn every_broken_field_is_named(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let change = json!({ "nickName": " ", "gender": 9, "mbtiType": "ABCD" });
    let refused = person.put("/api/user/profile", &change).await;
    assert_eq!(refused.error(), (422, "validation_failed"));
    let fields = refused.body["data"]["fields"].as_array().expect("fields");
    let mut names: Vec<_> = fields.iter().filter_map(|field| field["field"].as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["gender", "mbtiType", "nickName"]);
    assert!(fields.iter().all(|field| field["message"].is_string()));
}

async fn a_new_account_has_its_welcome(profile: Profile) {
    let app = TestApp::with(profile, |config| config.billing.welcome_credits = 5_000).await;
    let person = app.person("one").await;
    let balance = person.get("/api/user/balance").await;
    let data = balance.data();
    assert_eq!((&data["available"], &data["held"]), (&json!(5_000), &json!(0)));
    assert_eq!((&data["currency"], &data["freeAllowance"]), (&json!("credits"), &json!(0)));
    assert!(data["updatedAt"].is_i64());
    assert_eq!(person.transactions_sum().await, 5_000);
}
