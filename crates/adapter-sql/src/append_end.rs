//! The end of a reply, one append that one caller wins.

use chat::ports::{EndOutcome, ReplyEnd};
use kernel::PortError;
use sea_orm::{ActiveModelTrait, ConnectionTrait, EntityTrait, IntoActiveModel, Statement};

use crate::entity::{event, generation};
use crate::error::port_error;
use crate::event_log::event_row;
use crate::generations::charge_json;
use crate::message_row::read_conversation_id;
use crate::store::{SqlStore, Write};
use crate::words::{json, read_count, word};

/// The fence: one caller finds the saga streaming in this generation. The text moves to the message.
const END_SAGA: &str = "UPDATE generations SET state = 'ended', generation = $3, checkpoint = '', \
     charge = $4, ended_at = $5 WHERE message_id = $1 AND state = 'streaming' AND generation = $2 \
     RETURNING conversation_id";

const TAKE_SEQ: &str =
    "UPDATE conversations SET head = head + 1, last_active_at = $2 WHERE id = $1 RETURNING head";

const END_MESSAGE: &str = "UPDATE messages SET content = $2, status = $3, why = $4, failure = $5, \
     citations = $6, usage = $7, model = $8, generation = $9, last_seq = $10 WHERE id = $1";

/// The saga's row is locked before the conversation's. No other transaction takes both the other way round,
/// and losers never wait for the conversation.
pub(crate) async fn append_end(store: &SqlStore, end: ReplyEnd) -> Result<EndOutcome, PortError> {
    let tx = store.begin().await?;
    let Some(conversation) = end_saga(&tx, &end).await? else {
        let outcome = lost_to(&tx, &end).await?;
        tx.rollback().await.map_err(port_error)?;
        return Ok(outcome);
    };
    let outcome = match take_seq(&tx, &conversation, &end).await? {
        Some(head) => {
            write_end(&tx, &conversation, &end, head).await?;
            EndOutcome::Ended { seq: read_count(head, "conversations.head")? }
        }
        None => EndOutcome::NoMessage,
    };
    tx.commit().await.map_err(port_error)?;
    Ok(outcome)
}

async fn end_saga(tx: &Write, end: &ReplyEnd) -> Result<Option<String>, PortError> {
    let values = [
        end.message_id.as_uuid().into(),
        i64::from(end.generation).into(),
        i64::from(end.generation_after).into(),
        end.charge.map(charge_json).into(),
        end.at.as_millis().into(),
    ];
    let statement = Statement::from_sql_and_values(tx.get_database_backend(), END_SAGA, values);
    let row = tx.query_one_raw(statement).await.map_err(port_error)?;
    row.map(|row| row.try_get("", "conversation_id").map_err(port_error)).transpose()
}

/// A saga that exists has another end or another generation.
async fn lost_to(tx: &Write, end: &ReplyEnd) -> Result<EndOutcome, PortError> {
    let saga = generation::Entity::find_by_id(end.message_id.as_uuid()).one(tx).await.map_err(port_error)?;
    Ok(if saga.is_some() { EndOutcome::AlreadyEnded } else { EndOutcome::NoMessage })
}

async fn take_seq(tx: &Write, conversation: &str, end: &ReplyEnd) -> Result<Option<i64>, PortError> {
    let values = [conversation.into(), end.at.as_millis().into()];
    let statement = Statement::from_sql_and_values(tx.get_database_backend(), TAKE_SEQ, values);
    let row = tx.query_one_raw(statement).await.map_err(port_error)?;
    row.map(|row| row.try_get("", "head").map_err(port_error)).transpose()
}

async fn write_end(tx: &Write, conversation: &str, end: &ReplyEnd, head: i64) -> Result<(), PortError> {
    let citations = (!end.citations.is_empty()).then(|| json(&end.citations));
    let values = [
        end.message_id.as_uuid().into(),
        end.content.as_str().into(),
        word(&end.why.status()).into(),
        word(&end.why).into(),
        end.failure.as_ref().map(word).into(),
        citations.into(),
        end.usage.as_ref().map(json).into(),
        end.model.clone().into(),
        i64::from(end.generation_after).into(),
        head.into(),
    ];
    let statement = Statement::from_sql_and_values(tx.get_database_backend(), END_MESSAGE, values);
    tx.execute_raw(statement).await.map_err(port_error)?;
    let body = end.event_body();
    let row = event_row(&read_conversation_id(conversation)?, head, &body, end.at);
    let insert = event::Entity::insert(row.into_active_model().reset_all());
    insert.exec_without_returning(tx).await.map_err(port_error)?;
    Ok(())
}
