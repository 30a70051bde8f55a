//! The log as it is read: entries, each with the message that it is about, and heads.

use chat::conversation::ConversationId;
use chat::event::Event;
use chat::ports::Head;
use kernel::{PortError, Timestamp};
use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Statement};

use crate::error::port_error;
use crate::message_row::{COLUMNS, MessageRow, read_conversation_id};
use crate::words::{big, json, read_count, read_json};

/// Columns of the event come before those of its message.
const MESSAGE_COLUMNS_AT: usize = 3;

const HEADS_POSTGRES: &str = "SELECT c.id, c.head, c.epoch FROM conversations c \
     WHERE c.id IN (SELECT json_array_elements_text($1::json))";

const HEADS_SQLITE: &str = "SELECT c.id, c.head, c.epoch FROM conversations c \
     WHERE c.id IN (SELECT value FROM json_each($1))";

/// Which kinds show a message is [`chat::event::EventBody::shows_message`].
pub(crate) async fn events(
    db: &impl ConnectionTrait,
    conversation: &ConversationId,
    after: u64,
    limit: u32,
) -> Result<Vec<Event>, PortError> {
    let sql = format!(
        "SELECT e.seq, e.body, e.created_at, {COLUMNS} FROM events e LEFT JOIN messages m ON m.id = e.subject \
         AND e.kind IN ('message', 'ai_start', 'ai_end') WHERE e.conversation_id = $1 AND e.seq > $2 \
         ORDER BY e.seq LIMIT $3"
    );
    let values = [conversation.as_str().into(), big(after).into(), i64::from(limit).into()];
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    let rows = db.query_all_raw(statement).await.map_err(port_error)?;
    rows.iter().map(event_of).collect()
}

fn event_of(row: &QueryResult) -> Result<Event, PortError> {
    let body: String = row.try_get_by_index(1).map_err(port_error)?;
    let message = MessageRow::joined(row, MESSAGE_COLUMNS_AT).map_err(port_error)?;
    Ok(Event {
        seq: read_count(row.try_get_by_index(0).map_err(port_error)?, "events.seq")?,
        body: read_json(&body, "events.body")?,
        created_at: Timestamp::from_millis(row.try_get_by_index(2).map_err(port_error)?),
        message: message.map(MessageRow::into_message).transpose()?,
        author: None,
    })
}

pub(crate) async fn heads(
    db: &impl ConnectionTrait,
    conversations: &[ConversationId],
) -> Result<Vec<Head>, PortError> {
    let backend = db.get_database_backend();
    let sql = if backend == DbBackend::Postgres { HEADS_POSTGRES } else { HEADS_SQLITE };
    let statement = Statement::from_sql_and_values(backend, sql, [json(&conversations).into()]);
    let rows = db.query_all_raw(statement).await.map_err(port_error)?;
    rows.iter().map(head_of).collect()
}

fn head_of(row: &QueryResult) -> Result<Head, PortError> {
    let id: String = row.try_get_by_index(0).map_err(port_error)?;
    Ok(Head {
        conversation_id: read_conversation_id(&id)?,
        seq: read_count(row.try_get_by_index(1).map_err(port_error)?, "conversations.head")?,
        epoch: row.try_get_by_index(2).map_err(port_error)?,
    })
}
