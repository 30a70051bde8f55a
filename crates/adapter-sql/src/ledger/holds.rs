//! Holds: made, renewed, given back.

use billing::{Hold, HoldState, Renewal, ReserveOutcome, VoidOutcome};
use kernel::{Credits, MessageId, PortError, Timestamp};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
    Statement, Value,
};

use super::rows;
use super::wallets::{self, Change};
use crate::entity::hold;
use crate::error::{corrupt, port_error, unavailable};
use crate::store::SqlStore;

/// A hold moves forward at most twice (open, expired, settled), so whoever loses this often has met a fault.
pub(super) const RACES_MAX: u32 = 3;

pub(super) async fn find(db: &impl ConnectionTrait, id: MessageId) -> Result<Option<hold::Model>, PortError> {
    hold::Entity::find_by_id(id.as_uuid()).one(db).await.map_err(port_error)
}

pub(super) async fn reserve(store: &SqlStore, hold: &Hold) -> Result<ReserveOutcome, PortError> {
    let row = rows::row_of(hold);
    let (account, message_id) = (row.account.clone(), hold.request.message_id);
    let set_aside = Change { available: -row.amount, held: row.amount, posted: 0, at: hold.request.at };
    let tx = store.begin().await?;
    if wallets::change(&tx, &account, set_aside).await?.is_none() {
        let known = find(&tx, message_id).await?;
        let wallet = wallets::find(&tx, &account).await?;
        tx.rollback().await.map_err(port_error)?;
        let available = Credits::new(wallet.map_or(0, |wallet| wallet.available));
        return known.map_or(Ok(ReserveOutcome::Insufficient { available }), |known| compare(known, hold));
    }
    let insert = hold::Entity::insert(row.into_active_model())
        .on_conflict(OnConflict::column(hold::Column::MessageId).do_nothing().to_owned());
    if insert.exec_without_returning(&tx).await.map_err(port_error)? == 0 {
        tx.rollback().await.map_err(port_error)?;
        let known = find(store.reader(), message_id).await?;
        return compare(known.ok_or_else(|| corrupt("holds: a known row is missing"))?, hold);
    }
    tx.commit().await.map_err(port_error)?;
    Ok(ReserveOutcome::Held)
}

fn compare(known: hold::Model, asked: &Hold) -> Result<ReserveOutcome, PortError> {
    let known = rows::hold_of(known)?;
    let is_repeat = known.request.repeats(&asked.request);
    Ok(if is_repeat { ReserveOutcome::Replayed(known) } else { ReserveOutcome::Conflict })
}

pub(super) async fn void(
    store: &SqlStore,
    message_id: MessageId,
    at: Timestamp,
) -> Result<VoidOutcome, PortError> {
    for _ in 0..RACES_MAX {
        let Some(row) = find(store.reader(), message_id).await? else {
            return Ok(VoidOutcome::NoHold);
        };
        match rows::state_of(&row.state)? {
            HoldState::Open => {}
            HoldState::Settled | HoldState::Voided | HoldState::Expired => {
                return Ok(VoidOutcome::AlreadyResolved);
            }
        }
        let release = Release { to: HoldState::Voided, at, due: Timestamp::from_millis(i64::MAX) };
        if give_back(store, &row, release).await? {
            return Ok(VoidOutcome::Voided);
        }
    }
    Err(unavailable("a hold went on changing while it was voided"))
}

/// The condition of the indexes over open holds, in their own words: with a bound value the databases would not
/// see that they apply.
pub(super) fn is_open() -> Expr {
    Expr::cust("state = 'open'")
}

/// Open holds whose time is over, the oldest first.
pub(super) async fn due(
    db: &impl ConnectionTrait,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<hold::Model>, PortError> {
    hold::Entity::find()
        .filter(is_open())
        .filter(hold::Column::ExpiresAt.lte(now.as_millis()))
        .order_by_asc(hold::Column::ExpiresAt)
        .limit(u64::from(limit))
        .all(db)
        .await
        .map_err(port_error)
}

/// `false` if somebody else resolved or renewed the hold meanwhile.
pub(super) async fn expire(store: &SqlStore, row: &hold::Model, now: Timestamp) -> Result<bool, PortError> {
    give_back(store, row, Release { to: HoldState::Expired, at: now, due: now }).await
}

/// How an open hold ends without a charge.
struct Release {
    to: HoldState,
    at: Timestamp,
    /// Only if its time is over then.
    due: Timestamp,
}

async fn give_back(store: &SqlStore, row: &hold::Model, release: Release) -> Result<bool, PortError> {
    let back = Change { available: row.amount, held: -row.amount, posted: 0, at: release.at };
    let values = [
        release.to.as_str().into(),
        release.at.as_millis().into(),
        row.message_id.into(),
        release.due.as_millis().into(),
    ];
    let tx = store.begin().await?;
    let is_ours = wallets::change(&tx, &row.account, back).await?.is_some()
        && change(
            &tx,
            "UPDATE holds SET state = $1, resolved_at = $2 \
             WHERE message_id = $3 AND state = 'open' AND expires_at <= $4",
            values,
        )
        .await?
            > 0;
    if is_ours { tx.commit().await } else { tx.rollback().await }.map_err(port_error)?;
    Ok(is_ours)
}

pub(super) async fn renew(store: &SqlStore, renewal: &Renewal) -> Result<u64, PortError> {
    change(
        store.writer(),
        "UPDATE holds SET expires_at = $1 \
         WHERE state = 'open' AND expires_at < $2 AND instance_id = $3 AND created_at > $4",
        [
            renewal.until.as_millis().into(),
            renewal.due_before.min(renewal.until).as_millis().into(),
            renewal.instance.as_uuid().into(),
            renewal.created_after.as_millis().into(),
        ],
    )
    .await
}

/// Runs one conditional change of holds; answers how many rows met its condition.
pub(super) async fn change<const N: usize>(
    db: &impl ConnectionTrait,
    sql: &str,
    values: [Value; N],
) -> Result<u64, PortError> {
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    Ok(db.execute_raw(statement).await.map_err(port_error)?.rows_affected())
}
