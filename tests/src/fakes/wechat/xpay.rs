//! The platform's side of virtual payment: access tokens, orders that clients make, refunds, and what it pushes.

use std::collections::HashMap;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::web::{Bytes, Data, Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use billing::PaymentParameters;
use kernel::Timestamp;
use serde_json::{Value, json};

use super::{APP_ID, APP_SECRET, FakeWechat, State, encrypted_push, session_key_of, text};
use crate::fakes::sent::Sent;

/// The offer that the fake knows.
pub const OFFER_ID: &str = "1450000001";
/// Its AppKey.
pub const APP_KEY: &str = "app-key-of-the-tests-0123456789ab";

/// What the next answers are, for tests of failures.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Trouble {
    /// As documented.
    #[default]
    None,
    /// No answer for half a minute.
    Slow,
    /// This HTTP status.
    Status(u16),
    /// This body.
    Body(&'static str),
    /// More than anybody reads.
    Huge,
    /// This `errcode`.
    Code(i64),
}

/// What the platform remembers.
#[derive(Default)]
pub(super) struct Platform {
    /// Tokens given out; the last one works.
    tokens: u32,
    /// Whether the last one was revoked.
    is_revoked: bool,
    /// Orders and refunds, by number.
    orders: HashMap<String, Order>,
    /// What was asked, as interface and body.
    asked: Vec<(String, Value)>,
    trouble: Trouble,
}

struct Order {
    openid: String,
    product: String,
    quantity: i64,
    price: i64,
    fee: i64,
    left: i64,
    status: i64,
    env: i64,
    paid_at: i64,
    /// The order that this one pays back.
    refunds: Option<String>,
}

impl FakeWechat {
    fn platform(&self) -> MutexGuard<'_, Platform> {
        self.state.xpay.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the next answers of `/xpay/…` and of the token are.
    pub fn trouble(&self, trouble: Trouble) {
        self.platform().trouble = trouble;
    }

    /// How many tokens were given out.
    pub fn tokens(&self) -> u32 {
        self.platform().tokens
    }

    /// Makes the token in force worthless, as a second server of the same mini-program may.
    pub fn revoke_token(&self) {
        self.platform().is_revoked = true;
    }

    /// How often an interface was called with success.
    pub fn calls(&self, name: &str) -> usize {
        self.platform().asked.iter().filter(|(asked, _)| asked == name).count()
    }

    /// A client pays, as `wx.requestVirtualPayment` does: both signatures are checked first.
    pub fn client_pays(
        &self,
        name: &str,
        parameters: &PaymentParameters,
        at: Timestamp,
    ) -> Result<(), String> {
        let PaymentParameters::WechatVirtual { mode, sign_data, pay_sig, signature } = parameters else {
            return Err(format!("not virtual: {parameters:?}"));
        };
        if mode != "short_series_goods" {
            return Err(format!("mode {mode}"));
        }
        if *pay_sig != sign(APP_KEY, &format!("requestVirtualPayment&{sign_data}")) {
            return Err("paySig".to_owned());
        }
        if *signature != sign(&session_key_of(name), sign_data) {
            return Err("signature".to_owned());
        }
        let data: Value = serde_json::from_str(sign_data).map_err(|error| error.to_string())?;
        if data["offerId"] != OFFER_ID || data["currencyType"] != "CNY" {
            return Err(format!("offer or currency: {data}"));
        }
        let number = |field: &str| data[field].as_i64().expect("a number");
        let (quantity, price) = (number("buyQuantity"), number("goodsPrice"));
        let order = Order {
            openid: format!("openid-{name}"),
            product: data["productId"].as_str().expect("a product").to_owned(),
            quantity,
            price,
            fee: price * quantity,
            left: price * quantity,
            status: 2,
            env: number("env"),
            paid_at: at.as_millis() / 1_000,
            refunds: None,
        };
        let number = data["outTradeNo"].as_str().expect("a number").to_owned();
        self.platform().orders.entry(number).or_insert(order);
        Ok(())
    }

    /// The push of a delivery.
    pub fn delivery(&self, number: &str, at: Timestamp) -> Sent {
        encrypted_push(&self.delivery_message(number), APP_ID, at)
    }

    /// What that push says.
    pub fn delivery_message(&self, number: &str) -> String {
        let platform = self.platform();
        let order = platform.orders.get(number).expect("an order that was paid");
        let message = json!({
            "ToUserName": "gh_0123456789ab", "FromUserName": "wechat", "CreateTime": order.paid_at,
            "MsgType": "event", "Event": "xpay_goods_deliver_notify",
            "OpenId": order.openid, "OutTradeNo": number, "Env": order.env,
            "WeChatPayInfo": {
                "MchOrderNo": format!("mch-{number}"), "TransactionId": format!("txn-{number}"),
                "PaidTime": order.paid_at,
            },
            "GoodsInfo": {
                "ProductId": order.product, "Quantity": order.quantity, "OrigPrice": order.price,
                "ActualPrice": order.price, "Attach": "jixia",
            },
        });
        message.to_string()
    }

    /// The push of a refund, ours or not.
    pub fn refund_push(&self, refund: &str, order: &str, fee: i64, at: Timestamp) -> Sent {
        let message = json!({
            "MsgType": "event", "Event": "xpay_refund_notify", "OpenId": "openid-kong",
            "WxRefundId": format!("wx-{refund}"), "MchRefundId": refund, "WxOrderId": "wx", "MchOrderId": order,
            "RefundFee": fee, "RetCode": 0, "RetMsg": "ok",
        });
        encrypted_push(&message.to_string(), APP_ID, at)
    }

    /// The push by which Apple asks whether a refund would be just.
    pub fn refund_question(&self, order: &str, at: Timestamp) -> Sent {
        let seconds = (at.as_millis() / 1_000).to_string();
        let message = json!({
            "MsgType": "event", "Event": "xpay_subscribe_ios_refund_query_notify", "pay_order_id": order,
            "refund_time": seconds, "p_count": "1", "provide_status": "1", "bundleid": "com.tencent.xin",
        });
        encrypted_push(&message.to_string(), APP_ID, at)
    }

    /// A refund comes to its end.
    pub fn end_refund(&self, number: &str, has_succeeded: bool) {
        let mut platform = self.platform();
        platform.orders.get_mut(number).expect("a refund").status = if has_succeeded { 8 } else { 7 };
    }

    /// What an order has left to pay back.
    pub fn left(&self, number: &str) -> i64 {
        self.platform().orders.get(number).expect("an order").left
    }
}

/// HMAC-SHA-256 in small hexadecimal digits.
fn sign(key: &str, message: &str) -> String {
    hex::encode(hmac::sign(&hmac::Key::new(HMAC_SHA256, key.as_bytes()), message.as_bytes()))
}

async fn troubled(trouble: Trouble) -> Option<HttpResponse> {
    match trouble {
        Trouble::None => None,
        Trouble::Slow => {
            actix_web::rt::time::sleep(Duration::from_secs(30)).await;
            None
        }
        Trouble::Status(status) => {
            let status = actix_web::http::StatusCode::from_u16(status).expect("a status");
            Some(HttpResponse::build(status).body("{}"))
        }
        Trouble::Body(body) => Some(text(body.to_owned())),
        Trouble::Huge => Some(text(format!(r#"{{"errmsg":"{}"}}"#, "x".repeat(1 << 20)))),
        Trouble::Code(code) => Some(error(code, "as documented")),
    }
}

pub(super) async fn stable_token(state: Data<State>, body: Bytes) -> HttpResponse {
    let trouble = state.xpay.lock().unwrap_or_else(PoisonError::into_inner).trouble.clone();
    if let Some(answer) = troubled(trouble).await {
        return answer;
    }
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    if asked["appid"] != APP_ID || asked["secret"] != APP_SECRET {
        return error(40_125, "invalid appsecret");
    }
    if asked["grant_type"] != "client_credential" || asked["force_refresh"] != false {
        return error(40_002, "invalid grant_type");
    }
    let mut platform = state.xpay.lock().unwrap_or_else(PoisonError::into_inner);
    platform.tokens += 1;
    platform.is_revoked = false;
    text(json!({ "access_token": format!("token-{}", platform.tokens), "expires_in": 7_200 }).to_string())
}

pub(super) async fn answer(
    state: Data<State>,
    request: HttpRequest,
    name: Path<String>,
    query: Query<HashMap<String, String>>,
    body: Bytes,
) -> HttpResponse {
    let trouble = state.xpay.lock().unwrap_or_else(PoisonError::into_inner).trouble.clone();
    if let Some(answer) = troubled(trouble).await {
        return answer;
    }
    let mut platform = state.xpay.lock().unwrap_or_else(PoisonError::into_inner);
    let field = |name: &str| query.get(name).map_or("", String::as_str);
    if platform.is_revoked || field("access_token") != format!("token-{}", platform.tokens) {
        return error(40_001, "invalid credential, access_token is invalid or not latest");
    }
    let signed = format!("{}&{}", request.path(), String::from_utf8_lossy(&body));
    if field("pay_sig") != sign(APP_KEY, &signed) {
        return error(268_490_003, "签名错误");
    }
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    platform.asked.push((name.clone(), asked.clone()));
    match name.as_str() {
        "query_order" => platform.query(&asked),
        "refund_order" => platform.refund(&asked),
        "notify_provide_goods" => platform.provide(&asked),
        _ => error(48_001, "api unauthorized"),
    }
}

impl Platform {
    fn query(&self, asked: &Value) -> HttpResponse {
        let number = asked["order_id"].as_str().unwrap_or_default();
        let found = self.orders.get(number).filter(|order| asked["openid"] == order.openid);
        let Some(order) = found.filter(|order| asked["env"] == order.env) else {
            return text(
                json!({ "errcode": 268_490_002, "errmsg": "数据不存在", "order": null }).to_string(),
            );
        };
        let body = json!({
            "order_id": number, "create_time": order.paid_at, "update_time": order.paid_at, "status": order.status,
            "biz_type": 2, "order_fee": order.fee, "paid_fee": order.fee, "order_type": 0, "env_type": 1,
            "paid_time": order.paid_at, "left_fee": order.left, "wx_order_id": format!("wx-{number}"),
            "wxpay_order_id": format!("txn-{number}"),
        });
        text(json!({ "errcode": 0, "errmsg": "ok", "order": body }).to_string())
    }

    fn refund(&mut self, asked: &Value) -> HttpResponse {
        let field = |name: &str| asked[name].as_str().unwrap_or_default().to_owned();
        let number = |name: &str| asked[name].as_i64().unwrap_or_default();
        let (number_of_order, refund) = (field("order_id"), field("refund_order_id"));
        if self.orders.contains_key(&refund) {
            return error(268_490_014, "退款操作进行中");
        }
        let Some(order) = self.orders.get_mut(&number_of_order).filter(|o| o.openid == field("openid"))
        else {
            return error(268_490_002, "数据不存在");
        };
        let (left, fee) = (number("left_fee"), number("refund_fee"));
        if left != order.left {
            return error(268_490_016, "left_fee");
        }
        let is_said = !field("biz_meta").is_empty() && "012345".contains(&field("refund_reason"));
        if fee <= 0 || fee > left || !is_said || !["1", "2", "3"].contains(&field("req_from").as_str()) {
            return error(268_490_002, "参数错误");
        }
        order.left -= fee;
        let row = Order {
            openid: order.openid.clone(),
            product: order.product.clone(),
            fee,
            left: 0,
            status: 2,
            refunds: Some(number_of_order),
            ..*order
        };
        let paid = row.refunds.clone();
        self.orders.insert(refund.clone(), row);
        text(
            json!({ "errcode": 0, "errmsg": "ok", "refund_order_id": refund, "pay_order_id": paid })
                .to_string(),
        )
    }

    fn provide(&mut self, asked: &Value) -> HttpResponse {
        let number = asked["order_id"].as_str().unwrap_or_default();
        match self.orders.get_mut(number) {
            Some(order) if order.status == 4 => error(268_490_004, "重复操作"),
            Some(order) => {
                order.status = 4;
                text(r#"{"errcode":0,"errmsg":"ok"}"#.to_owned())
            }
            None => error(268_490_002, "数据不存在"),
        }
    }
}

fn error(code: i64, message: &str) -> HttpResponse {
    text(json!({ "errcode": code, "errmsg": message }).to_string())
}
