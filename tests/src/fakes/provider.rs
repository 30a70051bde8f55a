//! A provider of payment that a test drives: it remembers, it can be away, and it says what it is told to say.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use billing::payment::{
    CloseOutcome, NoticeEvent, NoticeRefusal, NoticeReply, Notified, PaymentNotice, Prepay, PrepayOutcome,
    RawNotice, RefundOutcome, RefundRequest, RefundStatus, Verdict, WechatPayer,
};
use billing::{Channel, Order, Payment, PaymentGateway, PaymentParameters, PaymentStatus, RefundId, TradeNo};
use kernel::{Fen, PortError, Timestamp};
use serde_json::{Value, json};

/// The header that this provider signs in, on the wire of WeChat Pay.
pub const SIGNATURE: &str = "wechatpay-signature";
/// What a good signature is.
pub const GOOD: &str = "good";

/// A provider of payment. Cloning shares it.
#[derive(Clone)]
pub struct FakeProvider {
    channel: Channel,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    orders: HashMap<TradeNo, Sheet>,
    refunds: HashMap<RefundId, RefundStatus>,
    is_away: bool,
    next_refund: Option<RefundOutcome>,
    loses_next_answer: bool,
    queries: usize,
    confirmed: usize,
    refunds_asked: usize,
}

#[derive(Clone)]
struct Sheet {
    total: Fen,
    paid_at: Option<Timestamp>,
    is_closed: bool,
}

impl FakeProvider {
    /// A provider of this channel.
    pub fn new(channel: Channel) -> Self {
        Self { channel, state: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The person pays; nobody is told.
    pub fn pay(&self, trade_no: TradeNo, at: Timestamp) {
        let mut state = self.state();
        let sheet = state.orders.get_mut(&trade_no).expect("an order that was shown");
        sheet.paid_at.get_or_insert(at);
    }

    /// Nobody reaches it, or they do again.
    pub fn set_away(&self, is_away: bool) {
        self.state().is_away = is_away;
    }

    /// The answer to the next refund.
    pub fn answer_refund(&self, outcome: RefundOutcome) {
        self.state().next_refund = Some(outcome);
    }

    /// Does what it is asked next, and its answer is lost on the way.
    pub fn lose_next_answer(&self) {
        self.state().loses_next_answer = true;
    }

    /// How a refund that is on its way ends.
    pub fn end_refund(&self, status: RefundStatus) {
        for refund in self.state().refunds.values_mut() {
            *refund = status;
        }
    }

    /// How often it was asked for an order, told of a delivery, and asked for a refund.
    pub fn counts(&self) -> (usize, usize, usize) {
        let state = self.state();
        (state.queries, state.confirmed, state.refunds_asked)
    }

    /// The message that an order is paid.
    pub fn paid_notice(trade_no: &str, total: i64) -> Value {
        json!({ "id": format!("paid-{trade_no}"), "event": "paid", "tradeNo": trade_no, "total": total })
    }

    fn sheet(&self, trade_no: TradeNo) -> Result<Option<Sheet>, PortError> {
        let mut state = self.state();
        state.queries += 1;
        if state.is_away { Err(away()) } else { Ok(state.orders.get(&trade_no).cloned()) }
    }
}

fn away() -> PortError {
    PortError::unavailable("provider", "away")
}

fn payment(trade_no: TradeNo, total: Fen, paid_at: Timestamp) -> Payment {
    Payment {
        trade_no,
        provider_txn_id: format!("txn-{trade_no}"),
        total,
        openid: None,
        goods: None,
        paid_at,
    }
}

fn event(body: &Value, at: Timestamp) -> Option<NoticeEvent> {
    let fen = || body["total"].as_i64().map(Fen::new);
    let trade_no = || body["tradeNo"].as_str()?.parse::<TradeNo>().ok();
    match body["event"].as_str()? {
        "paid" => Some(NoticeEvent::Paid(payment(trade_no()?, fen()?, at))),
        "refunded" => {
            let refund = body["refund"].as_str()?.parse().ok()?;
            let status = body["status"].as_str()?.parse().ok()?;
            Some(NoticeEvent::RefundEnded { refund, status, amount: fen()? })
        }
        "clawed" => Some(NoticeEvent::ClawedBack {
            trade_no: trade_no()?,
            provider_refund_id: body["id"].as_str()?.to_owned(),
            amount: fen()?,
        }),
        "asked" => Some(NoticeEvent::RefundAsked { trade_no: trade_no()? }),
        _ => None,
    }
}

#[async_trait]
impl PaymentGateway for FakeProvider {
    async fn prepay(&self, prepay: &Prepay) -> Result<PrepayOutcome, PortError> {
        let mut state = self.state();
        if state.is_away {
            return Err(away());
        }
        let (trade_no, total) = (prepay.order.trade_no(), prepay.order.total);
        let sheet = state.orders.entry(trade_no).or_insert(Sheet { total, paid_at: None, is_closed: false });
        if sheet.paid_at.is_some() {
            return Ok(PrepayOutcome::AlreadyPaid);
        }
        if sheet.is_closed {
            return Ok(PrepayOutcome::Closed);
        }
        Ok(PrepayOutcome::Ready(PaymentParameters::WechatPay {
            prepay_id: format!("wx{trade_no}"),
            time_stamp: "1".to_owned(),
            nonce_str: "n".to_owned(),
            package: format!("prepay_id=wx{trade_no}"),
            sign_type: "RSA".to_owned(),
            pay_sign: "signed".to_owned(),
        }))
    }

    async fn read(&self, notice: &RawNotice<'_>) -> Result<Notified, PortError> {
        if notice.header(SIGNATURE) != Some(GOOD) {
            return Ok(Notified::Refused(NoticeRefusal::Signature));
        }
        let body: Value = serde_json::from_slice(notice.body).unwrap_or_default();
        let id = body["id"].as_str().map(str::to_owned);
        Ok(match id.zip(event(&body, notice.at)) {
            Some((id, event)) => Notified::Notice(PaymentNotice { id, channel: self.channel, event }),
            None if body["event"] == "other" => Notified::Ignored,
            None => Notified::Refused(NoticeRefusal::Malformed),
        })
    }

    fn reply(&self, verdict: Verdict) -> NoticeReply {
        let (status, body): (u16, &[u8]) = match verdict {
            Verdict::Accepted => return NoticeReply { status: 204, content_type: None, body: Vec::new() },
            Verdict::Refused => (401, br#"{"code":"FAIL"}"#),
            Verdict::TryAgain => (503, br#"{"code":"FAIL"}"#),
            Verdict::Advice { agree: true } => (200, br#"{"agree":true}"#),
            Verdict::Advice { agree: false } => (200, br#"{"agree":false}"#),
        };
        NoticeReply { status, content_type: Some("application/json"), body: body.to_vec() }
    }

    async fn query(&self, order: &Order, _payer: Option<&WechatPayer>) -> Result<PaymentStatus, PortError> {
        let trade_no = order.trade_no();
        Ok(match self.sheet(trade_no)? {
            None => PaymentStatus::Unknown,
            Some(Sheet { total, paid_at: Some(at), .. }) => PaymentStatus::Paid(payment(trade_no, total, at)),
            Some(Sheet { is_closed: true, .. }) => PaymentStatus::Closed,
            Some(_) => PaymentStatus::Pending,
        })
    }

    async fn confirm(&self, _order: &Order) -> Result<(), PortError> {
        self.state().confirmed += 1;
        Ok(())
    }

    async fn close(&self, order: &Order) -> Result<CloseOutcome, PortError> {
        let mut state = self.state();
        if state.is_away {
            return Err(away());
        }
        let Some(sheet) = state.orders.get_mut(&order.trade_no()) else { return Ok(CloseOutcome::Closed) };
        if sheet.paid_at.is_some() {
            return Ok(CloseOutcome::AlreadyPaid);
        }
        sheet.is_closed = true;
        Ok(CloseOutcome::Closed)
    }

    async fn refund(&self, request: &RefundRequest) -> Result<RefundOutcome, PortError> {
        let mut state = self.state();
        state.refunds_asked += 1;
        if state.is_away {
            return Err(away());
        }
        let outcome = state.next_refund.take().unwrap_or(RefundOutcome::Taken(RefundStatus::Succeeded));
        if let RefundOutcome::Taken(status) = &outcome {
            state.refunds.insert(request.refund.id, *status);
        }
        if std::mem::take(&mut state.loses_next_answer) { Err(away()) } else { Ok(outcome) }
    }

    async fn query_refund(&self, request: &RefundRequest) -> Result<RefundStatus, PortError> {
        let state = self.state();
        if state.is_away {
            return Err(away());
        }
        Ok(state.refunds.get(&request.refund.id).copied().unwrap_or(RefundStatus::Unknown))
    }
}
