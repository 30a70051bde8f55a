//! What providers tell us over HTTP, in every wrong order, and what is asked where they do not.

use std::sync::Arc;

use kernel::{ManualClock, Timestamp};
use serde_json::{Value, json};
use tests::app::{Profile, TestApp, answer};
use tests::fakes::provider::{FakeProvider, SIGNATURE};

use super::on_both_profiles;
use super::orders::{buy, clock, number, pay, tell};

on_both_profiles! {
    a_top_up_webhook_applied_twice_credits_once,
    a_forged_or_unreadable_notice_is_refused,
    a_notice_that_does_not_fit_the_order_changes_nothing,
    a_payment_for_a_closed_order_is_credited,
    a_notice_that_never_comes_is_asked_for,
    an_order_whose_time_is_over_expires_and_its_late_payment_is_credited,
    a_provider_that_is_away_loses_nothing,
    money_taken_back_freezes_the_account_once,
    the_platform_is_advised_on_a_refund,
}

async fn shop(profile: Profile) -> (TestApp, FakeProvider, Arc<ManualClock>) {
    let clock = clock();
    let (app, provider) = TestApp::with_provider(profile, clock.clone()).await;
    (app, provider, clock)
}

/// Far longer than it takes.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

fn start() -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000)
}

/// Significant-Gravitas/AutoGPT#10672: the check outside the lock.
async fn a_top_up_webhook_applied_twice_credits_once(profile: Profile) {
    let (app, _provider, _clock) = shop(profile).await;
    let person = app.person("one").await;
    let mut notices = Vec::new();
    for _ in 0..4 {
        let order = buy(&person, "credits_6").await;
        let notice = FakeProvider::paid_notice(&number(&order), 600);
        notices.extend((0..15).map(|_| notice.clone()));
    }
    notices.rotate_left(7);
    let (early, late) = notices.split_at(30);
    for half in [early, late] {
        let told = futures::future::join_all(half.iter().map(|notice| tell(&app, notice))).await;
        assert!(told.iter().all(|answer| answer.status == 204), "{told:?}");
    }
    assert_eq!(person.balance().await.0, 1_000_000 + 4 * 6_000_000);
    assert_eq!(person.transactions_sum().await, 25_000_000);
}

async fn a_forged_or_unreadable_notice_is_refused(profile: Profile) {
    let (app, _provider, _clock) = shop(profile).await;
    let person = app.person("one").await;
    let order = buy(&person, "credits_6").await;
    let notice = FakeProvider::paid_notice(&number(&order), 600);
    let callback = || app.request(reqwest::Method::POST, "/api/payment/callback");
    let unsigned = answer(callback().json(&notice)).await;
    assert_eq!(unsigned.error(), (401, "unauthorized"));
    for signature in ["", "bad", "WECHATPAY/SIGNTEST/good"] {
        let forged = answer(callback().json(&notice).header(SIGNATURE, signature)).await;
        assert_eq!((forged.status, &forged.body), (401, &json!({ "code": "FAIL" })), "{signature}");
    }
    let both = callback().json(&notice).header(SIGNATURE, "good").header("sandbox-signature", "x");
    assert_eq!(answer(both).await.error(), (401, "unauthorized"));
    let sandbox = callback().json(&notice).header("sandbox-signature", "x");
    assert_eq!(answer(sandbox).await.error(), (401, "unauthorized"), "there is no sandbox here");
    for cut in ["", "{", "{\"id\":\"paid-", "null"] {
        let told = answer(callback().body(cut).header(SIGNATURE, "good")).await;
        assert_eq!(told.status, 401, "{cut}");
    }
    let large = answer(callback().body(vec![b' '; (64 << 10) + 1]).header(SIGNATURE, "good")).await;
    assert_eq!(large.error(), (413, "payload_too_large"));
    assert_eq!(tell(&app, &json!({ "id": "1", "event": "other" })).await.status, 204, "nothing of ours");
    assert_eq!(app.get("/api/wechat/push?signature=x").await.error(), (401, "unauthorized"));
    assert_eq!(app.post("/api/wechat/push", &notice).await.error(), (401, "unauthorized"));
    assert_eq!(person.balance().await.0, 1_000_000);
}

async fn a_notice_that_does_not_fit_the_order_changes_nothing(profile: Profile) {
    let (app, _provider, _clock) = shop(profile).await;
    let person = app.person("one").await;
    let order = buy(&person, "credits_6").await;
    let number = number(&order);
    for total in [599, 601, 0, -600, i64::MAX] {
        let told = tell(&app, &FakeProvider::paid_notice(&number, total)).await;
        assert_eq!(told.status, 401, "{total}");
    }
    let nobody = FakeProvider::paid_notice("00000000000000000000000000000abc", 600);
    assert_eq!(tell(&app, &nobody).await.status, 503, "it may come again while a person looks");
    assert_eq!(person.balance().await.0, 1_000_000);
    pay(&app, &order).await;
    assert_eq!(person.balance().await.0, 7_000_000);
}

async fn a_payment_for_a_closed_order_is_credited(profile: Profile) {
    let (app, _provider, _clock) = shop(profile).await;
    let person = app.person("one").await;
    let order = buy(&person, "credits_6").await;
    let id = order["orderId"].as_str().expect("an id");
    person.post(&format!("/api/payment/orders/{id}/cancel"), &json!({})).await.data();
    for _ in 0..2 {
        pay(&app, &order).await;
        assert_eq!(person.balance().await.0, 7_000_000);
    }
    let found = person.get(&format!("/api/payment/orders/{id}")).await;
    assert_eq!(found.data()["order"]["status"], "paid");
}

async fn a_notice_that_never_comes_is_asked_for(profile: Profile) {
    let (app, provider, clock) = shop(profile).await;
    let person = app.person("one").await;
    let (seen, swept) = (buy(&person, "credits_6").await, buy(&person, "credits_6").await);
    for order in [&seen, &swept] {
        provider.pay(number(order).parse().unwrap(), start());
    }
    let id = seen["orderId"].as_str().expect("an id");
    let found = person.get(&format!("/api/payment/orders/{id}")).await;
    assert_eq!(found.data()["order"]["status"], "paid", "who looks asks the provider");
    assert_eq!(person.balance().await.0, 7_000_000);
    app.sweep().await;
    assert_eq!(person.balance().await.0, 7_000_000, "it is not due yet");
    clock.advance_millis(10_000);
    // The server's own worker wakes by the same clock, and may have taken the order before us.
    let delivered = async {
        while person.balance().await.0 == 7_000_000 || provider.counts().1 < 2 {
            app.sweep().await;
        }
    };
    tokio::time::timeout(PATIENCE, delivered).await.expect("the payment is found");
    assert_eq!(person.balance().await.0, 13_000_000);
    let (_, confirmed, _) = provider.counts();
    assert_eq!(confirmed, 2, "a provider that did not tell us is told");
    pay(&app, &swept).await;
    assert_eq!(person.balance().await.0, 13_000_000, "the notice comes late");
}

async fn an_order_whose_time_is_over_expires_and_its_late_payment_is_credited(profile: Profile) {
    let (app, provider, clock) = shop(profile).await;
    let person = app.person("one").await;
    let order = buy(&person, "credits_6").await;
    for seconds in [10, 20, 30, 240, 1_500] {
        clock.advance_millis(seconds * 1_000);
        app.sweep().await;
    }
    let (queries, _, _) = provider.counts();
    assert!(queries >= 4, "{queries} of the documented schedule");
    let operator = app.operator("boss").await;
    let states = async || operator.get("/api/admin/orders").await.data()["orders"][0]["status"].clone();
    assert_eq!(states().await, "expired");
    clock.advance_millis(5_000);
    app.sweep().await;
    assert_eq!(operator.get("/api/admin/orders?status=expired").await.data()["pagination"]["total"], 1);
    pay(&app, &order).await;
    assert_eq!(states().await, "paid");
}

async fn a_provider_that_is_away_loses_nothing(profile: Profile) {
    let (app, provider, clock) = shop(profile).await;
    let person = app.person("one").await;
    provider.set_away(true);
    let refused = person.post("/api/billing/recharge", &json!({ "productId": "credits_6" })).await;
    assert_eq!(refused.error(), (503, "unavailable"));
    provider.set_away(false);
    let order = buy(&person, "credits_6").await;
    provider.pay(number(&order).parse().unwrap(), start());
    provider.set_away(true);
    clock.advance_millis(10_000);
    app.sweep().await;
    let id = order["orderId"].as_str().expect("an id");
    let shown = person.get(&format!("/api/payment/orders/{id}")).await;
    assert_eq!(shown.data()["order"]["status"], "pending", "as far as is known");
    provider.set_away(false);
    clock.advance_millis(20_000);
    app.sweep().await;
    assert_eq!(person.balance().await.0, 7_000_000);
}

async fn money_taken_back_freezes_the_account_once(profile: Profile) {
    let (app, _provider, _clock) = shop(profile).await;
    let person = app.person("one").await;
    let order = buy(&person, "credits_6").await;
    let clawed = |id: &str, total: i64| json!({ "id": id, "event": "clawed", "tradeNo": number(&order), "total": total });
    assert_eq!(tell(&app, &clawed("c1", 600)).await.status, 503, "before the payment: it comes again");
    pay(&app, &order).await;
    let spend = json!({ "amount": 5_000_000, "reason": "x", "idempotencyKey": "k" });
    person.post("/api/billing/consume", &spend).await.data();
    assert_eq!(tell(&app, &clawed("c0", 601)).await.status, 401, "more than was paid");
    for _ in 0..3 {
        assert_eq!(tell(&app, &clawed("c1", 600)).await.status, 204);
    }
    assert_eq!(person.balance().await.0, 0, "the rest is the house's loss");
    let more = json!({ "amount": 1, "reason": "x", "idempotencyKey": "k2" });
    assert_eq!(person.post("/api/billing/consume", &more).await.error(), (403, "account_frozen"));
    let id = order["orderId"].as_str().expect("an id");
    let found = person.get(&format!("/api/payment/orders/{id}")).await;
    assert_eq!(found.data()["order"]["status"], "refunded");
    assert_eq!(found.data()["refunds"].as_array().map(Vec::len), Some(1));
    assert_eq!(person.transactions_sum().await, 0);
}

async fn the_platform_is_advised_on_a_refund(profile: Profile) {
    let (app, _provider, _clock) = shop(profile).await;
    let person = app.person("one").await;
    let order = buy(&person, "credits_6").await;
    let asked: Value = json!({ "id": "a", "event": "asked", "tradeNo": number(&order) });
    assert_eq!(tell(&app, &asked).await.body, json!({ "agree": false }), "it is not paid");
    pay(&app, &order).await;
    assert_eq!(tell(&app, &asked).await.body, json!({ "agree": true }));
    let spend = json!({ "amount": 4_100_000, "reason": "x", "idempotencyKey": "k" });
    person.post("/api/billing/consume", &spend).await.data();
    assert_eq!(tell(&app, &asked).await.body, json!({ "agree": false }), "more than half is spent");
}
