//! A transfer as it is written.

use kernel::{Credits, MessageId, Timestamp};

use crate::account::{AccountId, Book, Owner};
use crate::lot::LotId;
use crate::posting::{HouseTransfer, Posted};
use crate::transfer::{TransferId, TransferKind};

/// A transfer with everything that is stored of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: TransferId,
    /// The book.
    pub book: Book,
    /// Who gives.
    pub debit: AccountId,
    /// Who gets.
    pub credit: AccountId,
    /// How much, in the book's unit.
    pub amount: i64,
    /// Why.
    pub kind: TransferKind,
    /// The hold that it settles.
    pub hold_id: Option<MessageId>,
    /// What it is for.
    pub ref_id: Option<String>,
    /// Its unique key.
    pub key: String,
    /// Of everything that was asked for under the key.
    pub body_hash: Option<String>,
    /// Its place in a wallet's list.
    pub line: Option<Line>,
    /// What it changed of which lots; a lot's first credit is the lot itself and not named here.
    pub lots: Vec<(LotId, Credits)>,
    /// The lot that it made.
    pub new_lot: Option<LotId>,
    /// When.
    pub at: Timestamp,
}

/// A transfer's place in a wallet's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Whose.
    pub owner: Owner,
    /// Its number there.
    pub seq: u64,
    /// Available and held together, afterwards.
    pub balance_after: Credits,
}

/// What is known of a transfer whose key was used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// As it was posted.
    pub posted: Posted,
    /// In whose list it stands.
    pub owner: Option<Owner>,
    /// Of everything that was asked for.
    pub body_hash: Option<String>,
}

impl Entry {
    /// What a repeat of its key will find.
    pub fn known(&self) -> Known {
        Known {
            posted: Posted {
                transfer_id: self.id,
                amount: Credits::new(self.amount),
                balance_after: self.line.as_ref().map_or(Credits::ZERO, |line| line.balance_after),
            },
            owner: self.line.as_ref().map(|line| line.owner.clone()),
            body_hash: self.body_hash.clone(),
        }
    }
}

impl From<&HouseTransfer> for Entry {
    fn from(transfer: &HouseTransfer) -> Self {
        Self {
            id: transfer.id,
            book: transfer.debit.book(),
            debit: AccountId::System(transfer.debit),
            credit: AccountId::System(transfer.credit),
            amount: transfer.amount,
            kind: transfer.kind,
            hold_id: None,
            ref_id: transfer.ref_id.clone(),
            key: transfer.key.clone(),
            body_hash: None,
            line: None,
            lots: Vec::new(),
            new_lot: None,
            at: transfer.at,
        }
    }
}
