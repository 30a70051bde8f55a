//! The sandbox from end to end, as the embedded profile has it.

use serde_json::json;
use tests::app::{Profile, TestApp, answer};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_with_two_buttons_pays_or_does_not() {
    let app = TestApp::start(Profile::Embedded).await;
    let person = app.person("one").await;
    let placed = person.post("/api/billing/recharge", &json!({ "productId": "credits_30" })).await;
    assert_eq!(placed.data()["channel"], "sandbox", "the only one need not be named");
    let page = placed.data()["paymentInfo"]["page"].as_str().expect("a page").to_owned();
    let shown = app.get(&page).await;
    assert_eq!((shown.status, shown.header("content-type")), (200, Some("text/html; charset=utf-8")));
    for words in ["不是真的钱", "¥30.00", "付款成功", "付款失败"] {
        assert!(shown.text.contains(words), "{words}: {}", shown.text);
    }
    assert!(
        shown.header("content-security-policy").is_some_and(|policy| policy.contains("default-src 'none'"))
    );
    let press = async |choice: &str| {
        answer(app.request(reqwest::Method::POST, &format!("{page}&choice={choice}"))).await
    };
    assert_eq!(press("fail").await.status, 200);
    let id = placed.data()["orderId"].as_str().expect("an id");
    let order = async || person.get(&format!("/api/payment/orders/{id}")).await.data()["order"].clone();
    assert_eq!(order().await["status"], "pending", "a failed payment can be tried again");
    for _ in 0..3 {
        assert_eq!(press("pay").await.status, 200);
        assert_eq!(person.balance().await.0, 1_000_000 + 31_500_000);
    }
    assert_eq!((&order().await["status"], &order().await["credits"]), (&json!("paid"), &json!(31_500_000)));
    assert_eq!(press("steal").await.invalid(), ("choice", "value"));
    let forged = page.split_once("token=").expect("a token").0.to_owned() + "token=3000.9999999999999.00";
    assert_eq!(app.get(&forged).await.error(), (404, "not_found"));
    let unsigned =
        app.request(reqwest::Method::POST, "/api/payment/callback").json(&json!({ "event": "paid" }));
    let refused = answer(unsigned.header("sandbox-signature", "00").header("sandbox-timestamp", "1")).await;
    assert_eq!(refused.status, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn production_sells_nothing_until_somebody_takes_the_money() {
    let app = TestApp::start(Profile::Production).await;
    let person = app.person("one").await;
    let refused = person.post("/api/billing/recharge", &json!({ "productId": "credits_6" })).await;
    assert_eq!(refused.invalid(), ("channel", "required"));
    let named = json!({ "productId": "credits_6", "channel": "sandbox" });
    assert_eq!(person.post("/api/billing/recharge", &named).await.invalid(), ("channel", "value"));
    let notice = app.request(reqwest::Method::POST, "/api/payment/callback").json(&json!({}));
    assert_eq!(answer(notice.header("sandbox-signature", "00")).await.error(), (401, "unauthorized"));
    assert_eq!(
        app.get("/sandbox/pay/00000000000000000000000000000abc?token=x").await.error(),
        (404, "not_found")
    );
}
