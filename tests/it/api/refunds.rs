//! Refunds over HTTP: the unspent part, once.

use billing::payment::{RefundOutcome, RefundStatus};
use serde_json::{Value, json};
use tests::app::{Answer, Person, Profile, TestApp, answer};

use super::on_both_profiles;
use super::orders::{buy, clock, pay, tell};

on_both_profiles! {
    the_unspent_part_goes_back_and_no_more,
    a_refund_applied_again_by_a_retry_pays_once,
    a_reconcile_retried_after_a_lost_answer_refunds_once,
    a_refund_that_the_provider_refuses_leaves_everything_as_it_was,
    a_refund_on_its_way_ends_by_notice_or_by_asking,
    what_a_membership_delivered_is_taken_back,
    a_wish_for_a_refund_waits_for_an_operator,
}

fn path(order: &Value) -> String {
    format!("/api/payment/orders/{}", order["orderId"].as_str().expect("an id"))
}

async fn refund(operator: &Person, order: &Value, body: Value, key: Option<&str>) -> Answer {
    let mut request = operator.request(reqwest::Method::POST, &format!("{}/refund", path(order))).json(&body);
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    answer(request).await
}

async fn spend(person: &Person, amount: i64) {
    let body = json!({ "amount": amount, "reason": "x", "idempotencyKey": format!("k{amount}") });
    person.post("/api/billing/consume", &body).await.data();
}

async fn the_unspent_part_goes_back_and_no_more(profile: Profile) {
    let (app, _provider) = TestApp::with_provider(profile, clock()).await;
    let (person, operator) = (app.person("one").await, app.operator("boss").await);
    let order = buy(&person, "credits_6").await;
    let reason = || json!({ "reason": "用户申请" });
    assert_eq!(refund(&operator, &order, reason(), None).await.error(), (409, "not_refundable"), "unpaid");
    pay(&app, &order).await;
    // The welcome is spent first; 1,999,999 of the pack leave 4,000,001, which are 400 fen.
    spend(&person, 2_999_999).await;
    for (amount, rule) in [
        (json!(0), "value"),
        (json!(-1), "value"),
        (json!(401), "value"),
        (json!(601), "value"),
        (json!(i64::MAX), "value"),
        (json!(1.5), "type"),
        (json!("4"), "type"),
    ] {
        let refused = refund(&operator, &order, json!({ "amountFen": amount, "reason": "x" }), None).await;
        assert_eq!(refused.invalid(), ("amountFen", rule), "{amount}");
    }
    assert_eq!(refund(&operator, &order, json!({}), None).await.invalid(), ("reason", "required"));
    let long = json!({ "reason": "长".repeat(81) });
    assert_eq!(refund(&operator, &order, long, None).await.invalid(), ("reason", "too_long"));
    assert_eq!(refund(&person, &order, reason(), None).await.error(), (403, "forbidden"));
    let part = refund(&operator, &order, json!({ "amountFen": 100, "reason": "x" }), None).await;
    assert_eq!(part.data()["order"]["status"], "partly_refunded");
    let rest = refund(&operator, &order, reason(), None).await;
    assert_eq!(
        (&rest.data()["refund"]["amountFen"], &rest.data()["refund"]["status"]),
        (&json!(300), &json!("succeeded"))
    );
    assert_eq!(refund(&operator, &order, reason(), None).await.error(), (409, "not_refundable"));
    assert_eq!(person.balance().await, (1, 0));
    assert_eq!(person.transactions_sum().await, 1);
    let found = person.get(&path(&order)).await;
    assert_eq!(
        (&found.data()["order"]["refundedFen"], &found.data()["refundableFen"]),
        (&json!(400), &json!(0))
    );
    let log = operator.get("/api/admin/audit").await;
    assert_eq!(log.data()["entries"][0]["action"], "order.refund");
}

/// QuantumNous/new-api#5556 and elizaOS/eliza#10930: the same refund again, before and after it has ended.
async fn a_refund_applied_again_by_a_retry_pays_once(profile: Profile) {
    let (app, provider) = TestApp::with_provider(profile, clock()).await;
    let (person, operator) = (app.person("one").await, app.operator("boss").await);
    let order = buy(&person, "credits_6").await;
    pay(&app, &order).await;
    let body = json!({ "amountFen": 200, "reason": "x" });
    let calls = (0..6).map(|_| refund(&operator, &order, body.clone(), Some("r1")));
    let answers = futures::future::join_all(calls).await;
    let ids: Vec<_> = answers.iter().map(|answer| answer.data()["refund"]["refundId"].clone()).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    let again = refund(&operator, &order, body.clone(), Some("r1")).await;
    assert_eq!(
        (again.header("idempotent-replayed"), &again.data()["refund"]["refundId"]),
        (Some("true"), &ids[0])
    );
    let other = refund(&operator, &order, json!({ "amountFen": 300, "reason": "x" }), Some("r1")).await;
    assert_eq!(other.error(), (409, "idempotency_conflict"));
    assert_eq!(provider.counts().2, 1, "the provider was asked once");
    assert_eq!(person.balance().await.0, 1_000_000 + 4_000_000);
}

/// elizaOS/eliza#10930, #11539: the provider has done it, and its answer was lost.
async fn a_reconcile_retried_after_a_lost_answer_refunds_once(profile: Profile) {
    let clock = clock();
    let (app, provider) = TestApp::with_provider(profile, clock.clone()).await;
    let (person, operator) = (app.person("one").await, app.operator("boss").await);
    let order = buy(&person, "credits_6").await;
    pay(&app, &order).await;
    provider.lose_next_answer();
    let begun = refund(&operator, &order, json!({ "amountFen": 200, "reason": "x" }), Some("r1")).await;
    assert_eq!(begun.data()["refund"]["status"], "pending");
    for _ in 0..3 {
        clock.advance_millis(61_000);
        app.sweep().await;
        let again = refund(&operator, &order, json!({ "amountFen": 200, "reason": "x" }), Some("r1")).await;
        assert_eq!(again.data()["refund"]["status"], "succeeded");
    }
    assert_eq!(provider.counts().2, 1, "it was asked after, not for once more");
    let found = person.get(&path(&order)).await;
    assert_eq!(
        (&found.data()["order"]["refundedFen"], &found.data()["refundableFen"]),
        (&json!(200), &json!(400))
    );
    assert_eq!(person.balance().await.0, 1_000_000 + 4_000_000);
    assert_eq!(person.transactions_sum().await, 5_000_000);
}

async fn a_refund_that_the_provider_refuses_leaves_everything_as_it_was(profile: Profile) {
    let (app, provider) = TestApp::with_provider(profile, clock()).await;
    let (person, operator) = (app.person("one").await, app.operator("boss").await);
    let order = buy(&person, "vip_month").await;
    pay(&app, &order).await;
    let pack = buy(&person, "credits_6").await;
    pay(&app, &pack).await;
    for order in [&order, &pack] {
        provider.answer_refund(RefundOutcome::Refused { code: "NOT_ENOUGH".to_owned() });
        let refused = refund(&operator, order, json!({ "reason": "x" }), None).await;
        assert_eq!(refused.error(), (409, "not_refundable"));
        let found = person.get(&path(order)).await;
        assert_eq!(found.data()["order"]["status"], "paid");
        assert_eq!(found.data()["refunds"][0]["status"], "closed");
    }
    assert_eq!(person.balance().await.0, 7_000_000);
    let skills = person.get("/api/billing/products?type=skill").await;
    assert_eq!(skills.data()["products"][0]["finalPriceFen"], 792, "still a member");
    refund(&operator, &pack, json!({ "reason": "x" }), None).await.data();
}

async fn a_refund_on_its_way_ends_by_notice_or_by_asking(profile: Profile) {
    let clock = clock();
    let (app, provider) = TestApp::with_provider(profile, clock.clone()).await;
    let (person, operator) = (app.person("one").await, app.operator("boss").await);
    let (one, other) = (buy(&person, "credits_6").await, buy(&person, "credits_6").await);
    let mut refunds = Vec::new();
    for order in [&one, &other] {
        pay(&app, order).await;
        provider.answer_refund(RefundOutcome::Taken(RefundStatus::Pending));
        let begun = refund(&operator, order, json!({ "reason": "x" }), None).await;
        assert_eq!(begun.data()["refund"]["status"], "pending");
        refunds.push(begun.data()["refund"]["refundId"].clone());
        let again = refund(&operator, order, json!({ "reason": "x" }), None).await;
        assert_eq!(again.error(), (409, "not_refundable"), "one at a time");
    }
    assert_eq!(person.balance().await.0, 1_000_000, "what is to go back cannot be spent");
    let ended = |total: i64| json!({ "id": "e1", "event": "refunded", "refund": refunds[0], "status": "succeeded", "total": total });
    assert_eq!(tell(&app, &ended(601)).await.status, 401);
    for _ in 0..3 {
        assert_eq!(tell(&app, &ended(600)).await.status, 204);
    }
    assert_eq!(person.get(&path(&one)).await.data()["order"]["status"], "refunded");
    provider.end_refund(RefundStatus::Succeeded);
    clock.advance_millis(61_000);
    app.sweep().await;
    assert_eq!(person.get(&path(&other)).await.data()["order"]["status"], "refunded");
    assert_eq!(person.balance().await.0, 1_000_000);
    let unknown = json!({ "id": "e2", "event": "refunded", "status": "succeeded", "total": 1,
        "refund": "0193d5c8-5f1e-7abc-8def-0123456789ab" });
    assert_eq!(tell(&app, &unknown).await.status, 503);
}

async fn what_a_membership_delivered_is_taken_back(profile: Profile) {
    let (app, provider) = TestApp::with_provider(profile, clock()).await;
    let (person, operator) = (app.person("one").await, app.operator("boss").await);
    let order = buy(&person, "bundle_starter").await;
    pay(&app, &order).await;
    let part = refund(&operator, &order, json!({ "amountFen": 100, "reason": "x" }), None).await;
    assert_eq!(part.invalid(), ("amountFen", "value"), "a bundle goes back whole");
    // The provider is away: the refund has begun, and goes on by itself.
    provider.set_away(true);
    let begun = refund(&operator, &order, json!({ "reason": "x" }), None).await;
    assert_eq!(begun.data()["refund"]["status"], "pending");
    provider.set_away(false);
    let skills = person.get("/api/billing/products?type=skill").await;
    assert_eq!(skills.data()["products"][0]["finalPriceFen"], 990, "no member any more");
    assert_eq!(person.balance().await.0, 1_000_000);
}

async fn a_wish_for_a_refund_waits_for_an_operator(profile: Profile) {
    let (app, _provider) = TestApp::with_provider(profile, clock()).await;
    let (person, operator) = (app.person("one").await, app.operator("boss").await);
    let order = buy(&person, "credits_6").await;
    let wish = async || {
        person.post(&format!("{}/refund-request", path(&order)), &json!({ "reason": "买错了" })).await
    };
    assert_eq!(wish().await.error(), (409, "not_refundable"));
    pay(&app, &order).await;
    assert_eq!(wish().await.header("idempotent-replayed"), None);
    assert_eq!(wish().await.header("idempotent-replayed"), Some("true"));
    let list = operator.get("/api/admin/refund-requests").await;
    assert_eq!(list.data()["requests"][0]["reason"], "买错了");
    refund(&operator, &order, json!({ "reason": "x" }), None).await.data();
    assert_eq!(operator.get("/api/admin/refund-requests").await.data()["requests"], json!([]));
}
