//! The JSON of WeChat Pay, and what it means for an order or a refund of ours.

use billing::payment::RefundId;
use billing::{Payment, PaymentStatus, RefundStatus, TradeNo};
use kernel::{Fen, Id, PortError, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::SYSTEM;
use crate::moment;

const CURRENCY: &str = "CNY";

#[derive(Serialize)]
pub(crate) struct PrepayBody<'a> {
    pub(crate) appid: &'a str,
    pub(crate) mchid: &'a str,
    pub(crate) description: &'a str,
    pub(crate) out_trade_no: String,
    pub(crate) time_expire: String,
    pub(crate) notify_url: &'a str,
    pub(crate) amount: Total,
    pub(crate) payer: PayerBody<'a>,
}

#[derive(Serialize)]
pub(crate) struct Total {
    pub(crate) total: i64,
    pub(crate) currency: &'static str,
}

impl Total {
    pub(crate) const fn yuan(total: Fen) -> Self {
        Self { total: total.get(), currency: CURRENCY }
    }
}

#[derive(Serialize)]
pub(crate) struct PayerBody<'a> {
    pub(crate) openid: &'a str,
}

#[derive(Deserialize)]
pub(crate) struct Prepaid {
    pub(crate) prepay_id: String,
}

#[derive(Serialize)]
pub(crate) struct CloseBody<'a> {
    pub(crate) mchid: &'a str,
}

#[derive(Serialize)]
pub(crate) struct RefundBody<'a> {
    pub(crate) out_trade_no: String,
    pub(crate) out_refund_no: String,
    pub(crate) reason: &'a str,
    pub(crate) notify_url: &'a str,
    pub(crate) amount: RefundAmount,
}

#[derive(Serialize)]
pub(crate) struct RefundAmount {
    pub(crate) refund: i64,
    pub(crate) total: i64,
    pub(crate) currency: &'static str,
}

impl RefundAmount {
    pub(crate) const fn yuan(refund: Fen, total: Fen) -> Self {
        Self { refund: refund.get(), total: total.get(), currency: CURRENCY }
    }
}

/// What a query and a notice say of a payment.
#[derive(Deserialize)]
pub(crate) struct Transaction {
    pub(crate) appid: String,
    pub(crate) mchid: String,
    pub(crate) out_trade_no: String,
    pub(crate) trade_state: String,
    #[serde(rename = "transaction_id")]
    txn_id: Option<String>,
    success_time: Option<String>,
    amount: Option<PaidAmount>,
    payer: Option<PaidBy>,
}

#[derive(Deserialize)]
struct PaidAmount {
    total: i64,
    #[serde(default)]
    currency: Option<String>,
}

#[derive(Deserialize)]
struct PaidBy {
    openid: String,
}

impl Transaction {
    /// The payment, if all of it is there.
    pub(crate) fn payment(&self) -> Option<Payment> {
        let amount = self.amount.as_ref().filter(|amount| amount.total > 0)?;
        if amount.currency.as_deref().is_some_and(|currency| currency != CURRENCY) {
            return None;
        }
        Some(Payment {
            trade_no: self.out_trade_no.parse().ok()?,
            provider_txn_id: self.txn_id.clone()?,
            total: Fen::new(amount.total),
            openid: self.payer.as_ref().map(|payer| payer.openid.clone()),
            goods: None,
            paid_at: moment::parse(self.success_time.as_deref()?)?,
        })
    }

    /// How the order stands.
    pub(crate) fn status(&self) -> Result<PaymentStatus, PortError> {
        let corrupt = |what: &'static str| PortError::corrupt(SYSTEM, what);
        match self.trade_state.as_str() {
            "SUCCESS" | "REFUND" => self
                .payment()
                .map(PaymentStatus::Paid)
                .ok_or_else(|| corrupt("a paid order without its payment")),
            // A failed attempt leaves the order open.
            "NOTPAY" | "USERPAYING" | "ACCEPT" | "PAYERROR" => Ok(PaymentStatus::Pending),
            "CLOSED" | "REVOKED" => Ok(PaymentStatus::Closed),
            _ => Err(corrupt("an order in a state that is not documented")),
        }
    }
}

/// What a refund's answer and its query say.
#[derive(Deserialize)]
pub(crate) struct RefundState {
    pub(crate) out_refund_no: String,
    pub(crate) status: String,
}

/// What a notice says of a refund.
#[derive(Deserialize)]
pub(crate) struct RefundNews {
    pub(crate) mchid: String,
    pub(crate) out_trade_no: String,
    pub(crate) out_refund_no: String,
    pub(crate) refund_id: String,
    pub(crate) refund_status: String,
    pub(crate) amount: RefundedAmount,
}

#[derive(Deserialize)]
pub(crate) struct RefundedAmount {
    pub(crate) refund: i64,
}

impl RefundNews {
    pub(crate) fn trade_no(&self) -> Option<TradeNo> {
        self.out_trade_no.parse().ok()
    }

    /// The refund of ours that it names, if it is one of ours.
    pub(crate) fn refund(&self) -> Option<RefundId> {
        refund_id(&self.out_refund_no)
    }
}

/// A refund's number, read.
pub(crate) fn refund_id(number: &str) -> Option<RefundId> {
    const DIGITS: usize = 32;
    let is_ours = number.len() == DIGITS && !number.bytes().any(|byte| byte.is_ascii_uppercase());
    is_ours.then(|| Uuid::try_parse(number).ok()).flatten().map(Id::from_uuid)
}

/// A refund's status, in a word of ours.
pub(crate) fn refund_status(word: &str) -> Option<RefundStatus> {
    match word {
        "SUCCESS" => Some(RefundStatus::Succeeded),
        "PROCESSING" => Some(RefundStatus::Pending),
        "CLOSED" => Some(RefundStatus::Closed),
        "ABNORMAL" => Some(RefundStatus::Abnormal),
        _ => None,
    }
}

/// Unix seconds, as clients take them.
pub(crate) fn seconds(at: Timestamp) -> String {
    (at.as_millis() / 1_000).to_string()
}
