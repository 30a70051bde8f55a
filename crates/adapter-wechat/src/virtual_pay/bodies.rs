//! The JSON of virtual payment, and what it means for an order or a refund of ours.

use billing::{Payment, PaymentStatus, RefundStatus, TradeNo};
use kernel::{Fen, PortError, Timestamp};
use serde::{Deserialize, Deserializer, Serialize};

use super::SYSTEM;

/// What the client hands to `wx.requestVirtualPayment`, as the text that is signed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SignData<'a> {
    pub(crate) offer_id: &'a str,
    pub(crate) buy_quantity: u32,
    pub(crate) env: u8,
    pub(crate) currency_type: &'static str,
    pub(crate) product_id: &'a str,
    pub(crate) goods_price: i64,
    pub(crate) out_trade_no: String,
    pub(crate) attach: &'static str,
}

#[derive(Serialize)]
pub(crate) struct QueryOrder<'a> {
    pub(crate) openid: &'a str,
    pub(crate) env: u8,
    pub(crate) order_id: String,
}

#[derive(Serialize)]
pub(crate) struct RefundAsk<'a> {
    pub(crate) openid: &'a str,
    pub(crate) env: u8,
    pub(crate) order_id: String,
    pub(crate) refund_order_id: String,
    pub(crate) left_fee: i64,
    pub(crate) refund_fee: i64,
    pub(crate) biz_meta: &'static str,
    pub(crate) refund_reason: &'static str,
    pub(crate) req_from: &'static str,
}

#[derive(Serialize)]
pub(crate) struct ProvideGoods {
    pub(crate) env: u8,
    pub(crate) order_id: String,
}

#[derive(Deserialize)]
pub(crate) struct OrderAnswer {
    pub(crate) order: OrderBody,
}

/// An order, or a refund, which the platform keeps as an order too.
#[derive(Deserialize)]
pub(crate) struct OrderBody {
    pub(crate) order_id: String,
    pub(crate) status: i64,
    #[serde(default)]
    order_fee: i64,
    #[serde(default)]
    paid_time: i64,
    #[serde(default)]
    pub(crate) left_fee: Option<i64>,
    #[serde(default)]
    wx_order_id: String,
    #[serde(default)]
    wxpay_order_id: String,
}

impl OrderBody {
    /// How the order stands: 0 and 1 wait, 2 to 5 and 7 to 10 came after payment, 6 is closed. One report has 5
    /// falling back to 4, which is the same here.
    pub(crate) fn order_status(&self, trade_no: TradeNo, openid: &str) -> Result<PaymentStatus, PortError> {
        match self.status {
            0 | 1 => Ok(PaymentStatus::Pending),
            6 => Ok(PaymentStatus::Closed),
            2..=5 | 7..=10 if self.order_fee > 0 && self.paid_time > 0 => {
                let provider =
                    [&self.wxpay_order_id, &self.wx_order_id].into_iter().find(|id| !id.is_empty());
                Ok(PaymentStatus::Paid(Payment {
                    trade_no,
                    provider_txn_id: provider.cloned().unwrap_or_default(),
                    total: Fen::new(self.order_fee),
                    openid: Some(openid.to_owned()),
                    goods: None,
                    paid_at: Timestamp::from_millis(self.paid_time.saturating_mul(1_000)),
                }))
            }
            _ => Err(PortError::corrupt(
                SYSTEM,
                "an order in a state that is not documented, or without its fee",
            )),
        }
    }

    /// How the refund stands: 5 and 8 are done, 7 has failed, everything else is on its way.
    pub(crate) const fn refund_status(&self) -> RefundStatus {
        match self.status {
            5 | 8 => RefundStatus::Succeeded,
            7 => RefundStatus::Abnormal,
            _ => RefundStatus::Pending,
        }
    }
}

/// What every event of the push has.
#[derive(Deserialize)]
pub(crate) struct EventHead {
    #[serde(rename = "Event", default)]
    pub(crate) event: String,
}

/// `xpay_goods_deliver_notify`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GoodsDeliver {
    pub(crate) open_id: String,
    pub(crate) out_trade_no: String,
    #[serde(deserialize_with = "number")]
    pub(crate) env: i64,
    #[serde(rename = "WeChatPayInfo", default)]
    pub(crate) pay: PayInfo,
    pub(crate) goods_info: GoodsInfo,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct PayInfo {
    pub(crate) mch_order_no: String,
    pub(crate) transaction_id: String,
    #[serde(deserialize_with = "number")]
    pub(crate) paid_time: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GoodsInfo {
    pub(crate) product_id: String,
    #[serde(deserialize_with = "number")]
    pub(crate) quantity: i64,
    #[serde(deserialize_with = "number")]
    pub(crate) actual_price: i64,
}

/// `xpay_refund_notify`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RefundNotify {
    #[serde(default)]
    pub(crate) wx_refund_id: String,
    #[serde(default)]
    pub(crate) mch_refund_id: String,
    pub(crate) mch_order_id: String,
    #[serde(deserialize_with = "number")]
    pub(crate) refund_fee: i64,
    #[serde(deserialize_with = "number")]
    pub(crate) ret_code: i64,
}

/// `xpay_subscribe_ios_refund_query_notify`
#[derive(Deserialize)]
pub(crate) struct RefundQuestion {
    pub(crate) pay_order_id: String,
    #[serde(default)]
    pub(crate) refund_time: String,
}

/// Numbers come as numbers or as texts of digits, depending on the event.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(i64),
        Text(String),
    }
    match Either::deserialize(deserializer)? {
        Either::Number(number) => Ok(number),
        Either::Text(text) => text.parse().map_err(|_no_digits| serde::de::Error::custom("no number")),
    }
}
