//! What a journal has changed, written by one statement for each table, or one for all on Postgres.

use billing::journal::{Change, Entry, HeldHold, Journal, Purse, Slot};
use billing::{LotId, TransferId};
use kernel::PortError;
use sea_orm::{ConnectionTrait, DbBackend, Statement, Value};
use serde::Serialize;
use uuid::fmt::Simple;

use super::write_sql as sql;
use crate::error::port_error;
use crate::store::Write;
use crate::words::json;

#[derive(Serialize)]
struct WalletRow {
    account: String,
    available: i64,
    held: i64,
    seq: u64,
    updated_at: i64,
    opened_at: Option<i64>,
    next_expiry: Option<i64>,
    free_day: Option<i64>,
    frozen: Option<String>,
    day_max: Option<i64>,
    spent_day: i64,
    spent: i64,
}

#[derive(Serialize)]
struct LotRow {
    id: Simple,
    account: String,
    source: &'static str,
    ref_id: Option<String>,
    granted: i64,
    remaining: i64,
    held: i64,
    expires_at: Option<i64>,
    transfer_id: Option<Simple>,
    created_at: i64,
}

#[derive(Serialize)]
struct TransferRow {
    id: Simple,
    debit: String,
    credit: String,
    amount: i64,
    kind: &'static str,
    hold_id: Option<Simple>,
    ref_id: Option<String>,
    idempotency_key: String,
    owner_account: Option<String>,
    owner_seq: Option<u64>,
    balance_after: Option<i64>,
    created_at: i64,
    book: &'static str,
    body_hash: Option<String>,
}

#[derive(Serialize)]
struct TransferLotRow {
    transfer_id: Simple,
    lot_id: Simple,
    amount: i64,
}

#[derive(Serialize)]
struct HoldRow {
    message_id: Simple,
    account: String,
    alias: String,
    miss_price: i64,
    hit_price: i64,
    output_price: i64,
    prompt_tokens_max: u32,
    output_tokens_wanted: u32,
    output_tokens_min: u32,
    output_tokens_max: u32,
    amount: i64,
    state: &'static str,
    instance_id: Simple,
    created_at: i64,
    expires_at: i64,
    resolved_at: Option<i64>,
    settled_credits: Option<i64>,
    prompt_tokens: Option<u32>,
    cached_tokens: Option<u32>,
    completion_tokens: Option<u32>,
    reasoning_tokens: Option<u32>,
    price_id: String,
    cost: Option<i64>,
    is_estimated: Option<bool>,
}

#[derive(Serialize)]
struct HoldLotRow {
    message_id: Simple,
    lot_id: Simple,
    amount: i64,
}

/// Writes what the journal has changed.
pub(super) async fn changes(tx: &Write, journal: &Journal<'_>) -> Result<(), PortError> {
    let wallets: Vec<_> = journal.changed_purses().map(wallet_row).collect();
    let mut new_lots = Vec::new();
    let mut lots = Vec::new();
    for purse in journal.changed_purses() {
        for Slot { lot, change } in purse.slots() {
            let transfer = || origin(journal.entries(), lot);
            match change {
                Change::None => {}
                Change::Changed => lots.push(lot_row(purse, lot, None)),
                Change::New => new_lots.push(lot_row(purse, lot, transfer())),
            }
        }
    }
    let transfers: Vec<_> = journal.entries().iter().map(transfer_row).collect();
    let transfer_lots: Vec<_> = journal.entries().iter().flat_map(transfer_lot_rows).collect();
    if !wallets.is_empty() || !transfers.is_empty() {
        let lists = [json(&wallets), json(&lots), json(&new_lots), json(&transfers), json(&transfer_lots)];
        execute(tx, sql::MONEY_POSTGRES, sql::MONEY_SQLITE, &lists).await?;
    }
    holds(tx, journal).await
}

async fn holds(tx: &Write, journal: &Journal<'_>) -> Result<(), PortError> {
    let (mut new, mut resolved, mut parts) = (Vec::new(), Vec::new(), Vec::new());
    for held in journal.changed_holds() {
        match held.change {
            Change::None => {}
            Change::Changed => resolved.push(hold_row(held)),
            Change::New => {
                new.push(hold_row(held));
                parts.extend(hold_lot_rows(held));
            }
        }
    }
    if !new.is_empty() {
        execute(tx, sql::NEW_HOLDS_POSTGRES, sql::NEW_HOLDS_SQLITE, &[json(&new), json(&parts)]).await?;
    }
    if !resolved.is_empty() {
        execute(tx, sql::RESOLVED_POSTGRES, sql::RESOLVED_SQLITE, &[json(&resolved)]).await?;
    }
    Ok(())
}

/// Transfers of the house. One whose key was used is left out.
pub(super) async fn house(tx: &Write, entries: &[Entry]) -> Result<(), PortError> {
    if entries.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = entries.iter().map(transfer_row).collect();
    execute(tx, sql::HOUSE_POSTGRES, sql::HOUSE_SQLITE, &[json(&rows)]).await
}

/// On SQLite several statements, each with the list that it takes.
async fn execute(
    tx: &Write,
    postgres: &str,
    sqlite: &[(usize, &str)],
    lists: &[String],
) -> Result<(), PortError> {
    let backend = tx.get_database_backend();
    if backend == DbBackend::Postgres {
        let values = lists.iter().cloned().map(Value::from);
        let statement = Statement::from_sql_and_values(backend, postgres, values);
        return tx.execute_raw(statement).await.map(drop).map_err(port_error);
    }
    for (list, sql) in sqlite {
        let Some(rows) = lists.get(*list).filter(|rows| rows.as_str() != "[]") else { continue };
        let statement = Statement::from_sql_and_values(backend, *sql, [rows.clone().into()]);
        tx.execute_raw(statement).await.map_err(port_error)?;
    }
    Ok(())
}

fn wallet_row(purse: &Purse) -> WalletRow {
    WalletRow {
        account: purse.owner.to_string(),
        available: purse.wallet.available.get(),
        held: purse.wallet.held.get(),
        seq: purse.wallet.seq,
        updated_at: purse.wallet.updated_at.as_millis(),
        opened_at: purse.opened_at.map(kernel::Timestamp::as_millis),
        next_expiry: purse.next_expiry().map(kernel::Timestamp::as_millis),
        free_day: purse.free_day.map(billing::Day::number),
        frozen: purse.standing.frozen.clone(),
        day_max: purse.standing.day_max.map(kernel::Credits::get),
        spent_day: purse.spent_day.number(),
        spent: purse.spent.get(),
    }
}

/// The transfer that made a lot.
fn origin(entries: &[Entry], lot: &billing::Lot) -> Option<TransferId> {
    entries.iter().find(|entry| entry.new_lot == Some(lot.id)).map(|entry| entry.id)
}

fn lot_row(purse: &Purse, lot: &billing::Lot, transfer: Option<TransferId>) -> LotRow {
    LotRow {
        id: simple(lot.id),
        account: purse.owner.to_string(),
        source: lot.source.as_str(),
        ref_id: lot.ref_id.clone(),
        granted: lot.granted.get(),
        remaining: lot.remaining.get(),
        held: lot.held.get(),
        expires_at: lot.expires_at.map(kernel::Timestamp::as_millis),
        transfer_id: transfer.map(|id| id.as_uuid().simple()),
        created_at: lot.created_at.as_millis(),
    }
}

fn transfer_row(entry: &Entry) -> TransferRow {
    let line = entry.line.as_ref();
    TransferRow {
        id: entry.id.as_uuid().simple(),
        debit: entry.debit.to_string(),
        credit: entry.credit.to_string(),
        amount: entry.amount,
        kind: entry.kind.as_str(),
        hold_id: entry.hold_id.map(|id| id.as_uuid().simple()),
        ref_id: entry.ref_id.clone(),
        idempotency_key: entry.key.clone(),
        owner_account: line.map(|line| line.owner.to_string()),
        owner_seq: line.map(|line| line.seq),
        balance_after: line.map(|line| line.balance_after.get()),
        created_at: entry.at.as_millis(),
        book: entry.book.as_str(),
        body_hash: entry.body_hash.clone(),
    }
}

fn transfer_lot_rows(entry: &Entry) -> impl Iterator<Item = TransferLotRow> {
    entry.lots.iter().map(|(lot, amount)| TransferLotRow {
        transfer_id: entry.id.as_uuid().simple(),
        lot_id: simple(*lot),
        amount: amount.get(),
    })
}

fn hold_row(held: &HeldHold) -> HoldRow {
    let (hold, request) = (&held.hold, &held.hold.request);
    let usage = held.end.and_then(|end| end.usage);
    HoldRow {
        message_id: request.message_id.as_uuid().simple(),
        account: request.payer.to_string(),
        alias: request.model_alias.clone(),
        miss_price: hold.tariff.miss,
        hit_price: hold.tariff.hit,
        output_price: hold.tariff.output,
        prompt_tokens_max: request.prompt_tokens_max,
        output_tokens_wanted: request.output_tokens_wanted,
        output_tokens_min: request.output_tokens_min,
        output_tokens_max: hold.output_tokens_max,
        amount: hold.amount.get(),
        state: hold.state.as_str(),
        instance_id: hold.instance.as_uuid().simple(),
        created_at: request.at.as_millis(),
        expires_at: hold.expires_at.as_millis(),
        resolved_at: held.end.map(|end| end.at.as_millis()),
        settled_credits: usage.map(|usage| usage.charged.get()),
        prompt_tokens: usage.map(|usage| usage.tokens.prompt),
        cached_tokens: usage.map(|usage| usage.tokens.cached),
        completion_tokens: usage.map(|usage| usage.tokens.completion),
        reasoning_tokens: usage.map(|usage| usage.tokens.reasoning),
        price_id: hold.price_id.clone(),
        cost: usage.map(|usage| usage.cost.get()),
        is_estimated: usage.map(|usage| usage.is_estimated),
    }
}

fn hold_lot_rows(held: &HeldHold) -> impl Iterator<Item = HoldLotRow> {
    held.parts.iter().map(|(lot, amount)| HoldLotRow {
        message_id: held.hold.request.message_id.as_uuid().simple(),
        lot_id: simple(*lot),
        amount: amount.get(),
    })
}

fn simple(lot: LotId) -> Simple {
    lot.as_uuid().simple()
}
