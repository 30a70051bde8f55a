//! The end of a reply, one append that one caller wins.

use chat::message::MessageStatus;
use chat::ports::{EndOutcome, ReplyEnd};
use kernel::PortError;
use sea_orm::EntityTrait;

use crate::append::{find_row, insert_event, take_seq};
use crate::entity::generation;
use crate::error::port_error;
use crate::generations::charge_json;
use crate::message_row::read_conversation_id;
use crate::store::{SqlStore, Write};
use crate::words::{json, read_count, word};

/// The fence: one caller finds the saga streaming in this generation. The text moves to the message.
const END_SAGA: &str = "UPDATE generations SET state = 'ended', generation = $3, checkpoint = '', \
     charge = $4, ended_at = $5 WHERE message_id = $1 AND state = 'streaming' AND generation = $2 \
     RETURNING conversation_id";

/// A recall is final: what was recalled stays without text. The answer is how the message stands.
const END_MESSAGE: &str = "UPDATE messages SET content = CASE WHEN status = 'recalled' THEN '' ELSE $2 END, \
     citations = CASE WHEN status = 'recalled' THEN NULL ELSE $6 END, \
     status = CASE WHEN status = 'recalled' THEN status ELSE $3 END, why = $4, failure = $5, usage = $7, \
     model = $8, generation = $9, last_seq = $10 WHERE id = $1 RETURNING status";

/// The saga's row is locked before the conversation's. No other transaction takes both the other way round,
/// and losers never wait for the conversation.
pub(crate) async fn append_end(store: &SqlStore, end: ReplyEnd) -> Result<EndOutcome, PortError> {
    let tx = store.begin().await?;
    let Some(conversation) = end_saga(&tx, &end).await? else {
        let outcome = lost_to(&tx, &end).await?;
        tx.rollback().await.map_err(port_error)?;
        return Ok(outcome);
    };
    let outcome = match take_seq(&tx, &conversation, end.at).await? {
        Some(head) => {
            write_end(&tx, &conversation, end, head).await?;
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
    let row = find_row(tx, END_SAGA, values).await?;
    row.map(|row| row.try_get("", "conversation_id").map_err(port_error)).transpose()
}

/// A saga that exists has another end or another generation.
async fn lost_to(tx: &Write, end: &ReplyEnd) -> Result<EndOutcome, PortError> {
    let saga = generation::Entity::find_by_id(end.message_id.as_uuid()).one(tx).await.map_err(port_error)?;
    Ok(if saga.is_some() { EndOutcome::AlreadyEnded } else { EndOutcome::NoMessage })
}

async fn write_end(tx: &Write, conversation: &str, end: ReplyEnd, head: i64) -> Result<(), PortError> {
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
    let row = find_row(tx, END_MESSAGE, values).await?;
    let status: Option<String> = row.map(|row| row.try_get_by_index(0)).transpose().map_err(port_error)?;
    let is_recalled = status == Some(word(&MessageStatus::Recalled));
    let shown = if is_recalled { ReplyEnd { content: String::new(), ..end } } else { end };
    let conversation = read_conversation_id(conversation)?;
    insert_event(tx, &conversation, head, &shown.event_body(), shown.at).await
}
