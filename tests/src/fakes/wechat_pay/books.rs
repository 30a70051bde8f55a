//! What WeChat Pay remembers of a merchant's orders and refunds, and how it answers about them.

use std::collections::HashMap;

use billing::Day;
use kernel::Timestamp;
use serde_json::{Value, json};

use super::{APP_ID, MCH_ID};

#[derive(Default)]
pub(super) struct Books {
    orders: HashMap<String, Order>,
    refunds: HashMap<String, Refund>,
    prepaid: u32,
}

struct Order {
    /// As the merchant sent it.
    body: Value,
    state: &'static str,
    paid_at: Option<Timestamp>,
    refunded: i64,
}

struct Refund {
    order: String,
    body: Value,
    status: String,
}

pub(super) enum Outcome {
    Done(u16, String),
    Failed(u16, &'static str),
}

impl Books {
    pub(super) fn answer(&mut self, method: &str, path: &str, query: &str, asked: &Value) -> Outcome {
        let parts: Vec<&str> = path.trim_start_matches("/v3/").split('/').collect();
        let is_merchants = query == format!("mchid={MCH_ID}");
        match (method, parts.as_slice()) {
            ("POST", ["pay", "transactions", "jsapi"]) => self.prepay(asked),
            ("GET", ["pay", "transactions", "out-trade-no", number]) if is_merchants => self.query(number),
            ("POST", ["pay", "transactions", "out-trade-no", number, "close"])
                if asked["mchid"] == MCH_ID =>
            {
                self.close(number)
            }
            ("POST", ["refund", "domestic", "refunds"]) => self.refund(asked),
            ("GET", ["refund", "domestic", "refunds", number]) => match self.refunds.get(*number) {
                Some(refund) => Outcome::Done(200, refund.json(number).to_string()),
                None => Outcome::Failed(404, "RESOURCE_NOT_EXISTS"),
            },
            _ => Outcome::Failed(400, "PARAM_ERROR"),
        }
    }

    fn prepay(&mut self, asked: &Value) -> Outcome {
        let text = |name: &str| asked[name].as_str().unwrap_or_default();
        let number = text("out_trade_no").to_owned();
        let is_whole = (6..=32).contains(&number.len())
            && asked["appid"] == APP_ID
            && asked["mchid"] == MCH_ID
            && (1..=127).contains(&text("description").len())
            && text("notify_url").starts_with("https://")
            && !text("notify_url").contains('?')
            && text("time_expire").ends_with("+08:00")
            && asked["amount"]["total"].as_i64().is_some_and(|total| total > 0)
            && asked["amount"]["currency"] == "CNY"
            && asked["payer"]["openid"].as_str().is_some_and(|openid| openid.starts_with("openid-"));
        if !is_whole {
            return Outcome::Failed(400, "PARAM_ERROR");
        }
        match self.orders.get(&number).map(|order| (order.state, &order.body == asked)) {
            Some(("SUCCESS", _)) => return Outcome::Failed(400, "ORDERPAID"),
            Some(("CLOSED", _)) => return Outcome::Failed(400, "ORDER_CLOSED"),
            Some((_, false)) => return Outcome::Failed(403, "OUT_TRADE_NO_USED"),
            Some((_, true)) | None => {}
        }
        let order = Order { body: asked.clone(), state: "NOTPAY", paid_at: None, refunded: 0 };
        self.orders.entry(number).or_insert(order);
        self.prepaid += 1;
        Outcome::Done(200, json!({ "prepay_id": format!("wx2611{:032}", self.prepaid) }).to_string())
    }

    fn query(&self, number: &str) -> Outcome {
        match self.orders.get(number) {
            Some(_) => Outcome::Done(200, self.transaction(number).to_string()),
            None => Outcome::Failed(404, "ORDER_NOT_EXIST"),
        }
    }

    fn close(&mut self, number: &str) -> Outcome {
        match self.orders.get_mut(number) {
            Some(order) if order.state == "SUCCESS" => Outcome::Failed(400, "ORDERPAID"),
            Some(order) => {
                order.state = "CLOSED";
                Outcome::Done(204, String::new())
            }
            None => Outcome::Failed(404, "ORDER_NOT_EXIST"),
        }
    }

    fn refund(&mut self, asked: &Value) -> Outcome {
        let text = |name: &str| asked[name].as_str().unwrap_or_default();
        let (number, paid) = (text("out_refund_no").to_owned(), text("out_trade_no").to_owned());
        if let Some(known) = self.refunds.get(&number) {
            return Outcome::Done(200, known.json(&number).to_string());
        }
        let Some(order) = self.orders.get_mut(&paid).filter(|order| order.state == "SUCCESS") else {
            return Outcome::Failed(404, "RESOURCE_NOT_EXISTS");
        };
        let (total, fee) = (&order.body["amount"]["total"], asked["amount"]["refund"].as_i64().unwrap_or(0));
        let rest = total.as_i64().expect("an amount") - order.refunded;
        if fee <= 0 || fee > rest || &asked["amount"]["total"] != total || text("reason").len() > 80 {
            return Outcome::Failed(400, "INVALID_REQUEST");
        }
        order.refunded += fee;
        let refund = Refund { order: paid, body: asked.clone(), status: "PROCESSING".to_owned() };
        let answer = refund.json(&number).to_string();
        self.refunds.insert(number, refund);
        Outcome::Done(200, answer)
    }

    pub(super) fn pay(&mut self, number: &str, at: Timestamp) {
        let order = self.orders.get_mut(number).expect("an order");
        (order.state, order.paid_at) = ("SUCCESS", Some(at));
    }

    pub(super) fn order(&self, number: &str) -> Value {
        self.orders.get(number).expect("an order").body.clone()
    }

    pub(super) fn refunded(&self, number: &str) -> i64 {
        self.orders.get(number).expect("an order").refunded
    }

    pub(super) fn end_refund(&mut self, number: &str, status: &str) {
        status.clone_into(&mut self.refunds.get_mut(number).expect("a refund").status);
    }

    /// What a query and a notice say of an order.
    pub(super) fn transaction(&self, number: &str) -> Value {
        let order = self.orders.get(number).expect("an order");
        let mut said = json!({
            "appid": APP_ID, "mchid": MCH_ID, "out_trade_no": number, "trade_state": order.state,
            "trade_state_desc": "说明", "amount": { "total": order.body["amount"]["total"], "currency": "CNY" },
        });
        if let Some(at) = order.paid_at {
            said["transaction_id"] = json!(format!("42000{number}"));
            said["trade_type"] = json!("JSAPI");
            said["success_time"] = json!(in_china(at));
            said["payer"] = order.body["payer"].clone();
        }
        said
    }

    /// What a notice says of a refund, and its event.
    pub(super) fn refund_news(&self, number: &str) -> (String, Value) {
        let refund = self.refunds.get(number).expect("a refund");
        let amount = &refund.body["amount"];
        let said = json!({
            "mchid": MCH_ID, "out_trade_no": refund.order, "transaction_id": format!("42000{}", refund.order),
            "out_refund_no": number, "refund_id": format!("50000{number}"), "refund_status": refund.status,
            "success_time": "2018-06-08T10:34:56+08:00", "user_received_account": "支付用户零钱",
            "amount": { "total": amount["total"], "refund": amount["refund"], "payer_total": amount["total"],
                        "payer_refund": amount["refund"] },
        });
        (format!("REFUND.{}", refund.status), said)
    }
}

/// As `2018-06-08T10:34:56+08:00`.
fn in_china(at: Timestamp) -> String {
    let seconds = (at.as_millis() / 1_000 + 8 * 3_600) % 86_400;
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{}T{hour:02}:{minute:02}:{second:02}+08:00", Day::of(at).date())
}

impl Refund {
    fn json(&self, number: &str) -> Value {
        json!({
            "refund_id": format!("50000{number}"), "out_refund_no": number, "out_trade_no": self.order,
            "channel": "ORIGINAL", "status": self.status, "create_time": "2018-06-08T10:34:56+08:00",
            "amount": self.body["amount"],
        })
    }
}
