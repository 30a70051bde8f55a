//! What every append of a single event shares: it takes the next seq first, which locks the conversation, so that
//! what it reads after that takes in every append before.

use chat::conversation::ConversationId;
use chat::event::EventBody;
use kernel::{PortError, Timestamp};
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryResult, Statement, Value,
};

use crate::entity::event;
use crate::error::port_error;
use crate::event_log::event_row;
use crate::store::Write;

const TAKE_SEQ: &str =
    "UPDATE conversations SET head = head + 1, last_active_at = $2 WHERE id = $1 RETURNING head";

const COUNT_MESSAGE: &str = "UPDATE rooms SET message_count = message_count + 1 WHERE id = $1";

/// The conversation's next seq, if it is there.
pub(crate) async fn take_seq(
    tx: &Write,
    conversation: &str,
    at: Timestamp,
) -> Result<Option<i64>, PortError> {
    let row = find_row(tx, TAKE_SEQ, [conversation.into(), at.as_millis().into()]).await?;
    row.map(|row| row.try_get_by_index(0).map_err(port_error)).transpose()
}

pub(crate) async fn insert_event(
    tx: &Write,
    conversation: &ConversationId,
    seq: i64,
    body: &EventBody,
    at: Timestamp,
) -> Result<(), PortError> {
    let row = event_row(conversation, seq, body, at);
    let insert = event::Entity::insert(row.into_active_model().reset_all());
    insert.exec_without_returning(tx).await.map(drop).map_err(port_error)
}

/// Counts a message for its room; a session counts none.
pub(crate) async fn count_message(tx: &Write, conversation: &ConversationId) -> Result<(), PortError> {
    run(tx, COUNT_MESSAGE, [conversation.as_str().into()]).await.map(drop)
}

/// An explicit rollback frees the row lock now, not when the connection is back in its pool; it gives the seq back.
pub(crate) async fn refuse<T>(tx: Write, outcome: T) -> Result<T, PortError> {
    tx.rollback().await.map_err(port_error)?;
    Ok(outcome)
}

/// How many rows a statement changed.
pub(crate) async fn run<const N: usize>(
    db: &impl ConnectionTrait,
    sql: &str,
    values: [Value; N],
) -> Result<u64, PortError> {
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    Ok(db.execute_raw(statement).await.map_err(port_error)?.rows_affected())
}

/// The first row of a statement.
pub(crate) async fn find_row<const N: usize>(
    db: &impl ConnectionTrait,
    sql: &str,
    values: [Value; N],
) -> Result<Option<QueryResult>, PortError> {
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    db.query_one_raw(statement).await.map_err(port_error)
}
