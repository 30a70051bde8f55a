//! Play money: a provider of payment that is a page of ours with two buttons.
//!
//! It keeps to the manners of a real one, so that everything behind it is tried: parameters hold a token that only
//! this server can make, notices are signed and have a time, and paying is told by notice or found by asking. Token
//! and signature need no memory; what was decided is remembered by this process alone, which is enough for play.

use async_trait::async_trait;
use billing::payment::{
    CloseOutcome, NoticeEvent, NoticeRefusal, NoticeReply, Notified, PaymentNotice, Prepay, PrepayOutcome,
    RawNotice, RefundId, RefundOutcome, RefundRequest, SandboxChoice, SandboxSlip, SignedNotice, Verdict,
    WechatPayer,
};
use billing::ports::SandboxDesk;
use billing::{
    Channel, Order, Payment, PaymentGateway, PaymentParameters, PaymentStatus, RefundStatus, TradeNo,
};
use hmac::{Hmac, Mac};
use kernel::{BoundedMap, Fen, PortError, Timestamp};
use secrecy::{ExposeSecret, SecretBox};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The header that carries a notice's time, in Unix milliseconds.
pub const TIMESTAMP_HEADER: &str = "sandbox-timestamp";
/// The header that carries its signature.
pub const SIGNATURE_HEADER: &str = "sandbox-signature";

const SYSTEM: &str = "sandbox";
const WINDOW_MS: i64 = 300_000;
const ORDERS_MAX: usize = 10_000;
/// Decisions are remembered for a day after the order ended, for refunds.
const MEMORY_SECONDS: i64 = 86_400;

/// A secret of this server, from which tokens and signatures are made.
pub type SandboxSecret = SecretBox<[u8; 32]>;

/// The sandbox's secret as a part of another one, which it does not give away.
pub fn secret_from(other: &[u8; 32]) -> [u8; 32] {
    let digest = Sha256::new().chain_update(b"jixia sandbox payment\0").chain_update(other);
    digest.finalize().into()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Shown,
    Failed,
    Closed,
    Paid { at: Timestamp, total: Fen, refunded: Fen },
}

/// The sandbox as a gateway, and its page's till.
pub struct SandboxGateway {
    secret: SandboxSecret,
    orders: BoundedMap<TradeNo, State>,
    refunds: BoundedMap<RefundId, Fen>,
}

#[derive(Serialize, Deserialize)]
struct Body {
    id: String,
    event: String,
    trade_no: String,
    total: i64,
    paid_at: i64,
}

const PAID: &str = "paid";
const FAILED: &str = "failed";

impl SandboxGateway {
    /// A sandbox on this secret.
    pub fn new(secret: SandboxSecret) -> Self {
        Self { secret, orders: BoundedMap::new(ORDERS_MAX), refunds: BoundedMap::new(ORDERS_MAX) }
    }

    /// How much of an order went back.
    pub fn refunded(&self, trade_no: TradeNo) -> Fen {
        match self.orders.get(&trade_no) {
            Some(State::Paid { refunded, .. }) => refunded,
            Some(State::Shown | State::Failed | State::Closed) | None => Fen::ZERO,
        }
    }

    fn mac(&self, text: &str) -> Result<Hmac<Sha256>, PortError> {
        let mac = Hmac::<Sha256>::new_from_slice(self.secret.expose_secret());
        let mut mac = mac.map_err(|error| PortError::rejected(SYSTEM, error))?;
        mac.update(text.as_bytes());
        Ok(mac)
    }

    fn sign(&self, text: &str) -> Result<String, PortError> {
        Ok(hex::encode(self.mac(text)?.finalize().into_bytes()))
    }

    fn is_signed(&self, text: &str, signature: &str) -> bool {
        let Ok(bytes) = hex::decode(signature) else { return false };
        self.mac(text).is_ok_and(|mac| mac.verify_slice(&bytes).is_ok())
    }

    /// `TOTAL.END.SIGNATURE`, bound to the order.
    fn token(&self, slip: &SandboxSlip) -> Result<String, PortError> {
        let signature = self.sign(&slip_text(slip))?;
        Ok(format!("{}.{}.{signature}", slip.total, slip.expires_at))
    }

    fn set(&self, trade_no: TradeNo, state: State, until: Timestamp, now: Timestamp) {
        self.orders.insert(trade_no, state, until.plus_seconds(MEMORY_SECONDS), now);
    }

    fn payment(trade_no: TradeNo, total: Fen, paid_at: Timestamp) -> Payment {
        Payment {
            trade_no,
            provider_txn_id: format!("sandbox-{trade_no}"),
            total,
            openid: None,
            goods: None,
            paid_at,
        }
    }

    fn notice(&self, body: &Body, at: Timestamp) -> Option<SignedNotice> {
        let body = serde_json::to_string(body).ok()?;
        let signature = self.sign(&notice_text(&at.to_string(), &body)).ok()?;
        let header = |name: &str, value: String| (name.to_owned(), value);
        let headers = vec![
            header(TIMESTAMP_HEADER, at.to_string()),
            header(SIGNATURE_HEADER, signature),
            header("content-type", "application/json".to_owned()),
        ];
        Some(SignedNotice { headers, body: body.into_bytes() })
    }

    fn understand(&self, notice: &RawNotice<'_>) -> Result<Notified, NoticeRefusal> {
        let (Some(timestamp), Some(signature)) =
            (notice.header(TIMESTAMP_HEADER), notice.header(SIGNATURE_HEADER))
        else {
            return Err(NoticeRefusal::Signature);
        };
        let text = std::str::from_utf8(notice.body).map_err(|_no_text| NoticeRefusal::Malformed)?;
        if !self.is_signed(&notice_text(timestamp, text), signature) {
            return Err(NoticeRefusal::Signature);
        }
        let at = timestamp.parse::<i64>().map_err(|_no_time| NoticeRefusal::Malformed)?;
        let age = notice.at.millis_since(Timestamp::from_millis(at));
        if age.unsigned_abs() >= WINDOW_MS.unsigned_abs() {
            return Err(NoticeRefusal::Stale);
        }
        let body: Body = serde_json::from_str(text).map_err(|_quoted| NoticeRefusal::Malformed)?;
        if body.event != PAID {
            return Ok(Notified::Ignored);
        }
        let trade_no = body.trade_no.parse().map_err(|_not_ours| NoticeRefusal::WrongRecipient)?;
        let paid_at = Timestamp::from_millis(body.paid_at);
        let event = NoticeEvent::Paid(Self::payment(trade_no, Fen::new(body.total), paid_at));
        Ok(Notified::Notice(PaymentNotice { id: body.id, channel: Channel::Sandbox, event }))
    }
}

fn slip_text(slip: &SandboxSlip) -> String {
    format!("page\n{}\n{}\n{}", slip.trade_no, slip.total, slip.expires_at)
}

fn notice_text(timestamp: &str, body: &str) -> String {
    format!("notice\n{timestamp}\n{body}")
}

#[async_trait]
impl PaymentGateway for SandboxGateway {
    async fn prepay(&self, prepay: &Prepay) -> Result<PrepayOutcome, PortError> {
        let order = &prepay.order;
        let trade_no = order.trade_no();
        match self.orders.get(&trade_no) {
            Some(State::Paid { .. }) => return Ok(PrepayOutcome::AlreadyPaid),
            Some(State::Closed) => return Ok(PrepayOutcome::Closed),
            Some(State::Shown | State::Failed) | None => {}
        }
        if order.expires_at <= prepay.at {
            return Ok(PrepayOutcome::Closed);
        }
        self.set(trade_no, State::Shown, order.expires_at, prepay.at);
        let token =
            self.token(&SandboxSlip { trade_no, total: order.total, expires_at: order.expires_at })?;
        let page = format!("/sandbox/pay/{trade_no}?token={token}");
        Ok(PrepayOutcome::Ready(PaymentParameters::Sandbox { page }))
    }

    async fn read(&self, notice: &RawNotice<'_>) -> Result<Notified, PortError> {
        Ok(self.understand(notice).unwrap_or_else(Notified::Refused))
    }

    fn reply(&self, verdict: Verdict) -> NoticeReply {
        let failed = |status: u16| NoticeReply {
            status,
            content_type: Some("application/json"),
            body: br#"{"code":"FAIL"}"#.to_vec(),
        };
        match verdict {
            Verdict::Accepted | Verdict::Advice { .. } => {
                NoticeReply { status: 204, content_type: None, body: Vec::new() }
            }
            Verdict::Refused => failed(401),
            Verdict::TryAgain => failed(503),
        }
    }

    async fn query(&self, order: &Order, _payer: Option<&WechatPayer>) -> Result<PaymentStatus, PortError> {
        Ok(match self.orders.get(&order.trade_no()) {
            None => PaymentStatus::Unknown,
            Some(State::Shown | State::Failed) => PaymentStatus::Pending,
            Some(State::Closed) => PaymentStatus::Closed,
            Some(State::Paid { at, total, .. }) => {
                PaymentStatus::Paid(Self::payment(order.trade_no(), total, at))
            }
        })
    }

    async fn confirm(&self, _order: &Order) -> Result<(), PortError> {
        Ok(())
    }

    async fn close(&self, order: &Order) -> Result<CloseOutcome, PortError> {
        let until = order.expires_at.plus_seconds(MEMORY_SECONDS);
        let closed = self.orders.update(order.trade_no(), order.expires_at, |state| match state {
            Some(paid @ State::Paid { .. }) => (*paid, until, CloseOutcome::AlreadyPaid),
            Some(State::Shown | State::Failed | State::Closed) | None => {
                (State::Closed, until, CloseOutcome::Closed)
            }
        });
        Ok(closed.unwrap_or(CloseOutcome::Closed))
    }

    /// Pays back at once. An order that was paid before a restart is not known here, and is believed.
    async fn refund(&self, request: &RefundRequest) -> Result<RefundOutcome, PortError> {
        let (id, amount, order) = (request.refund.id, request.refund.amount, &request.order);
        if self.refunds.get(&id).is_some() {
            return Ok(RefundOutcome::Taken(RefundStatus::Succeeded));
        }
        let until = request.at.plus_seconds(MEMORY_SECONDS);
        let paid = order.paid_at.unwrap_or(request.at);
        let is_taken = self.orders.update(order.trade_no(), request.at, |state| {
            let (at, total, before) = match state {
                Some(State::Paid { at, total, refunded }) => (*at, *total, *refunded),
                Some(State::Shown | State::Failed | State::Closed) | None => {
                    (paid, order.total, order.refunded)
                }
            };
            let after = before.plus(amount).ok().filter(|sum| *sum <= total && amount.is_positive());
            let refunded = after.unwrap_or(before);
            (State::Paid { at, total, refunded }, until, after.is_some())
        });
        if is_taken != Some(true) {
            return Ok(RefundOutcome::Refused { code: "TOO_MUCH".to_owned() });
        }
        self.refunds.insert(id, amount, until, request.at);
        Ok(RefundOutcome::Taken(RefundStatus::Succeeded))
    }

    async fn query_refund(&self, request: &RefundRequest) -> Result<RefundStatus, PortError> {
        let known = self.refunds.get(&request.refund.id);
        Ok(known.map_or(RefundStatus::Unknown, |_amount| RefundStatus::Succeeded))
    }
}

impl SandboxDesk for SandboxGateway {
    fn slip(&self, trade_no: TradeNo, token: &str, at: Timestamp) -> Option<SandboxSlip> {
        let (total, rest) = token.split_once('.')?;
        let (expires_at, signature) = rest.split_once('.')?;
        let slip = SandboxSlip {
            trade_no,
            total: Fen::new(total.parse().ok()?),
            expires_at: Timestamp::from_millis(expires_at.parse().ok()?),
        };
        let is_ours = self.is_signed(&slip_text(&slip), signature);
        (is_ours && at < slip.expires_at).then_some(slip)
    }

    fn decide(
        &self,
        trade_no: TradeNo,
        token: &str,
        choice: SandboxChoice,
        at: Timestamp,
    ) -> Option<SignedNotice> {
        let slip = self.slip(trade_no, token, at)?;
        let until = slip.expires_at.plus_seconds(MEMORY_SECONDS);
        let paid = State::Paid { at, total: slip.total, refunded: Fen::ZERO };
        let state = self.orders.update(trade_no, at, |state| {
            let next = match (state, choice) {
                // What is decided stays: pressing again sends the same message again.
                (Some(State::Closed), _) => State::Closed,
                (Some(paid @ State::Paid { .. }), _) => *paid,
                (Some(State::Shown | State::Failed) | None, SandboxChoice::Pay) => paid,
                (Some(State::Shown | State::Failed) | None, SandboxChoice::Fail) => State::Failed,
            };
            (next, until, next)
        })?;
        let (event, paid_at) = match state {
            State::Closed => return None,
            State::Paid { at, .. } => (PAID, at),
            State::Shown | State::Failed => (FAILED, at),
        };
        let body = Body {
            id: format!("{event}-{trade_no}"),
            event: event.to_owned(),
            trade_no: trade_no.to_string(),
            total: slip.total.get(),
            paid_at: paid_at.as_millis(),
        };
        self.notice(&body, at)
    }
}
