//! What is due: holds and lots whose time is over, and the renewal of holds.

use billing::ports::OpenHolds;
use billing::{Owner, Renewal};
use kernel::{Id, MessageId, PortError, Timestamp};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect, Statement,
};
use serde::Serialize;
use uuid::fmt::Simple;

use crate::entity::{hold, wallet};
use crate::error::{corrupt, port_error};
use crate::store::SqlStore;
use crate::words::json;

/// The condition of the indexes over open holds, in their own words: with a bound value the databases would not
/// see that they apply.
pub(super) fn is_open() -> Expr {
    Expr::cust("state = 'open'")
}

/// Open holds whose time is over, the oldest first.
pub(super) async fn due_holds(
    db: &impl ConnectionTrait,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<MessageId>, PortError> {
    let due = hold::Entity::find()
        .filter(is_open())
        .filter(hold::Column::ExpiresAt.lte(now.as_millis()))
        .order_by_asc(hold::Column::ExpiresAt)
        .limit(u64::from(limit))
        .all(db)
        .await
        .map_err(port_error)?;
    Ok(due.into_iter().map(|row| Id::from_uuid(row.message_id)).collect())
}

#[derive(FromQueryResult)]
struct OpenRow {
    count: i64,
    oldest: Option<i64>,
}

pub(super) async fn open_holds(db: &impl ConnectionTrait) -> Result<OpenHolds, PortError> {
    const OPEN: &str = "SELECT COUNT(*) AS count, MIN(created_at) AS oldest FROM holds WHERE state = 'open'";
    let statement = Statement::from_string(db.get_database_backend(), OPEN);
    let row = OpenRow::find_by_statement(statement).one(db).await.map_err(port_error)?;
    let row = row.ok_or_else(|| corrupt("holds: an aggregate has no row"))?;
    let count = u64::try_from(row.count).map_err(|_negative| corrupt("holds: a count is negative"))?;
    Ok(OpenHolds { count, oldest: row.oldest.map(Timestamp::from_millis) })
}

/// Wallets with a free part of a lot whose time is over.
pub(super) async fn due_wallets(
    db: &impl ConnectionTrait,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<Owner>, PortError> {
    let due = wallet::Entity::find()
        .filter(wallet::Column::NextExpiry.lte(now.as_millis()))
        .order_by_asc(wallet::Column::NextExpiry)
        .limit(u64::from(limit))
        .all(db)
        .await
        .map_err(port_error)?;
    due.iter().map(|row| row.account.parse().map_err(|_unknown| corrupt("wallets.account"))).collect()
}

const RENEW: &str = "UPDATE holds SET expires_at = $1 \
     WHERE state = 'open' AND expires_at < $2 AND instance_id = $3 AND created_at > $4";

/// Tokens only grow: a late heartbeat changes nothing.
const RECEIVED_POSTGRES: &str = "UPDATE holds h SET received_prompt = GREATEST(h.received_prompt, i.prompt), \
     received_completion = GREATEST(h.received_completion, i.completion) \
     FROM json_to_recordset($1::json) AS i(message_id uuid, prompt bigint, completion bigint) \
     WHERE h.message_id = i.message_id AND h.state = 'open'";
const RECEIVED_SQLITE: &str = "UPDATE holds SET received_prompt = MAX(received_prompt, i.value ->> 'prompt'), \
     received_completion = MAX(received_completion, i.value ->> 'completion') FROM json_each($1) i \
     WHERE message_id = unhex(i.value ->> 'message_id') AND state = 'open'";

#[derive(Serialize)]
struct Received {
    message_id: Simple,
    prompt: u32,
    completion: u32,
}

pub(super) async fn renew(store: &SqlStore, renewal: &Renewal) -> Result<u64, PortError> {
    let db = store.writer();
    let backend = db.get_database_backend();
    if !renewal.received.is_empty() {
        let received = renewal.received.iter().map(|(message_id, tokens)| Received {
            message_id: message_id.as_uuid().simple(),
            prompt: tokens.prompt,
            completion: tokens.completion,
        });
        let received = json(&received.collect::<Vec<_>>());
        let sql = if backend == DbBackend::Postgres { RECEIVED_POSTGRES } else { RECEIVED_SQLITE };
        let statement = Statement::from_sql_and_values(backend, sql, [received.into()]);
        db.execute_raw(statement).await.map_err(port_error)?;
    }
    let values = [
        renewal.until.as_millis().into(),
        renewal.due_before.min(renewal.until).as_millis().into(),
        renewal.instance.as_uuid().into(),
        renewal.created_after.as_millis().into(),
    ];
    let statement = Statement::from_sql_and_values(backend, RENEW, values);
    Ok(db.execute_raw(statement).await.map_err(port_error)?.rows_affected())
}
