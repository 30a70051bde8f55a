//! Profile and balance over HTTP.

use std::sync::Arc;

use kernel::{ManualClock, Timestamp};
use serde_json::json;
use tests::app::{Profile, TestApp};

use super::on_both_profiles;

on_both_profiles! {
    a_profile_is_flat_and_has_its_totals,
    a_change_is_seen_at_once_and_leaves_the_rest,
    every_broken_field_is_named,
    a_new_account_has_its_welcome,
    the_welcome_is_there_from_the_first_moment,
    own_messages_are_counted,
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

async fn the_welcome_is_there_from_the_first_moment(profile: Profile) {
    const START_MS: i64 = 1_790_000_000_000;
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(START_MS)));
    let app = TestApp::on_clock(profile, clock.clone()).await;
    let registered = app.person("one").await;
    let wechat = json!({ "code": "ok-ming-1", "nickName": "小明" });
    let by_wechat = app.signed_in(&app.post("/api/auth/wechat-login", &wechat).await);
    clock.advance_millis(60_000);
    for person in [registered, by_wechat] {
        // Nobody has asked for the balance yet.
        let list = person.get("/api/billing/transactions").await;
        let grant = &list.data()["transactions"][0];
        assert_eq!((&grant["type"], &grant["amount"]), (&json!("grant"), &json!(1_000_000)));
        assert_eq!(grant["createTime"], START_MS, "it is as old as the account");
    }
}

async fn own_messages_are_counted(profile: Profile) {
    let app = TestApp::start(profile).await;
    let (writer, reader) = (app.person("one").await, app.person("two").await);
    let (kept, deleted) = (writer.session().await, writer.session().await);
    for (session, wanted) in [(&kept, 1), (&deleted, 2)] {
        writer.ask(session, &json!({ "content": "仁是什么？" })).await.data();
        assert_eq!(writer.get("/api/user/profile").await.data()["totalMessages"], wanted);
    }
    writer.delete(&format!("/api/sessions/{deleted}")).await.data();
    assert_eq!(writer.get("/api/user/profile").await.data()["totalMessages"], 1);
    assert_eq!(reader.get("/api/user/profile").await.data()["totalMessages"], 0);
}
