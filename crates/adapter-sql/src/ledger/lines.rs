//! Rows as lines of a person's list.

use billing::{Transaction, TransactionKind, TransferKind, Wallet};
use kernel::{Credits, PortError, Timestamp};

use crate::entity::{hold, transfer, wallet};
use crate::error::corrupt;

pub(super) fn wallet_of(row: &wallet::Model) -> Result<Wallet, PortError> {
    Ok(Wallet {
        available: Credits::new(row.available),
        held: Credits::new(row.held),
        seq: u64::try_from(row.seq).map_err(|_negative| corrupt("wallets.seq"))?,
        updated_at: Timestamp::from_millis(row.updated_at),
    })
}

pub(super) fn posted(row: transfer::Model) -> Result<Transaction, PortError> {
    let kind: TransferKind = row.kind.parse().map_err(|_unknown| corrupt("transfers.kind"))?;
    let is_incoming = row.owner_account.as_ref() == Some(&row.credit);
    let balance_after = row.balance_after.ok_or_else(|| corrupt("transfers.balance_after"))?;
    Ok(Transaction {
        id: row.id,
        kind: TransactionKind::Transfer(kind),
        amount: Credits::new(if is_incoming { row.amount } else { -row.amount }),
        balance_after: Credits::new(balance_after),
        ref_id: row.ref_id,
        created_at: Timestamp::from_millis(row.created_at),
    })
}

/// An open hold as a line of the list; the payer's balance is the same before and after.
pub(super) fn set_aside(row: &hold::Model, balance: Credits) -> Transaction {
    Transaction {
        id: row.message_id,
        kind: TransactionKind::Hold,
        amount: Credits::new(-row.amount),
        balance_after: balance,
        ref_id: Some(row.message_id.to_string()),
        created_at: Timestamp::from_millis(row.created_at),
    }
}
