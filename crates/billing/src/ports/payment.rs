//! Providers of payment.

use async_trait::async_trait;
use kernel::{PortError, Timestamp, UserId};

use crate::order::{Order, TradeNo};
use crate::payment::{
    CloseOutcome, NoticeReply, Notified, PaymentStatus, Prepay, PrepayOutcome, RawNotice, RefundOutcome,
    RefundRequest, RefundStatus, SandboxChoice, SandboxSlip, SignedNotice, Verdict, WechatPayer,
};

/// A provider of payment. Nothing of its wire passes this port.
///
/// Every call MUST end within the adapter's own time limit. What the provider refuses is an outcome; `Err` means that
/// it could not be reached or that its answer was not to be believed, and the call may be repeated: all of them are
/// idempotent by the order's or the refund's number.
#[async_trait]
pub trait PaymentGateway: Send + Sync {
    /// Shows the order to the provider, and makes what the client needs to let the person pay.
    ///
    /// MUST tell the provider when the order ends. A repeat MUST answer parameters for the same payment.
    async fn prepay(&self, prepay: &Prepay) -> Result<PrepayOutcome, PortError>;

    /// Verifies and reads a message of the provider.
    ///
    /// MUST verify the signature over the raw bytes before anything in them is read, and refuse what is older or
    /// newer than the provider's window, meant for somebody else, or from the other environment. MUST NOT change
    /// anything: a copy of a message reads like the first.
    async fn read(&self, notice: &RawNotice<'_>) -> Result<Notified, PortError>;

    /// The answer to a message, in the provider's form. [`Verdict::Accepted`] MUST end its repetition and
    /// [`Verdict::TryAgain`] MUST NOT.
    fn reply(&self, verdict: Verdict) -> NoticeReply;

    /// How the order stands there.
    async fn query(&self, order: &Order, payer: Option<&WechatPayer>) -> Result<PaymentStatus, PortError>;

    /// Tells the provider that an order was delivered of which it did not tell us; nothing where it does not ask.
    async fn confirm(&self, order: &Order) -> Result<(), PortError>;

    /// Closes the order there, so that it can be paid no more.
    async fn close(&self, order: &Order) -> Result<CloseOutcome, PortError>;

    /// Asks for a refund. The same refund again MUST pay once.
    async fn refund(&self, request: &RefundRequest) -> Result<RefundOutcome, PortError>;

    /// How a refund stands there.
    async fn query_refund(&self, request: &RefundRequest) -> Result<RefundStatus, PortError>;
}

/// An address to which a provider sends messages, and which it tries before it does.
pub trait PushHandshake: Send + Sync {
    /// The text that proves the address to be ours. MUST be `None` for whoever is not the provider.
    fn echo(&self, challenge: &RawNotice<'_>) -> Option<String>;
}

/// The till of the sandbox: its page shows a slip, and whoever has the page decides how the payment goes.
pub trait SandboxDesk: Send + Sync {
    /// What the page shows. MUST be `None` for a token that was not made for this order, or is over.
    fn slip(&self, trade_no: TradeNo, token: &str, at: Timestamp) -> Option<SandboxSlip>;

    /// Decides, and makes the message that a provider would send: [`PaymentGateway::read`] believes it. MUST be
    /// `None` where [`SandboxDesk::slip`] is, and where the order was closed.
    fn decide(
        &self,
        trade_no: TradeNo,
        token: &str,
        choice: SandboxChoice,
        at: Timestamp,
    ) -> Option<SignedNotice>;
}

/// Who people are at WeChat, answered by auth.
#[async_trait]
pub trait Payers: Send + Sync {
    /// A person's WeChat identity in our app; `None` if they have none.
    async fn wechat(&self, user: UserId, now: Timestamp) -> Result<Option<WechatPayer>, PortError>;
}
