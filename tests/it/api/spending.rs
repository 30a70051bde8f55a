//! Spending without a model over HTTP: consume, limits, statements, and what operators correct.

use serde_json::{Value, json};
use tests::app::{Answer, Person, Profile, TestApp, answer};

use super::on_both_profiles;

on_both_profiles! {
    consume_takes_once_for_a_key,
    amounts_that_are_no_amounts_take_nothing,
    parallel_spending_never_overdraws,
    a_frozen_account_spends_nothing,
    an_operator_corrects_and_is_noted,
    a_day_limit_of_ones_own_holds,
    a_statement_is_csv,
}

async fn consume(person: &Person, body: Value, key: Option<&str>) -> Answer {
    let mut request = person.request(reqwest::Method::POST, "/api/billing/consume").json(&body);
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    answer(request).await
}

async fn consume_takes_once_for_a_key(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let body = json!({ "amount": 1_500, "reason": "tarot" });
    assert_eq!(consume(&person, body.clone(), None).await.invalid(), ("idempotencyKey", "required"));
    let calls = (0..6).map(|_| consume(&person, body.clone(), Some("k1")));
    let answers = futures::future::join_all(calls).await;
    let first = answers[0].data().clone();
    assert_eq!((&first["amount"], &first["balanceAfter"]), (&json!(1_500), &json!(998_500)));
    assert!(answers.iter().all(|answer| *answer.data() == first), "{answers:?}");
    let replays = answers.iter().filter(|answer| answer.header("idempotent-replayed").is_some()).count();
    assert_eq!(replays, 5);
    let in_body = json!({ "amount": 1_500, "reason": "tarot", "idempotencyKey": "k1" });
    assert_eq!(consume(&person, in_body.clone(), None).await.data(), &first);
    assert_eq!(consume(&person, in_body, Some("k2")).await.invalid(), ("idempotencyKey", "value"));
    let other = json!({ "amount": 1_501, "reason": "tarot" });
    assert_eq!(consume(&person, other, Some("k1")).await.error(), (409, "idempotency_conflict"));
    let foreign = app.person("other").await;
    assert_eq!(
        consume(&foreign, body, Some("k1")).await.data()["balanceAfter"],
        998_500,
        "a key is one's own"
    );
    let list = person.get("/api/billing/transactions?type=consume").await;
    assert_eq!(list.data()["transactions"][0]["transactionId"], first["transactionId"]);
    assert_eq!(list.data()["pagination"]["total"], 1);
}

async fn amounts_that_are_no_amounts_take_nothing(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    for (amount, rule) in [
        (json!(0), "value"),
        (json!(-1), "value"),
        (json!(i64::MIN), "value"),
        (json!(1e300), "type"),
        (json!(0.5), "type"),
        (json!("10"), "type"),
        (json!(true), "type"),
    ] {
        let refused = consume(&person, json!({ "amount": amount, "reason": "x" }), Some("k")).await;
        assert_eq!(refused.invalid(), ("amount", rule), "{amount}");
    }
    for amount in [1_000_001, i64::MAX] {
        let refused = consume(&person, json!({ "amount": amount, "reason": "x" }), Some("k")).await;
        assert_eq!(refused.error(), (402, "insufficient_balance"), "{amount}");
    }
    assert_eq!(
        consume(&person, json!({ "amount": 1, "reason": " " }), Some("k")).await.invalid(),
        ("reason", "blank")
    );
    let long = json!({ "amount": 1, "reason": "长".repeat(129) });
    assert_eq!(consume(&person, long, Some("k")).await.invalid(), ("reason", "too_long"));
    let key = "k".repeat(129);
    assert_eq!(consume(&person, json!({ "amount": 1, "reason": "x" }), Some(&key)).await.status, 422);
    assert_eq!(person.balance().await, (1_000_000, 0));
}

/// QuantumNous/new-api#6609: look at the balance, then take.
async fn parallel_spending_never_overdraws(profile: Profile) {
    let app = TestApp::with(profile, |config| config.limits.requests_per_minute = 0).await;
    let person = app.person("one").await;
    let keys: Vec<_> = (0..60).map(|n| format!("k{n}")).collect();
    let calls =
        keys.iter().map(|key| consume(&person, json!({ "amount": 50_000, "reason": "x" }), Some(key)));
    let answers = futures::future::join_all(calls).await;
    let taken = answers.iter().filter(|answer| answer.status == 200).count();
    let refused = answers.iter().filter(|answer| answer.status == 402).count();
    assert_eq!((taken, refused), (20, 40));
    assert_eq!(person.balance().await, (0, 0));
}

async fn a_frozen_account_spends_nothing(profile: Profile) {
    let app = TestApp::start(profile).await;
    let (person, operator) = (app.person("one").await, app.operator("boss").await);
    let body = json!({ "userId": person.id, "reason": "退款争议" });
    assert_eq!(person.post("/api/admin/ledger/freeze", &body).await.error(), (403, "forbidden"));
    operator.post("/api/admin/ledger/freeze", &body).await.data();
    let spend = || consume(&person, json!({ "amount": 1, "reason": "x" }), Some("k"));
    assert_eq!(spend().await.error(), (403, "account_frozen"));
    let session = person.session().await;
    let asked = person.ask(&session, &json!({ "content": "仁是什么？" })).await;
    assert_eq!(asked.error(), (402, "insufficient_balance"));
    operator.post("/api/admin/ledger/unfreeze", &body).await.data();
    assert_eq!(spend().await.data()["balanceAfter"], 999_999);
    let nobody = json!({ "userId": "0193d5c8-5f1e-7abc-8def-0123456789ab", "reason": "x" });
    assert_eq!(operator.post("/api/admin/ledger/freeze", &nobody).await.error(), (404, "not_found"));
    let log = operator.get("/api/admin/audit").await;
    let actions: Vec<_> =
        log.data()["entries"].as_array().expect("a list").iter().map(|e| e["action"].clone()).collect();
    assert_eq!(actions, ["ledger.unfreeze", "ledger.freeze"]);
}

async fn an_operator_corrects_and_is_noted(profile: Profile) {
    let app = TestApp::start(profile).await;
    let (person, operator) = (app.person("one").await, app.operator("boss").await);
    let adjust = async |amount: Value, key: Option<&str>| {
        let body = json!({ "userId": person.id, "amount": amount, "reason": "补偿", "idempotencyKey": key });
        operator.post("/api/admin/ledger/adjust", &body).await
    };
    for _ in 0..2 {
        assert_eq!(adjust(json!(500), Some("a1")).await.data()["balanceAfter"], 1_000_500);
    }
    assert_eq!(adjust(json!(501), Some("a1")).await.error(), (409, "idempotency_conflict"));
    assert_eq!(adjust(json!(-1_000_400), None).await.data()["balanceAfter"], 100);
    assert_eq!(adjust(json!(-101), None).await.error(), (402, "insufficient_balance"));
    for (amount, rule) in [
        (json!(0), "value"),
        (json!(i64::MAX), "value"),
        (json!(i64::MIN), "value"),
        (json!(1.5), "type"),
        (json!("5"), "type"),
    ] {
        assert_eq!(adjust(amount.clone(), None).await.invalid(), ("amount", rule), "{amount}");
    }
    let list = person.get("/api/billing/transactions?type=adjust").await;
    let amounts: Vec<_> =
        list.data()["transactions"].as_array().expect("a list").iter().map(|t| t["amount"].clone()).collect();
    assert_eq!(amounts, [-1_000_400, 500]);
    let log = operator.get("/api/admin/audit?pageSize=1").await;
    let entry = &log.data()["entries"][0];
    assert_eq!((&entry["action"], &entry["actor"]), (&json!("ledger.adjust"), &json!(operator.id)));
    assert_eq!(entry["subject"], format!("user:{}", person.id));
}

async fn a_day_limit_of_ones_own_holds(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    assert_eq!(
        person.put("/api/billing/day-limit", &json!({ "amount": -1 })).await.invalid(),
        ("amount", "value")
    );
    person.put("/api/billing/day-limit", &json!({ "amount": 100 })).await.data();
    let spend = async |amount: i64, key: &str| {
        consume(&person, json!({ "amount": amount, "reason": "x" }), Some(key)).await
    };
    spend(60, "a").await.data();
    assert_eq!(spend(41, "b").await.error(), (402, "insufficient_balance"));
    spend(40, "c").await.data();
    person.put("/api/billing/day-limit", &json!({ "amount": null })).await.data();
    spend(41, "b").await.data();
}

async fn a_statement_is_csv(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    consume(&person, json!({ "amount": 7, "reason": "=cmd,\"x\"" }), Some("k")).await.data();
    let csv = person.get("/api/billing/statement.csv").await;
    assert_eq!((csv.status, csv.header("content-type")), (200, Some("text/csv; charset=utf-8")));
    let lines: Vec<_> = csv.text.trim_start_matches('\u{feff}').lines().collect();
    assert_eq!(lines[0], "transactionId,type,amount,balanceAfter,refId,createTime");
    assert!(lines[1].contains(",consume,-7,999993,\"'=cmd,\"\"x\"\"\","), "{}", lines[1]);
    assert!(lines[2].contains(",grant,1000000,1000000,,"), "{}", lines[2]);
    assert_eq!(lines.len(), 3);
    assert_eq!(app.get("/api/billing/statement.csv").await.error(), (401, "unauthorized"));
}
