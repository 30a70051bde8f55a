//! What is read before anything is decided: wallets, locked in the order of their names, then what belongs to them.
//!
//! A list travels as one JSON parameter. What was read before the lock may be old; therefore everything that decides
//! is read after it. Wallets that are to be made are made first: whoever makes the same one waits for the other.

use std::collections::HashMap;

use billing::journal::{HeldHold, Journal, Known, Needs, Purse};
use billing::{Day, Lot, Owner, Standing};
use kernel::{Credits, Ids, PortError, Timestamp};
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, FromQueryResult, QueryFilter, Statement,
};

use super::rows;
use crate::entity::{hold, lot, wallet};
use crate::error::port_error;
use crate::store::Write;
use crate::words::json;

const MAKE_POSTGRES: &str = "INSERT INTO wallets (account, available, held, seq, created_at, updated_at) \
     SELECT i.account, 0, 0, 0, 0, 0 FROM json_array_elements_text($1::json) AS i(account) \
     WHERE NOT EXISTS (SELECT 1 FROM wallets w WHERE w.account = i.account) ORDER BY i.account \
     ON CONFLICT (account) DO NOTHING";
const MAKE_SQLITE: &str = "INSERT INTO wallets (account, available, held, seq, created_at, updated_at) \
     SELECT value, 0, 0, 0, 0, 0 FROM json_each($1) WHERE TRUE ON CONFLICT (account) DO NOTHING";

/// Plans each statement of the transaction anew: one kept since the tables were small would read them whole.
const LOCK_POSTGRES: &str = "SELECT w.*, set_config('plan_cache_mode', 'force_custom_plan', TRUE) FROM wallets w \
     WHERE w.account IN (SELECT json_array_elements_text($1::json) \
     UNION SELECT h.account FROM holds h WHERE h.message_id IN (SELECT json_array_elements_text($2::json)::uuid)) \
     ORDER BY w.account FOR NO KEY UPDATE OF w";
/// `BEGIN IMMEDIATE` has locked everything already.
const LOCK_SQLITE: &str = "SELECT w.* FROM wallets w WHERE w.account IN (SELECT value FROM json_each($1) \
     UNION SELECT h.account FROM holds h WHERE h.message_id IN (SELECT unhex(value) FROM json_each($2)))";

const LOTS_POSTGRES: &str = "SELECT * FROM lots \
     WHERE account IN (SELECT json_array_elements_text($1::json)) AND remaining > 0 \
     UNION SELECT * FROM lots WHERE account IN (SELECT json_array_elements_text($1::json)) \
     AND ref_id IN (SELECT json_array_elements_text($2::json))";
const LOTS_SQLITE: &str = "SELECT * FROM lots \
     WHERE account IN (SELECT value FROM json_each($1)) AND remaining > 0 \
     UNION SELECT * FROM lots WHERE account IN (SELECT value FROM json_each($1)) \
     AND ref_id IN (SELECT value FROM json_each($2))";

const HOLDS_POSTGRES: &str =
    "SELECT * FROM holds WHERE message_id IN (SELECT json_array_elements_text($1::json)::uuid)";
const HOLDS_SQLITE: &str = "SELECT * FROM holds WHERE message_id IN (SELECT unhex(value) FROM json_each($1))";

const PARTS_POSTGRES: &str = "SELECT message_id, lot_id, amount FROM hold_lots \
     WHERE message_id IN (SELECT json_array_elements_text($1::json)::uuid)";
const PARTS_SQLITE: &str = "SELECT message_id, lot_id, amount FROM hold_lots \
     WHERE message_id IN (SELECT unhex(value) FROM json_each($1))";

const KEYS_POSTGRES: &str = "SELECT idempotency_key, id, amount, balance_after, owner_account, body_hash \
     FROM transfers WHERE idempotency_key IN (SELECT json_array_elements_text($1::json))";
const KEYS_SQLITE: &str = "SELECT idempotency_key, id, amount, balance_after, owner_account, body_hash \
     FROM transfers WHERE idempotency_key IN (SELECT value FROM json_each($1))";

/// A part of a lot that a hold sets aside.
#[derive(FromQueryResult)]
pub(super) struct PartRow {
    message_id: Uuid,
    pub(super) lot_id: Uuid,
    pub(super) amount: i64,
}

/// A transfer whose key was used.
#[derive(FromQueryResult)]
pub(super) struct KeyRow {
    pub(super) idempotency_key: String,
    pub(super) id: Uuid,
    pub(super) amount: i64,
    pub(super) balance_after: Option<i64>,
    pub(super) owner_account: Option<String>,
    pub(super) body_hash: Option<String>,
}

/// Locks and reads what the needs name.
pub(super) async fn journal<'a>(tx: &Write, ids: &'a Ids, needs: &Needs) -> Result<Journal<'a>, PortError> {
    let made: Vec<_> = needs.makes.iter().map(ToString::to_string).collect();
    if !made.is_empty() {
        let statement = statement(tx, (MAKE_POSTGRES, MAKE_SQLITE), &[json(&made)]);
        tx.execute_raw(statement).await.map_err(port_error)?;
    }
    let accounts: Vec<_> = made.into_iter().chain(needs.owners.iter().map(ToString::to_string)).collect();
    let messages: Vec<_> = needs.holds.iter().map(|id| id.as_uuid().simple().to_string()).collect();
    let lists = [json(&accounts), json(&messages)];
    let wallets: Vec<wallet::Model> = select(tx, (LOCK_POSTGRES, LOCK_SQLITE), &lists).await?;
    let purses = purses(tx, wallets, needs).await?;
    let holds = if messages.is_empty() { Vec::new() } else { holds(tx, &json(&messages)).await? };
    let known = if needs.keys.is_empty() { Vec::new() } else { keys(tx, needs).await? };
    Ok(Journal::new(ids, purses, holds, known))
}

async fn purses(tx: &Write, wallets: Vec<wallet::Model>, needs: &Needs) -> Result<Vec<Purse>, PortError> {
    let accounts: Vec<_> = wallets.iter().map(|wallet| wallet.account.as_str()).collect();
    let lists = [json(&accounts), json(&needs.spent_lots)];
    let found: Vec<lot::Model> = select(tx, (LOTS_POSTGRES, LOTS_SQLITE), &lists).await?;
    let mut lots: HashMap<String, Vec<Lot>> = HashMap::with_capacity(wallets.len());
    for row in found {
        lots.entry(row.account.clone()).or_default().push(rows::lot_of(row)?);
    }
    let purse = |wallet: wallet::Model| {
        let lots = lots.remove(&wallet.account).unwrap_or_default();
        rows::purse_of(&wallet, lots)
    };
    wallets.into_iter().map(purse).collect()
}

async fn holds(tx: &Write, messages: &str) -> Result<Vec<HeldHold>, PortError> {
    let list = [messages.to_owned()];
    let found: Vec<hold::Model> = select(tx, (HOLDS_POSTGRES, HOLDS_SQLITE), &list).await?;
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let parts: Vec<PartRow> = select(tx, (PARTS_POSTGRES, PARTS_SQLITE), &list).await?;
    let mut of_hold: HashMap<Uuid, Vec<PartRow>> = HashMap::with_capacity(found.len());
    for part in parts {
        of_hold.entry(part.message_id).or_default().push(part);
    }
    let held = |row: hold::Model| {
        let parts = of_hold.remove(&row.message_id).unwrap_or_default();
        rows::held_of(row, &parts)
    };
    found.into_iter().map(held).collect()
}

async fn keys(tx: &Write, needs: &Needs) -> Result<Vec<(String, Known)>, PortError> {
    let found: Vec<KeyRow> = select(tx, (KEYS_POSTGRES, KEYS_SQLITE), &[json(&needs.keys)]).await?;
    found.into_iter().map(rows::known_of).collect()
}

fn statement(db: &impl ConnectionTrait, (postgres, sqlite): (&str, &str), lists: &[String]) -> Statement {
    let backend = db.get_database_backend();
    let sql = if backend == DbBackend::Postgres { postgres } else { sqlite };
    Statement::from_sql_and_values(backend, sql, lists.iter().cloned().map(Into::into))
}

async fn select<T: FromQueryResult>(
    tx: &Write,
    sql: (&str, &str),
    lists: &[String],
) -> Result<Vec<T>, PortError> {
    T::find_by_statement(statement(tx, sql, lists)).all(tx).await.map_err(port_error)
}

/// A wallet, without a lock.
pub(super) async fn wallet(
    db: &impl ConnectionTrait,
    account: &str,
) -> Result<Option<wallet::Model>, PortError> {
    wallet::Entity::find_by_id(account).one(db).await.map_err(port_error)
}

/// An owner's wallet, without a lock.
pub(super) async fn purse(
    db: &impl ConnectionTrait,
    owner: &Owner,
) -> Result<Option<wallet::Model>, PortError> {
    wallet(db, &owner.to_string()).await
}

/// Whether anything must be written before the wallet is what it should be at that time.
pub(super) fn is_due(wallet: &wallet::Model, free_on: Option<Day>, at: Timestamp) -> bool {
    let is_closed = wallet.opened_at.is_none();
    let has_ended = wallet.next_expiry.is_some_and(|end| end <= at.as_millis());
    let lacks_day = |day: Day| wallet.free_day.is_none_or(|given| given < day.number());
    is_closed || has_ended || free_on.is_some_and(lacks_day)
}

pub(super) fn standing_of(wallet: &wallet::Model) -> Standing {
    Standing { frozen: wallet.frozen.clone(), day_max: wallet.day_max.map(Credits::new) }
}

/// The lots of a wallet that are not spent, in the order in which they will be, without a lock.
pub(super) async fn unspent_lots(db: &impl ConnectionTrait, owner: &Owner) -> Result<Vec<Lot>, PortError> {
    let found = lot::Entity::find()
        .filter(lot::Column::Account.eq(owner.to_string()))
        .filter(Expr::cust("remaining > 0"))
        .all(db)
        .await
        .map_err(port_error)?;
    let mut lots = found.into_iter().map(rows::lot_of).collect::<Result<Vec<_>, _>>()?;
    lots.sort_by(Lot::use_order);
    Ok(lots)
}
