//! Money that moves without a hold: what comes in, what is spent at once, and what is taken back.
//!
//! Each has a key that is unique for ever in the whole ledger. The same key with the same content is a repeat and
//! changes nothing; with other content it is a conflict.

use kernel::{Credits, Timestamp, UserId};

use crate::account::{Owner, PoolId, SystemAccount};
use crate::lot::{LotId, LotSource};
use crate::transfer::{TransferId, TransferKind};

/// Credits that come into a wallet, as one lot. A wallet that is not there is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credit {
    /// Whose.
    pub owner: Owner,
    /// How much; more than nothing.
    pub amount: Credits,
    /// Where it comes from, which says what is spent first.
    pub source: LotSource,
    /// Which account of the house gives it.
    pub from: SystemAccount,
    /// Why, as the list of transactions shows it.
    pub kind: TransferKind,
    /// When its rest ends.
    pub expires_at: Option<Timestamp>,
    /// Unique key, such as `recharge:sandbox:{trade_no}`.
    pub key: String,
    /// What it is for: the order's id.
    pub ref_id: Option<String>,
    /// The lot's id.
    pub lot_id: LotId,
    /// The transfer's id.
    pub transfer_id: TransferId,
    /// When.
    pub at: Timestamp,
}

/// What became of a [`Credit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreditOutcome {
    /// It is there.
    Applied(Posted),
    /// It was there; nothing changed.
    Replayed(Posted),
    /// The key names another one; nothing changed.
    Conflict,
}

/// A transfer as it was posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posted {
    /// Its id.
    pub transfer_id: TransferId,
    /// How much, without a sign.
    pub amount: Credits,
    /// Available and held of the wallet together, afterwards.
    pub balance_after: Credits,
}

/// Credits that leave a wallet at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Debit {
    /// Whose.
    pub owner: Owner,
    /// How much; more than nothing.
    pub amount: Credits,
    /// Which account of the house takes it.
    pub to: SystemAccount,
    /// Why, as the list of transactions shows it.
    pub kind: TransferKind,
    /// Unique key, such as `consume:{user}:{client's key}`.
    pub key: String,
    /// Of everything that the caller asked for under this key.
    pub body_hash: String,
    /// What it is for, at most 128 characters.
    pub ref_id: Option<String>,
    /// The most that may leave the wallet on one day in China, if there is a limit.
    pub day_max: Option<Credits>,
    /// The transfer's id.
    pub transfer_id: TransferId,
    /// When.
    pub at: Timestamp,
}

/// What became of a [`Debit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DebitOutcome {
    /// It has left.
    Applied(Posted),
    /// It had left before; nothing changed.
    Replayed(Posted),
    /// The key names another one; nothing changed.
    Conflict,
    /// Less is available; nothing changed.
    Insufficient {
        /// What is.
        available: Credits,
    },
    /// The account is frozen; nothing changed.
    Frozen,
    /// The day's limit would be passed; nothing changed.
    CapReached {
        /// What may still be spent today.
        left: Credits,
    },
}

/// Credits that a member pays into a room's pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Funding {
    /// Who pays.
    pub user: UserId,
    /// Into which pool, which is made where it is not there.
    pub pool: PoolId,
    /// How much; more than nothing.
    pub amount: Credits,
    /// Unique key, `pool:{user}:{client's key}`; the pool's side has its own, made of it.
    pub key: String,
    /// Of everything that the caller asked for under this key.
    pub body_hash: String,
    /// The lot's id in the pool.
    pub lot_id: LotId,
    /// Ids of the two transfers: from the member, and to the pool.
    pub transfer_ids: (TransferId, TransferId),
    /// When.
    pub at: Timestamp,
}

/// Credits of one lot that are taken back for a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakeBack {
    /// Whose.
    pub owner: Owner,
    /// The order whose paid lot it is.
    pub ref_id: String,
    /// How much.
    pub amount: Credits,
    /// Whether the money is gone already, so that what the lot lacks becomes the house's loss.
    pub is_forced: bool,
    /// Which account of the house takes it: [`SystemAccount::RefundClearing`] until the provider confirms.
    pub to: SystemAccount,
    /// Unique key, `refund:{number}` or `clawback:{provider's id}`.
    pub key: String,
    /// Ids of the transfers: from the wallet, and from the loss.
    pub transfer_ids: (TransferId, TransferId),
    /// When.
    pub at: Timestamp,
}

/// What became of a [`TakeBack`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakeBackOutcome {
    /// It is taken.
    Taken {
        /// From the lot.
        taken: Credits,
        /// From the house.
        lost: Credits,
    },
    /// The key was used before; nothing changed.
    Replayed,
    /// Less of the lot is free; nothing changed.
    TooMuch {
        /// What is.
        free: Credits,
    },
}

/// Credits that go back into the lot that they were taken from, since the provider gave the refund up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GiveBack {
    /// Whose.
    pub owner: Owner,
    /// The order whose paid lot it is.
    pub ref_id: String,
    /// How much.
    pub amount: Credits,
    /// Unique key, `refund-closed:{number}`.
    pub key: String,
    /// The transfer's id.
    pub transfer_id: TransferId,
    /// When.
    pub at: Timestamp,
}

/// A transfer between two accounts of the house, in credits or in fen as the accounts say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HouseTransfer {
    /// Its id.
    pub id: TransferId,
    /// Which account gives.
    pub debit: SystemAccount,
    /// Which account gets; in the same book.
    pub credit: SystemAccount,
    /// How much, in the book's unit; more than nothing.
    pub amount: i64,
    /// Why.
    pub kind: TransferKind,
    /// Unique key.
    pub key: String,
    /// What it is for: the order's id.
    pub ref_id: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// What an operator or the owner set for a wallet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    /// Why nothing may be spent from it, where that is so.
    pub frozen: Option<String>,
    /// The most that may leave it on one day in China, where the owner set one.
    pub day_max: Option<Credits>,
}

/// A change of a wallet's [`Standing`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StandingChange {
    /// Nothing may be spent from now on; open holds may still be settled.
    Freeze {
        /// Why.
        reason: String,
    },
    /// It may be spent again.
    Unfreeze,
    /// The owner's own limit for a day; `None` for none.
    DayMax(Option<Credits>),
}
