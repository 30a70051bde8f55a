//! Transactions and models over HTTP.

use serde_json::json;
use tests::app::{Profile, TestApp};
use tests::fakes::openai::{Gate, Script};

use super::on_both_profiles;

on_both_profiles! {
    transactions_are_signed_and_newest_first,
    an_open_hold_is_listed_when_asked_for,
    models_are_listed_with_their_prices,
}

async fn transactions_are_signed_and_newest_first(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let session = person.session().await;
    let asked = person.ask(&session, &json!({ "content": "仁是什么？" })).await;
    let list = person.get("/api/billing/transactions").await;
    let all = list.data()["transactions"].as_array().expect("a list");
    assert_eq!((&all[0]["type"], &all[1]["type"]), (&json!("consume"), &json!("grant")));
    assert_eq!(all[0]["amount"].as_i64(), asked.data()["usage"]["credits"].as_i64().map(|credits| -credits));
    assert!(all[0]["transactionId"].is_string() && all[0]["createTime"].is_i64());
    assert_eq!(all[0]["balanceAfter"].as_i64(), Some(person.balance().await.0));
    let grants = person.get("/api/billing/transactions?type=grant&pageSize=1").await;
    assert_eq!(grants.data()["pagination"]["total"], 1);
}

async fn an_open_hold_is_listed_when_asked_for(profile: Profile) {
    let app = TestApp::with_model(profile, |_| ()).await;
    let person = app.person("one").await;
    let session = person.session().await;
    let gate = Gate::new();
    app.endpoint().script(Script::stream().text("仁者").wait(&gate).finish("stop").done());
    let mut events = person.stream(&session, "仁是什么？").await;
    let start = events.until("start").await;
    events.until("delta").await;
    let (available, held) = person.balance().await;
    assert!(held > 0 && available + held == 1_000_000);
    let holds = person.get("/api/billing/transactions?type=hold").await;
    let hold = &holds.data()["transactions"][0];
    assert_eq!((&hold["type"], hold["amount"].as_i64()), (&json!("hold"), Some(-held)));
    assert_eq!(hold["refId"], start.data["messageId"]);
    assert_eq!(person.transactions_sum().await, 1_000_000, "holds are no transfers");
    gate.open();
    events.until("done").await;
    let after = person.get("/api/billing/transactions?type=hold").await;
    assert_eq!(after.data()["transactions"], json!([]));
}

async fn models_are_listed_with_their_prices(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let list = person.get("/api/models").await;
    let models = list.data()["models"].as_array().expect("a list");
    let default = models.iter().find(|model| model["isDefault"] == true).expect("a default");
    assert_eq!(default["alias"], "default");
    assert_eq!(default["price"], json!({ "miss": 1_000_000, "hit": 20_000, "output": 4_000_000 }));
    assert!(models.iter().any(|model| model["alias"] == "deepseek-v4-pro"));
}
