//! Question and `ai_start`, one append.

use chat::event::EventBody;
use chat::message::MessageStatus;
use chat::ports::{Exchange, ExchangeOutcome};
use kernel::{Id, PortError};
use sea_orm::prelude::Uuid;
use sea_orm::{ActiveModelTrait, ConnectionTrait, EntityTrait, IntoActiveModel, Statement};

use crate::entity::{event, generation, message};
use crate::error::port_error;
use crate::event_log::event_row;
use crate::store::{SqlStore, Write};
use crate::words::{STREAMING, read_count, word};

/// A reply begins as its first generation.
const FIRST_GENERATION: u32 = 1;

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

/// An explicit rollback frees the row lock now, not when the connection is back in its pool.
async fn refuse(tx: Write, outcome: ExchangeOutcome) -> Result<ExchangeOutcome, PortError> {
    tx.rollback().await.map_err(port_error)?;
    Ok(outcome)
}

/// Locks the conversation and moves its head; the new head is the reply's seq.
async fn take_seqs(tx: &Write, exchange: &Exchange) -> Result<Option<i64>, PortError> {
    let values = [
        exchange.conversation_id.as_str().into(),
        exchange.at.as_millis().into(),
        exchange.title_if_empty.as_str().into(),
    ];
    let statement = Statement::from_sql_and_values(tx.get_database_backend(), TAKE_SEQS, values);
    let row = tx.query_one_raw(statement).await.map_err(port_error)?;
    row.map(|row| row.try_get("", "head").map_err(port_error)).transpose()
}

async fn refusal(tx: &Write, exchange: &Exchange) -> Result<Option<ExchangeOutcome>, PortError> {
    let values = [
        exchange.conversation_id.as_str().into(),
        exchange.question.author.as_uuid().into(),
        exchange.question.client_msg_id.clone().into(),
    ];
    let statement = Statement::from_sql_and_values(tx.get_database_backend(), REFUSALS, values);
    let Some(row) = tx.query_one_raw(statement).await.map_err(port_error)? else {
        return Ok(None);
    };
    if let Some(question) = row.try_get::<Option<Uuid>>("", "repeated").map_err(port_error)? {
        return Ok(Some(ExchangeOutcome::Repeated { question: Id::from_uuid(question) }));
    }
    let streaming = row.try_get::<Option<Uuid>>("", "streaming").map_err(port_error)?;
    Ok(streaming.map(|_reply| ExchangeOutcome::ReplyInProgress))
}

async fn insert(tx: &Write, exchange: &Exchange, head: i64) -> Result<(), PortError> {
    let messages = [question_row(exchange, head - 1), reply_row(exchange, head)];
    let asked = EventBody::Message { message_id: exchange.question.id };
    let started = EventBody::AiStart { message_id: exchange.reply.id, generation: FIRST_GENERATION };
    let events = [
        event_row(&exchange.conversation_id, head - 1, &asked, exchange.at),
        event_row(&exchange.conversation_id, head, &started, exchange.at),
    ];
    message::Entity::insert_many(messages.map(|row| row.into_active_model().reset_all()))
        .exec_without_returning(tx)
        .await
        .map_err(port_error)?;
    event::Entity::insert_many(events.map(|row| row.into_active_model().reset_all()))
        .exec_without_returning(tx)
        .await
        .map_err(port_error)?;
    generation::Entity::insert(saga_row(exchange).into_active_model().reset_all())
        .exec_without_returning(tx)
        .await
        .map_err(port_error)?;
    Ok(())
}

/// A person's message has no generation of its own; it is stored with 0.
fn question_row(exchange: &Exchange, seq: i64) -> message::Model {
    let question = &exchange.question;
    message::Model {
        id: question.id.as_uuid(),
        author_user: Some(question.author.as_uuid()),
        content: question.content.clone(),
        client_msg_id: question.client_msg_id.clone(),
        body_hash: Some(question.body_hash.clone()),
        ..blank_row(exchange, seq, MessageStatus::Done)
    }
}

fn reply_row(exchange: &Exchange, seq: i64) -> message::Model {
    message::Model {
        id: exchange.reply.id.as_uuid(),
        character_id: Some(exchange.reply.character_id.to_string()),
        reply_to: Some(exchange.question.id.as_uuid()),
        generation: i64::from(FIRST_GENERATION),
        ..blank_row(exchange, seq, MessageStatus::Streaming)
    }
}

fn blank_row(exchange: &Exchange, seq: i64, status: MessageStatus) -> message::Model {
    message::Model {
        id: Uuid::nil(),
        conversation_id: exchange.conversation_id.to_string(),
        seq,
        last_seq: seq,
        author_user: None,
        character_id: None,
        content: String::new(),
        status: word(&status),
        why: None,
        failure: None,
        reply_to: None,
        client_msg_id: None,
        body_hash: None,
        citations: None,
        usage: None,
        generation: 0,
        upstream: None,
        mentions: None,
        likes: None,
        created_at: exchange.at.as_millis(),
    }
}

fn saga_row(exchange: &Exchange) -> generation::Model {
    let reply = &exchange.reply;
    generation::Model {
        message_id: reply.id.as_uuid(),
        conversation_id: exchange.conversation_id.to_string(),
        generation: i64::from(FIRST_GENERATION),
        owner: reply.owner.as_uuid(),
        payer: reply.payer.as_uuid(),
        alias: reply.model_alias.clone(),
        tariff_miss: reply.tariff.miss,
        tariff_hit: reply.tariff.hit,
        tariff_output: reply.tariff.output,
        held: reply.held.get(),
        prompt_tokens_estimate: i64::from(reply.prompt_tokens_estimate),
        state: STREAMING.to_owned(),
        checkpoint: String::new(),
        charge: None,
        created_at: exchange.at.as_millis(),
        ended_at: None,
    }
}
