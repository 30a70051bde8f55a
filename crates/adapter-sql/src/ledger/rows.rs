//! The ledger's rows as the domain's words, and back.

use billing::{Hold, HoldRequest, HoldState, Owner, Transaction, TransactionKind, TransferKind, Wallet};
use kernel::{Credits, Id, PortError, Tariff, Timestamp};

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

pub(super) fn hold_of(row: hold::Model) -> Result<Hold, PortError> {
    let Owner::User(user) = row.account.parse().map_err(|_unknown| corrupt("holds.account"))? else {
        return Err(corrupt("holds.account"));
    };
    Ok(Hold {
        request: HoldRequest {
            message_id: Id::from_uuid(row.message_id),
            user,
            model_alias: row.alias,
            prompt_tokens_max: tokens(row.prompt_tokens_max)?,
            output_tokens_wanted: tokens(row.output_tokens_wanted)?,
            output_tokens_min: tokens(row.output_tokens_min)?,
            at: Timestamp::from_millis(row.created_at),
        },
        tariff: Tariff { miss: row.miss_price, hit: row.hit_price, output: row.output_price },
        amount: Credits::new(row.amount),
        output_tokens_max: tokens(row.output_tokens_max)?,
        state: state_of(&row.state)?,
        instance: Id::from_uuid(row.instance_id),
        expires_at: Timestamp::from_millis(row.expires_at),
    })
}

pub(super) fn row_of(hold: &Hold) -> hold::Model {
    let request = &hold.request;
    hold::Model {
        message_id: request.message_id.as_uuid(),
        account: Owner::User(request.user).to_string(),
        alias: request.model_alias.clone(),
        miss_price: hold.tariff.miss,
        hit_price: hold.tariff.hit,
        output_price: hold.tariff.output,
        prompt_tokens_max: request.prompt_tokens_max.into(),
        output_tokens_wanted: request.output_tokens_wanted.into(),
        output_tokens_min: request.output_tokens_min.into(),
        output_tokens_max: hold.output_tokens_max.into(),
        amount: hold.amount.get(),
        state: HoldState::Open.as_str().to_owned(),
        instance_id: hold.instance.as_uuid(),
        created_at: request.at.as_millis(),
        expires_at: hold.expires_at.as_millis(),
        resolved_at: None,
        settled_credits: None,
        prompt_tokens: None,
        cached_tokens: None,
        completion_tokens: None,
        reasoning_tokens: None,
    }
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

pub(super) fn state_of(text: &str) -> Result<HoldState, PortError> {
    text.parse().map_err(|_unknown| corrupt("holds.state"))
}

fn tokens(stored: i64) -> Result<u32, PortError> {
    u32::try_from(stored).map_err(|_out_of_range| corrupt("holds: tokens"))
}
