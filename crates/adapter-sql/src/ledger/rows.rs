//! The ledger's rows as the domain's words.

use billing::journal::{Change, HeldHold, HoldEnd, Known, Purse, Usage};
use billing::{Day, Hold, HoldRequest, HoldState, Lot, Posted};
use kernel::{Credits, Id, PortError, Tariff, Timestamp, TokenUsage};

use super::lines::wallet_of;
use super::read::{KeyRow, PartRow, standing_of};
use crate::entity::{hold, lot, wallet};
use crate::error::corrupt;

pub(super) fn purse_of(row: &wallet::Model, lots: Vec<Lot>) -> Result<Purse, PortError> {
    let owner = row.account.parse().map_err(|_unknown| corrupt("wallets.account"))?;
    let mut purse = Purse::stored(owner, wallet_of(row)?, lots);
    purse.opened_at = row.opened_at.map(Timestamp::from_millis);
    purse.free_day = row.free_day.map(Day::from_number);
    purse.standing = standing_of(row);
    purse.spent_day = Day::from_number(row.spent_day);
    purse.spent = Credits::new(row.spent);
    Ok(purse)
}

pub(super) fn lot_of(row: lot::Model) -> Result<Lot, PortError> {
    Ok(Lot {
        id: Id::from_uuid(row.id),
        source: row.source.parse().map_err(|_unknown| corrupt("lots.source"))?,
        ref_id: row.ref_id,
        granted: Credits::new(row.granted),
        remaining: Credits::new(row.remaining),
        held: Credits::new(row.held),
        expires_at: row.expires_at.map(Timestamp::from_millis),
        created_at: Timestamp::from_millis(row.created_at),
    })
}

pub(super) fn held_of(row: hold::Model, parts: &[PartRow]) -> Result<HeldHold, PortError> {
    let received = TokenUsage {
        prompt: tokens(row.received_prompt)?,
        completion: tokens(row.received_completion)?,
        ..TokenUsage::default()
    };
    let end = end_of(&row)?;
    let parts = parts.iter().map(|part| (Id::from_uuid(part.lot_id), Credits::new(part.amount)));
    Ok(HeldHold { parts: parts.collect(), hold: hold_of(row)?, received, end, change: Change::None })
}

fn end_of(row: &hold::Model) -> Result<Option<HoldEnd>, PortError> {
    let Some(resolved_at) = row.resolved_at else { return Ok(None) };
    let usage = match row.settled_credits {
        None => None,
        Some(charged) => Some(Usage {
            tokens: TokenUsage {
                prompt: tokens(row.prompt_tokens.unwrap_or_default())?,
                cached: tokens(row.cached_tokens.unwrap_or_default())?,
                completion: tokens(row.completion_tokens.unwrap_or_default())?,
                reasoning: tokens(row.reasoning_tokens.unwrap_or_default())?,
            },
            cost: Credits::new(row.cost.unwrap_or(charged)),
            charged: Credits::new(charged),
            is_estimated: row.is_estimated.unwrap_or_default(),
        }),
    };
    Ok(Some(HoldEnd { at: Timestamp::from_millis(resolved_at), usage }))
}

fn hold_of(row: hold::Model) -> Result<Hold, PortError> {
    Ok(Hold {
        request: HoldRequest {
            message_id: Id::from_uuid(row.message_id),
            payer: row.account.parse().map_err(|_unknown| corrupt("holds.account"))?,
            model_alias: row.alias,
            prompt_tokens_max: tokens(row.prompt_tokens_max)?,
            output_tokens_wanted: tokens(row.output_tokens_wanted)?,
            output_tokens_min: tokens(row.output_tokens_min)?,
            at: Timestamp::from_millis(row.created_at),
        },
        tariff: Tariff { miss: row.miss_price, hit: row.hit_price, output: row.output_price },
        price_id: row.price_id,
        amount: Credits::new(row.amount),
        output_tokens_max: tokens(row.output_tokens_max)?,
        state: state_of(&row.state)?,
        instance: Id::from_uuid(row.instance_id),
        expires_at: Timestamp::from_millis(row.expires_at),
    })
}

pub(super) fn known_of(row: KeyRow) -> Result<(String, Known), PortError> {
    let owner = row.owner_account.as_deref().map(str::parse).transpose();
    let known = Known {
        posted: Posted {
            transfer_id: Id::from_uuid(row.id),
            amount: Credits::new(row.amount),
            balance_after: Credits::new(row.balance_after.unwrap_or_default()),
        },
        owner: owner.map_err(|_unknown| corrupt("transfers.owner_account"))?,
        body_hash: row.body_hash,
    };
    Ok((row.idempotency_key, known))
}

fn state_of(text: &str) -> Result<HoldState, PortError> {
    text.parse().map_err(|_unknown| corrupt("holds.state"))
}

fn tokens(stored: i64) -> Result<u32, PortError> {
    u32::try_from(stored).map_err(|_out_of_range| corrupt("holds: tokens"))
}
