//! Transfers, and how a person sees them.

use std::fmt;
use std::str::FromStr;

use kernel::{Credits, Id, MessageId, Timestamp};
use thiserror::Error;
use uuid::Uuid;

use crate::calendar::Day;
use crate::lot::LotId;

/// Kind of a transfer between two accounts.
pub enum Transfer {}

/// A transfer's id.
pub type TransferId = Id<Transfer>;

/// Why money moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransferKind {
    /// Given by the house.
    Grant,
    /// Spent on a reply.
    Consume,
    /// Corrected by an operator.
    Adjust,
    /// Given back.
    Refund,
    /// Bought.
    Recharge,
    /// Not used in time.
    Expire,
}

impl TransferKind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Grant, Self::Consume, Self::Adjust, Self::Refund, Self::Recharge, Self::Expire];

    /// Its name, as stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Consume => "consume",
            Self::Adjust => "adjust",
            Self::Refund => "refund",
            Self::Recharge => "recharge",
            Self::Expire => "expire",
        }
    }
}

/// Why a line stands in a person's list of transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransactionKind {
    /// Money moved.
    Transfer(TransferKind),
    /// Money is set aside for a reply that has not ended.
    Hold,
}

impl TransactionKind {
    /// Its name, as shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Transfer(kind) => kind.as_str(),
            Self::Hold => "hold",
        }
    }
}

impl fmt::Display for TransactionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a kind of transaction")]
pub struct UnknownKind;

impl FromStr for TransferKind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(UnknownKind)
    }
}

impl FromStr for TransactionKind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        if text == Self::Hold.as_str() { Ok(Self::Hold) } else { text.parse().map(Self::Transfer) }
    }
}

/// A line of a person's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// The transfer's id, or the message's for a hold.
    pub id: Uuid,
    /// Why.
    pub kind: TransactionKind,
    /// Signed: negative is what left, or for a hold what is set aside.
    pub amount: Credits,
    /// Available and held together after it; a hold leaves it as it is.
    pub balance_after: Credits,
    /// What it was for: the message's id, or the order's.
    pub ref_id: Option<String>,
    /// When.
    pub created_at: Timestamp,
}

/// The key under which the one welcome grant of a person is posted.
pub fn welcome_key(user: kernel::UserId) -> String {
    format!("welcome:{user}")
}

/// The key under which a day's free credits of a person are posted.
pub fn free_key(user: kernel::UserId, day: Day) -> String {
    format!("free:{user}:{}", day.date())
}

/// The key under which the rest of a lot ends. What was held then may end later, with less remaining.
pub fn expire_key(lot: LotId, remaining: Credits) -> String {
    format!("expire:{lot}:{remaining}")
}

/// The key under which the one settlement of a reply is posted.
pub fn settle_key(message: MessageId) -> String {
    format!("settle:{message}")
}

/// The key under which the loss of a reply is posted.
pub fn loss_key(message: MessageId) -> String {
    format!("loss:{message}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_survives_text() {
        for kind in TransferKind::ALL {
            let shown = TransactionKind::Transfer(kind);
            assert_eq!(shown.to_string().parse(), Ok(shown));
        }
        assert_eq!("hold".parse(), Ok(TransactionKind::Hold));
        assert_eq!("hold".parse::<TransferKind>(), Err(UnknownKind));
        assert_eq!("Grant".parse::<TransactionKind>(), Err(UnknownKind));
    }
}
