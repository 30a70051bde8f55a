//! Question and `ai_start`, one append.

use chat::ports::{Exchange, ExchangeOutcome};
use kernel::{Id, PortError};
use sea_orm::prelude::Uuid;
use sea_orm::{ActiveModelTrait, EntityTrait, IntoActiveModel};

use crate::append::{find_row, refuse};
use crate::append_start::{blank_row, reply_row, saga_row, started};
use crate::entity::{event, generation, message};
use crate::error::port_error;
use crate::event_log::{event_row, message_body};
use crate::store::{SqlStore, Write};
use crate::words::read_count;

const TAKE_SEQS: &str = "UPDATE conversations SET head = head + 2, last_active_at = $2, \
     title = CASE WHEN title = '' THEN $3 ELSE title END WHERE id = $1 RETURNING head";

const REFUSALS: &str = "SELECT (SELECT m.id FROM messages m WHERE m.conversation_id = $1 AND \
     m.author_user = $2 AND m.client_msg_id = $3) AS repeated, (SELECT g.message_id FROM generations g \
     WHERE g.conversation_id = $1 AND g.state = 'streaming' LIMIT 1) AS streaming";

/// A refusal leaves without a commit, which gives the two seqs back.
pub(crate) async fn append_exchange(
    store: &SqlStore,
    exchange: Exchange,
) -> Result<ExchangeOutcome, PortError> {
    let tx = store.begin().await?;
    let Some(head) = take_seqs(&tx, &exchange).await? else {
        return refuse(tx, ExchangeOutcome::NoConversation).await;
    };
    if let Some(refusal) = refusal(&tx, &exchange).await? {
        return refuse(tx, refusal).await;
    }
    insert(&tx, &exchange, head).await?;
    tx.commit().await.map_err(port_error)?;
    Ok(ExchangeOutcome::Appended {
        question_seq: read_count(head - 1, "conversations.head")?,
        reply_seq: read_count(head, "conversations.head")?,
    })
}

/// Locks the conversation and moves its head; the new head is the reply's seq.
async fn take_seqs(tx: &Write, exchange: &Exchange) -> Result<Option<i64>, PortError> {
    let values = [
        exchange.conversation_id.as_str().into(),
        exchange.at.as_millis().into(),
        exchange.title_if_empty.as_str().into(),
    ];
    let row = find_row(tx, TAKE_SEQS, values).await?;
    row.map(|row| row.try_get("", "head").map_err(port_error)).transpose()
}

async fn refusal(tx: &Write, exchange: &Exchange) -> Result<Option<ExchangeOutcome>, PortError> {
    let values = [
        exchange.conversation_id.as_str().into(),
        exchange.question.author.as_uuid().into(),
        exchange.question.client_msg_id.clone().into(),
    ];
    let Some(row) = find_row(tx, REFUSALS, values).await? else { return Ok(None) };
    if let Some(question) = row.try_get::<Option<Uuid>>("", "repeated").map_err(port_error)? {
        return Ok(Some(ExchangeOutcome::Repeated { question: Id::from_uuid(question) }));
    }
    let streaming = row.try_get::<Option<Uuid>>("", "streaming").map_err(port_error)?;
    Ok(streaming.map(|_reply| ExchangeOutcome::ReplyInProgress))
}

async fn insert(tx: &Write, exchange: &Exchange, head: i64) -> Result<(), PortError> {
    let Exchange { conversation_id, question, reply, at, .. } = exchange;
    let messages =
        [question_row(exchange, head - 1), reply_row(conversation_id, reply, question.id, (head, *at))];
    let events = [
        event_row(conversation_id, head - 1, &message_body(question.id), *at),
        event_row(conversation_id, head, &started(reply.id), *at),
    ];
    message::Entity::insert_many(messages.map(|row| row.into_active_model().reset_all()))
        .exec_without_returning(tx)
        .await
        .map_err(port_error)?;
    event::Entity::insert_many(events.map(|row| row.into_active_model().reset_all()))
        .exec_without_returning(tx)
        .await
        .map_err(port_error)?;
    generation::Entity::insert(saga_row(conversation_id, reply, *at).into_active_model().reset_all())
        .exec_without_returning(tx)
        .await
        .map_err(port_error)?;
    Ok(())
}

/// A person's message has no generation of its own; it is stored with 0.
fn question_row(exchange: &Exchange, seq: i64) -> message::Model {
    let question = &exchange.question;
    message::Model {
        author_user: Some(question.author.as_uuid()),
        content: question.content.clone(),
        client_msg_id: question.client_msg_id.clone(),
        body_hash: Some(question.body_hash.clone()),
        ..blank_row(&exchange.conversation_id, question.id, (seq, exchange.at))
    }
}
