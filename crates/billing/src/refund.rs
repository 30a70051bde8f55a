//! Refunds: money that goes back to whoever paid, and how far that is.

use std::str::FromStr;

use kernel::{Fen, Id, Timestamp, UserId};

use crate::order::{Order, OrderId};
use crate::payment::WechatPayer;
use crate::transfer::UnknownKind;

/// Kind of a refund.
pub enum RefundKind {}

/// A refund's id, whose 32 hexadecimal digits are its number at providers (`out_refund_no`).
pub type RefundId = Id<RefundKind>;

/// How far a refund is at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefundStatus {
    /// The provider does not know it.
    Unknown,
    /// It is on its way.
    Pending,
    /// The money is back.
    Succeeded,
    /// The provider gave it up: nothing went back.
    Closed,
    /// It is stuck and needs a person.
    Abnormal,
}

impl RefundStatus {
    /// Every status.
    pub const ALL: [Self; 5] = [Self::Unknown, Self::Pending, Self::Succeeded, Self::Closed, Self::Abnormal];

    /// Its name, as stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Closed => "closed",
            Self::Abnormal => "abnormal",
        }
    }
}

impl FromStr for RefundStatus {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or(UnknownKind)
    }
}

/// Who asked for a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefundBy {
    /// The buyer.
    Buyer,
    /// An operator.
    Admin(UserId),
    /// The provider or its platform, without asking us.
    Provider,
}

/// A refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// Its id.
    pub id: RefundId,
    /// Of which order.
    pub order_id: OrderId,
    /// How much goes back.
    pub amount: Fen,
    /// Why, at most 80 characters.
    pub reason: String,
    /// Who asked.
    pub by: RefundBy,
    /// How far it is.
    pub status: RefundStatus,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

impl Refund {
    /// Its number at providers.
    pub fn number(&self) -> String {
        self.id.as_uuid().simple().to_string()
    }
}

/// A refund that is asked for at the provider, with the order that it is of.
#[derive(Debug, Clone)]
pub struct RefundRequest {
    /// The refund.
    pub refund: Refund,
    /// Its order; `order.refunded` is what went back before.
    pub order: Order,
    /// Who paid.
    pub payer: Option<WechatPayer>,
    /// When.
    pub at: Timestamp,
}

/// What a provider says to a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefundOutcome {
    /// It is taken; this is how far it is.
    Taken(RefundStatus),
    /// It is refused for good.
    Refused {
        /// The provider's code, for the log and for operators.
        code: String,
    },
}
