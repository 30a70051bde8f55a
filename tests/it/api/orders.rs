//! Buying over HTTP: products, orders, what they cost, and what is refused.

use std::sync::Arc;

use kernel::{ManualClock, Timestamp};
use serde_json::{Value, json};
use tests::app::{Answer, Person, Profile, TestApp};
use tests::fakes::provider::FakeProvider;

use super::on_both_profiles;

on_both_profiles! {
    what_is_for_sale_has_a_price_for_me,
    an_order_answers_what_the_client_needs_to_pay,
    one_key_makes_one_order,
    amounts_that_are_no_amounts_are_refused,
    orders_are_seen_by_their_buyer_alone,
    a_coupon_is_used_once,
    an_order_is_cancelled_unless_the_payment_was_faster,
    a_limited_offer_is_not_oversold,
    members_pay_a_fifth_less_for_skills,
}

/// A moment of the clocks of these tests.
pub(super) fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(Timestamp::from_millis(1_790_000_000_000)))
}

async fn shop(profile: Profile) -> (TestApp, FakeProvider) {
    TestApp::with_provider(profile, clock()).await
}

/// Orders something by its id; what the server answers.
pub(super) async fn buy(person: &Person, product: &str) -> Value {
    person.post("/api/billing/recharge", &json!({ "productId": product })).await.data().clone()
}

/// The provider's number of an order.
pub(super) fn number(order: &Value) -> String {
    order["orderId"].as_str().expect("an order's id").replace('-', "")
}

/// The provider says that an order is paid.
pub(super) async fn pay(app: &TestApp, order: &Value) {
    let total = order["productInfo"]["finalPriceFen"].as_i64().expect("a price");
    let told = tell(app, &FakeProvider::paid_notice(&number(order), total)).await;
    assert_eq!(told.status, 204, "{}", told.text);
}

/// The provider says something.
pub(super) async fn tell(app: &TestApp, notice: &Value) -> Answer {
    let request = app.request(reqwest::Method::POST, "/api/payment/callback").json(notice);
    tests::app::answer(request.header(tests::fakes::provider::SIGNATURE, tests::fakes::provider::GOOD)).await
}

async fn what_is_for_sale_has_a_price_for_me(profile: Profile) {
    let (app, _provider) = shop(profile).await;
    let person = app.person("one").await;
    let all = person.get("/api/billing/products").await;
    assert_eq!(all.data()["channels"], json!(["wechat_pay"]));
    let products = all.data()["products"].as_array().expect("a list");
    let find = |id: &str| products.iter().find(|product| product["productId"] == id).expect("a product");
    let pack = find("credits_30");
    assert_eq!((&pack["price"], &pack["finalPriceFen"]), (&json!(30.0), &json!(3_000)));
    let credits = json!([{ "type": "credits", "credits": 30_000_000, "bonus": 1_500_000 }]);
    assert_eq!(pack["contents"], credits);
    assert_eq!(find("limited_founders")["membersOnly"], true);
    let vip = person.get("/api/billing/products?type=vip").await;
    let vip = vip.data()["products"].as_array().expect("a list").clone();
    assert!(!vip.is_empty() && vip.iter().all(|product| product["productType"] == "vip"));
    assert_eq!(person.get("/api/billing/products?type=cars").await.invalid(), ("type", "value"));
    assert_eq!(app.get("/api/billing/products").await.error(), (401, "unauthorized"));
    let estimate = person.get("/api/billing/estimate?promptTokens=1000&outputTokens=500").await;
    assert_eq!(estimate.data(), &json!({ "credits": 3_000, "creditsCached": 2_020 }));
    let unknown = person.get("/api/billing/estimate?promptTokens=1&outputTokens=1&model=none").await;
    assert_eq!(unknown.error(), (404, "not_found"));
}

async fn an_order_answers_what_the_client_needs_to_pay(profile: Profile) {
    let (app, _provider) = shop(profile).await;
    let person = app.person("one").await;
    let body = json!({ "productType": "vip", "productId": "vip_month", "quantity": 2,
        "paymentMethod": "wechat_pay", "source": "shop" });
    let placed = person.post("/api/payment/create-order", &body).await;
    let info = json!({ "productId": "vip_month", "productType": "vip", "name": "会员一个月", "quantity": 2,
        "originalPrice": 36.0, "discountPrice": 0.0, "finalPrice": 36.0, "finalPriceFen": 3_600 });
    assert_eq!(placed.data()["productInfo"], info);
    let number = number(placed.data());
    assert_eq!(
        placed.data()["paymentInfo"],
        json!({ "prepayId": format!("wx{number}"), "timeStamp": "1", "nonceStr": "n",
            "package": format!("prepay_id=wx{number}"), "signType": "RSA", "paySign": "signed" })
    );
    assert_eq!(placed.data()["expireTime"], 1_790_000_000_000_i64 + 30 * 60_000);
    let amount = json!({ "amountFen": 123, "channel": "wechat_pay" });
    let custom = person.post("/api/billing/recharge", &amount).await;
    assert_eq!(custom.data()["productInfo"]["productId"], "credits_custom");
    pay(&app, custom.data()).await;
    assert_eq!(person.balance().await, (1_000_000 + 1_230_000, 0));
    pay(&app, placed.data()).await;
    let id = placed.data()["orderId"].as_str().expect("an id");
    let paid = person.get(&format!("/api/payment/orders/{id}")).await;
    assert_eq!(
        (&paid.data()["order"]["status"], &paid.data()["refundableFen"]),
        (&json!("paid"), &json!(3_600))
    );
    let listed = person.get("/api/billing/transactions?type=recharge").await;
    assert_eq!(listed.data()["transactions"][0]["amount"], 1_230_000);
}

async fn one_key_makes_one_order(profile: Profile) {
    let (app, _provider) = shop(profile).await;
    let person = app.person("one").await;
    let order = async |body: &Value| {
        let request = person.request(reqwest::Method::POST, "/api/billing/recharge").json(body);
        tests::app::answer(request.header("idempotency-key", "k-1")).await
    };
    let body = json!({ "productId": "credits_6" });
    let calls = futures::future::join_all((0..6).map(|_| order(&body))).await;
    let ids: Vec<_> = calls.iter().map(|answer| answer.data()["orderId"].clone()).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    let replayed = calls.iter().filter(|answer| answer.header("idempotent-replayed") == Some("true")).count();
    assert_eq!(replayed, 5);
    assert!(calls.iter().all(|answer| answer.data()["paymentInfo"]["prepayId"].is_string()));
    assert_eq!(order(&json!({ "productId": "credits_30" })).await.error(), (409, "idempotency_conflict"));
    pay(&app, calls[0].data()).await;
    let after = order(&body).await;
    assert_eq!((&after.data()["status"], after.data().get("paymentInfo")), (&json!("paid"), None));
}

async fn amounts_that_are_no_amounts_are_refused(profile: Profile) {
    let (app, _provider) = shop(profile).await;
    let person = app.person("one").await;
    let recharge = async |body: Value| person.post("/api/billing/recharge", &body).await;
    for (amount, rule) in [
        (json!(0), "value"),
        (json!(-5), "value"),
        (json!(5_000_001), "value"),
        (json!(i64::MAX), "value"),
        (json!(1e30), "type"),
        (json!(1.5), "type"),
        (json!("100"), "type"),
        (json!([1]), "type"),
    ] {
        let refused = recharge(json!({ "amountFen": amount })).await;
        assert_eq!(refused.invalid(), ("amountFen", rule), "{amount}");
    }
    for (quantity, rule) in
        [(json!(0), "value"), (json!(11), "value"), (json!(-1), "value"), (json!("2"), "type")]
    {
        let refused = recharge(json!({ "productId": "credits_6", "quantity": quantity })).await;
        assert_eq!(refused.invalid(), ("quantity", rule), "{quantity}");
    }
    assert_eq!(recharge(json!({})).await.invalid(), ("productId", "required"));
    assert_eq!(
        recharge(json!({ "productId": "credits_6", "amountFen": 1 })).await.invalid(),
        ("amountFen", "value")
    );
    assert_eq!(recharge(json!({ "productId": "no such" })).await.error(), (404, "not_found"));
    assert_eq!(recharge(json!({ "productId": "nothing" })).await.error(), (404, "not_found"));
    let elsewhere = recharge(json!({ "productId": "credits_6", "channel": "sandbox" })).await;
    assert_eq!(elsewhere.invalid(), ("channel", "value"));
    assert_eq!(
        recharge(json!({ "productId": "credits_6", "channel": "cash" })).await.invalid(),
        ("channel", "value")
    );
    assert_eq!(
        recharge(json!({ "productId": "credits_6", "couponId": "NONE" })).await.error(),
        (404, "not_found")
    );
    let long = "源".repeat(65);
    assert_eq!(
        recharge(json!({ "productId": "credits_6", "source": long })).await.invalid(),
        ("source", "too_long")
    );
    let shelf = json!({ "productType": "skill", "productId": "credits_6" });
    assert_eq!(person.post("/api/payment/create-order", &shelf).await.error(), (404, "not_found"));
    let founders = recharge(json!({ "productId": "limited_founders" })).await;
    assert_eq!(founders.error(), (403, "forbidden"), "members only");
    assert_eq!(person.get("/api/payment/orders").await.data()["pagination"]["total"], 0);
}

async fn orders_are_seen_by_their_buyer_alone(profile: Profile) {
    let (app, _provider) = shop(profile).await;
    let (one, other) = (app.person("one").await, app.person("other").await);
    let order = buy(&one, "credits_6").await;
    let id = order["orderId"].as_str().expect("an id");
    for path in ["", "/cancel", "/refund-request"] {
        let path = format!("/api/payment/orders/{id}{path}");
        let answer = if path.ends_with(id) {
            other.get(&path).await
        } else {
            other.post(&path, &json!({ "reason": "x" })).await
        };
        assert_eq!(answer.error(), (404, "not_found"), "{path}");
    }
    assert_eq!(other.get("/api/payment/orders").await.data()["orders"], json!([]));
    let own = one.get("/api/payment/orders?status=pending").await;
    assert_eq!(own.data()["orders"][0]["orderId"], id);
    assert!(own.data()["orders"][0].get("userId").is_none());
    assert_eq!(one.get("/api/payment/orders?status=lost").await.invalid(), ("status", "value"));
    assert_eq!(one.get("/api/payment/orders/nonsense").await.error(), (404, "not_found"));
    for path in ["/api/admin/orders", "/api/admin/refund-requests", "/api/admin/audit"] {
        assert_eq!(one.get(path).await.error(), (403, "forbidden"), "{path}");
    }
    let operator = app.operator("boss").await;
    let all = operator.get("/api/admin/orders").await;
    assert_eq!(all.data()["orders"][0]["userId"], one.id.as_str());
}

async fn a_coupon_is_used_once(profile: Profile) {
    let (app, _provider) = shop(profile).await;
    let person = app.person("one").await;
    let with = async |product: &str, coupon: &str| {
        let body = json!({ "productId": product, "couponId": coupon });
        person.post("/api/billing/recharge", &body).await
    };
    assert_eq!(with("credits_6", "welcome10").await.invalid(), ("couponId", "value"), "too small");
    let placed = with("credits_30", "welcome10").await;
    let info = &placed.data()["productInfo"];
    assert_eq!((&info["discountPrice"], &info["finalPriceFen"]), (&json!(3.0), &json!(2_700)));
    assert_eq!(with("credits_68", "WELCOME10").await.invalid(), ("couponId", "value"), "used");
    pay(&app, placed.data()).await;
    assert_eq!(person.balance().await.0, 1_000_000 + 31_500_000);
    let operator = app.operator("boss").await;
    let coupon = json!({ "amountFen": 100, "productTypes": ["vip"], "usesMax": 1 });
    operator.put("/api/admin/coupons/vip-1", &coupon).await.data();
    assert_eq!(with("credits_30", "VIP-1").await.invalid(), ("couponId", "value"), "for other things");
    assert_eq!(with("vip_month", "VIP-1").await.data()["productInfo"]["finalPriceFen"], 1_700);
    for wrong in [json!({}), json!({ "percent": 0 }), json!({ "percent": 101 }), json!({ "amountFen": -1 })] {
        assert_eq!(operator.put("/api/admin/coupons/X", &wrong).await.status, 422, "{wrong}");
    }
    assert_eq!(person.put("/api/admin/coupons/X", &coupon).await.error(), (403, "forbidden"));
}

async fn an_order_is_cancelled_unless_the_payment_was_faster(profile: Profile) {
    let (app, provider) = shop(profile).await;
    let person = app.person("one").await;
    let (first, second) = (buy(&person, "credits_6").await, buy(&person, "credits_6").await);
    let cancel = async |order: &Value| {
        let id = order["orderId"].as_str().expect("an id");
        person.post(&format!("/api/payment/orders/{id}/cancel"), &json!({})).await
    };
    assert_eq!(cancel(&first).await.data()["status"], "closed");
    assert_eq!(cancel(&first).await.data()["status"], "closed");
    provider.pay(number(&second).parse().unwrap(), Timestamp::from_millis(1_790_000_000_000));
    assert_eq!(cancel(&second).await.data()["status"], "paid", "the payment was faster");
    assert_eq!(cancel(&second).await.error(), (409, "order_paid"));
    assert_eq!(person.balance().await.0, 7_000_000);
}

async fn a_limited_offer_is_not_oversold(profile: Profile) {
    let catalog = "[[products]]\nid = \"rare\"\nkind = \"credits\"\nname = \"限量\"\nprice_fen = 100\n\
                   credits = 1_000_000\nstock = 3\nuntil = \"2999-12-31\"\n";
    let provider = FakeProvider::new(billing::Channel::WechatPay);
    let app = TestApp::with_files(profile, &[("catalog.toml", catalog)], provider).await;
    let person = app.person("one").await;
    let body = json!({ "productId": "rare" });
    let calls = (0..8).map(|_| person.post("/api/billing/recharge", &body));
    let answers = futures::future::join_all(calls).await;
    let sold = answers.iter().filter(|answer| answer.status == 200).count();
    let refused =
        answers.iter().filter(|answer| answer.status == 409 && answer.error().1 == "sold_out").count();
    assert_eq!((sold, refused), (3, 5));
}

async fn members_pay_a_fifth_less_for_skills(profile: Profile) {
    let (app, _provider) = shop(profile).await;
    let person = app.person("one").await;
    let skill = json!({ "productType": "skill", "productId": "skill_infj_listening" });
    let order = async || person.post("/api/payment/create-order", &skill).await;
    assert_eq!(order().await.data()["productInfo"]["finalPriceFen"], 690);
    pay(&app, &buy(&person, "vip_month").await).await;
    let reduced = order().await;
    assert_eq!(reduced.data()["productInfo"]["finalPriceFen"], 552);
    pay(&app, reduced.data()).await;
    assert_eq!(order().await.error(), (409, "already_owned"));
    let list = person.get("/api/billing/products?type=skill").await;
    let mine = list.data()["products"].as_array().expect("a list").clone();
    assert!(mine.iter().all(|skill| skill["finalPriceFen"].as_i64() < Some(800)), "{mine:?}");
}
