//! The end of a hold that is charged for.

use billing::{HoldState, SettleOutcome, Settlement, Split};
use kernel::{Credits, PortError, Tariff};

use super::holds::{self, RACES_MAX};
use super::wallets::{self, Change};
use super::{rows, transfers};
use crate::entity::hold;
use crate::error::{corrupt, port_error, unavailable};
use crate::store::{SqlStore, Write};

pub(super) async fn settle(store: &SqlStore, settlement: &Settlement) -> Result<SettleOutcome, PortError> {
    for _ in 0..RACES_MAX {
        let Some(row) = holds::find(store.reader(), settlement.charge.message_id).await? else {
            return Ok(SettleOutcome::NoHold);
        };
        let from = rows::state_of(&row.state)?;
        match from {
            HoldState::Open | HoldState::Expired => {}
            HoldState::Settled | HoldState::Voided => return Ok(SettleOutcome::AlreadyResolved),
        }
        let tx = store.begin().await?;
        if let Some(outcome) = settle_from(&tx, settlement, &row, from).await? {
            tx.commit().await.map_err(port_error)?;
            return Ok(outcome);
        }
        tx.rollback().await.map_err(port_error)?;
    }
    Err(unavailable("a hold went on changing while it was settled"))
}

/// `None` if somebody else moved the hold on meanwhile.
async fn settle_from(
    tx: &Write,
    settlement: &Settlement,
    row: &hold::Model,
    from: HoldState,
) -> Result<Option<SettleOutcome>, PortError> {
    let still_held = if from == HoldState::Open { row.amount } else { 0 };
    let limit = limit(tx, settlement, row, from).await?;
    let tariff = Tariff { miss: row.miss_price, hit: row.hit_price, output: row.output_price };
    let split = settlement.charge.split(tariff, limit).map_err(|_overflow| corrupt("holds: prices"))?;
    let payment = Change {
        available: still_held - split.charged.get(),
        held: -still_held,
        posted: i64::from(split.charged.is_positive()),
        at: settlement.charge.at,
    };
    let Some(wallet) = wallets::change(tx, &row.account, payment).await? else {
        return Ok(None);
    };
    if !record_usage(tx, settlement, split, from).await? {
        return Ok(None);
    }
    if split.charged.is_positive() {
        transfers::post(tx, transfers::charge(settlement, split.charged, &wallet)).await?;
    }
    if split.lost.is_positive() {
        transfers::post(tx, transfers::loss(settlement, split.lost)).await?;
    }
    let balance = Credits::new(wallet.available + wallet.held);
    Ok(Some(SettleOutcome::Settled { balance, charged: split.charged, lost: split.lost }))
}

/// The most that the payer pays. An expired hold has gone back to what is available, and may be spent since.
async fn limit(
    tx: &Write,
    settlement: &Settlement,
    row: &hold::Model,
    from: HoldState,
) -> Result<Credits, PortError> {
    if from == HoldState::Open {
        return Ok(Credits::new(row.amount));
    }
    // A change of nothing is the lock: what is available stays so until the charge is taken.
    let lock = Change { available: 0, held: 0, posted: 0, at: settlement.charge.at };
    let wallet = wallets::change(tx, &row.account, lock).await?;
    let wallet = wallet.ok_or_else(|| corrupt("holds.account: there is no such wallet"))?;
    Ok(Credits::new(wallet.available.min(row.amount)))
}

async fn record_usage(
    tx: &Write,
    settlement: &Settlement,
    split: Split,
    from: HoldState,
) -> Result<bool, PortError> {
    let (charge, tokens) = (&settlement.charge, &settlement.charge.tokens);
    let changed = holds::change(
        tx,
        "UPDATE holds SET state = 'settled', resolved_at = $1, settled_credits = $2, prompt_tokens = $3, \
         cached_tokens = $4, completion_tokens = $5, reasoning_tokens = $6 WHERE message_id = $7 AND state = $8",
        [
            charge.at.as_millis().into(),
            split.charged.get().into(),
            i64::from(tokens.prompt).into(),
            i64::from(tokens.cached).into(),
            i64::from(tokens.completion).into(),
            i64::from(tokens.reasoning).into(),
            charge.message_id.as_uuid().into(),
            from.as_str().into(),
        ],
    )
    .await?;
    Ok(changed > 0)
}
