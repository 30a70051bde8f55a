//! What providers of payment are told, and what they say, in words that fit all of them.
//!
//! A provider's message is believed only after its own adapter has verified it, and acted on only after it was
//! compared with our order: [`Payment::fits`].

mod sandbox;

use std::str::FromStr;

use kernel::{Fen, Timestamp};
use secrecy::SecretString;

use crate::account::SystemAccount;
use crate::order::{Order, TradeNo};
use crate::transfer::UnknownKind;

pub use crate::refund::{Refund, RefundBy, RefundId, RefundKind, RefundOutcome, RefundRequest, RefundStatus};
pub use sandbox::{SandboxChoice, SandboxSlip, SignedNotice};

/// How an order is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Channel {
    /// Play money, for development.
    Sandbox,
    /// WeChat's virtual payment: what a mini-program must use for virtual goods.
    WechatVirtual,
    /// WeChat Pay, through an official account or a web page.
    WechatPay,
}

impl Channel {
    /// Every channel.
    pub const ALL: [Self; 3] = [Self::Sandbox, Self::WechatVirtual, Self::WechatPay];

    /// Its name, as stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::WechatVirtual => "wechat_virtual",
            Self::WechatPay => "wechat_pay",
        }
    }

    /// The account of the house that its money reaches.
    pub const fn cash(self) -> SystemAccount {
        match self {
            Self::Sandbox => SystemAccount::CashSandbox,
            Self::WechatVirtual => SystemAccount::CashVirtual,
            Self::WechatPay => SystemAccount::CashPay,
        }
    }
}

impl FromStr for Channel {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|channel| channel.as_str() == text).ok_or(UnknownKind)
    }
}

/// A person as WeChat knows them.
#[derive(Debug, Clone)]
pub struct WechatPayer {
    /// Their openid in our app.
    pub openid: SecretString,
    /// The newest session key; virtual payment signs with it.
    pub session_key: Option<SecretString>,
}

/// An order that is to be shown to a provider.
#[derive(Debug, Clone)]
pub struct Prepay {
    /// The order.
    pub order: Order,
    /// Who pays; `None` where the person has no WeChat identity.
    pub payer: Option<WechatPayer>,
    /// When it is shown.
    pub at: Timestamp,
}

/// What a client needs to let a person pay, as the client's own API takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentParameters {
    /// A page of ours, with two buttons.
    Sandbox {
        /// Its path with its token.
        page: String,
    },
    /// For `wx.requestVirtualPayment`.
    WechatVirtual {
        /// The mode, `short_series_goods`.
        mode: String,
        /// The signed text; the client passes on exactly these bytes.
        sign_data: String,
        /// Signed with the app's key.
        pay_sig: String,
        /// Signed with the person's session key.
        signature: String,
    },
    /// For `wx.requestPayment`.
    WechatPay {
        /// The provider's id of the prepaid order.
        prepay_id: String,
        /// Unix seconds, as text.
        time_stamp: String,
        /// A random text.
        nonce_str: String,
        /// `prepay_id=…`.
        package: String,
        /// `RSA`.
        sign_type: String,
        /// The signature.
        pay_sign: String,
    },
}

/// What became of a [`Prepay`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrepayOutcome {
    /// The person can pay.
    Ready(PaymentParameters),
    /// The provider says that it is paid already; ask it for the order.
    AlreadyPaid,
    /// The provider has closed it; a new order is needed.
    Closed,
    /// The person has no identity or no fresh session at the provider: they must log in by WeChat again.
    LoginNeeded,
    /// The provider does not take it.
    Refused {
        /// Its code, for the log and for operators.
        code: String,
    },
}

/// A provider's message as it came, not a byte changed.
#[derive(Clone, Copy)]
pub struct RawNotice<'a> {
    /// Headers, with names in small letters.
    pub headers: &'a [(String, String)],
    /// Parameters of the query.
    pub query: &'a [(String, String)],
    /// The body.
    pub body: &'a [u8],
    /// When it came.
    pub at: Timestamp,
}

impl RawNotice<'_> {
    /// A header's value; `None` also where it came twice, since nobody honest sends that.
    pub fn header(&self, name: &str) -> Option<&str> {
        only(self.headers, name)
    }

    /// A parameter's value; `None` also where it came twice.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        only(self.query, name)
    }
}

fn only<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut values = pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let first = values.next();
    first.filter(|_| values.next().is_none())
}

/// What a provider's message turned out to be.
#[derive(Debug, Clone, PartialEq)]
pub enum Notified {
    /// The provider tells us this.
    Notice(PaymentNotice),
    /// The provider's, but about nothing that concerns orders; it is answered as accepted.
    Ignored,
    /// Not to be believed.
    Refused(NoticeRefusal),
}

/// Why a message is not believed. Its answer says no more than that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NoticeRefusal {
    /// The signature is missing or wrong.
    Signature,
    /// It names a key that is not ours or not the provider's.
    UnknownKey,
    /// It is too old, or from the future.
    Stale,
    /// It cannot be read, or not decrypted.
    Malformed,
    /// It is for another merchant or app.
    WrongRecipient,
    /// It is from the provider's test environment and we are in production, or the other way round.
    WrongEnvironment,
}

impl NoticeRefusal {
    /// Its name, for metrics and the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::UnknownKey => "unknown_key",
            Self::Stale => "stale",
            Self::Malformed => "malformed",
            Self::WrongRecipient => "wrong_recipient",
            Self::WrongEnvironment => "wrong_environment",
        }
    }
}

/// A verified message of a provider.
#[derive(Debug, Clone, PartialEq)]
pub struct PaymentNotice {
    /// Its id, unique in the channel and equal in every copy; made of event and subject where the provider has none.
    pub id: String,
    /// Whose.
    pub channel: Channel,
    /// What it says.
    pub event: NoticeEvent,
}

/// What a provider tells us.
#[derive(Debug, Clone, PartialEq)]
pub enum NoticeEvent {
    /// An order is paid.
    Paid(Payment),
    /// A refund that we asked for has ended.
    RefundEnded {
        /// Which.
        refund: RefundId,
        /// How.
        status: RefundStatus,
        /// How much went back.
        amount: Fen,
    },
    /// Money went back without our asking: a complaint, or Apple.
    ClawedBack {
        /// Of which order.
        trade_no: TradeNo,
        /// The provider's id of it.
        provider_refund_id: String,
        /// How much.
        amount: Fen,
    },
    /// The platform asks, within seconds, whether a refund would be just.
    RefundAsked {
        /// Of which order.
        trade_no: TradeNo,
    },
}

/// A payment, as the provider states it.
#[derive(Debug, Clone, PartialEq)]
pub struct Payment {
    /// Which order.
    pub trade_no: TradeNo,
    /// The provider's number of it.
    pub provider_txn_id: String,
    /// How much was paid for.
    pub total: Fen,
    /// Who paid, where the provider says.
    pub openid: Option<String>,
    /// What was bought and how many, where the provider says.
    pub goods: Option<(String, u32)>,
    /// When.
    pub paid_at: Timestamp,
}

/// What of a payment differs from our order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mismatch {
    /// The order is paid through another channel.
    Channel,
    /// Another amount.
    Amount,
    /// Another product or quantity.
    Goods,
    /// Another person.
    Payer,
}

impl Mismatch {
    /// Its name, for metrics and the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Channel => "channel",
            Self::Amount => "amount",
            Self::Goods => "goods",
            Self::Payer => "payer",
        }
    }
}

impl Payment {
    /// Compares with our order. `openid` is the buyer's own, where known; somebody else may not pay for them, since
    /// the provider would refund to whoever paid.
    pub fn fits(&self, order: &Order, channel: Channel, openid: Option<&str>) -> Result<(), Mismatch> {
        if order.channel != channel || self.trade_no != order.trade_no() {
            return Err(Mismatch::Channel);
        }
        if self.total != order.total {
            return Err(Mismatch::Amount);
        }
        if let Some((product, quantity)) = &self.goods
            && (*product != order.virtual_id || *quantity != order.quantity)
        {
            return Err(Mismatch::Goods);
        }
        match (&self.openid, openid) {
            (Some(paid), Some(own)) if paid != own => Err(Mismatch::Payer),
            (Some(_) | None, Some(_) | None) => Ok(()),
        }
    }
}

/// How an order stands at its provider.
#[derive(Debug, Clone, PartialEq)]
pub enum PaymentStatus {
    /// The provider does not know it.
    Unknown,
    /// It is not paid, and may be.
    Pending,
    /// It is paid, delivered or refunded there.
    Paid(Payment),
    /// It was closed unpaid.
    Closed,
}

/// What became of an order that was to be closed at its provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseOutcome {
    /// It can be paid no more, or was never known there.
    Closed,
    /// The payment was faster; ask for it.
    AlreadyPaid,
    /// The provider closes by itself, by the time that it was told.
    BySelf,
}

/// What a provider is answered to its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is taken, now or before: it need not come again.
    Accepted,
    /// It is not believed.
    Refused,
    /// We could not act on it: it should come again.
    TryAgain,
    /// The answer to [`NoticeEvent::RefundAsked`]: whether we agree.
    Advice {
        /// Whether a refund would be just.
        agree: bool,
    },
}

/// An answer in the provider's own form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeReply {
    /// The HTTP status.
    pub status: u16,
    /// The media type; `None` where there is no body.
    pub content_type: Option<&'static str>,
    /// The body.
    pub body: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_came_twice_is_none() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let headers = [pair("a", "1"), pair("b", "2"), pair("b", "3")];
        let at = Timestamp::from_millis(0);
        let notice = RawNotice { headers: &headers, query: &[], body: b"", at };
        assert_eq!((notice.header("a"), notice.header("b"), notice.header("c")), (Some("1"), None, None));
    }

    #[test]
    fn each_channel_has_its_own_cash() {
        assert_eq!(Channel::ALL.map(|c| c.as_str().parse()), Channel::ALL.map(Ok));
        assert_ne!(Channel::WechatPay.cash(), Channel::WechatVirtual.cash());
    }
}
