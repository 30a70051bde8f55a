//! The start of a room's reply: its message, its event and its saga.

use chat::conversation::ConversationId;
use chat::event::EventBody;
use chat::message::MessageStatus;
use chat::ports::{NewReply, ReplyStart, StartOutcome};
use kernel::{MessageId, PortError, Timestamp};
use sea_orm::prelude::Uuid;
use sea_orm::{ActiveModelTrait, EntityTrait, IntoActiveModel};

use crate::append::{count_message, find_row, insert_event, refuse, run, take_seq};
use crate::entity::{generation, message};
use crate::error::port_error;
use crate::store::{SqlStore, Write};
use crate::words::{STREAMING, read_count, word};

/// A reply begins as its first generation.
pub(crate) const FIRST_GENERATION: u32 = 1;

const REFUSALS: &str = "SELECT (SELECT g.message_id FROM generations g WHERE g.message_id = $2) AS started, \
     (SELECT r.closed_at FROM rooms r WHERE r.id = $1) AS closed_at, \
     (SELECT g.message_id FROM generations g WHERE g.conversation_id = $1 AND g.state = 'streaming' LIMIT 1) \
     AS streaming, (SELECT q.id FROM messages q WHERE q.id = $3 AND q.conversation_id = $1 \
     AND q.status <> 'recalled') AS question";

/// Changes nothing, but keeps the turn from ending or changing hands until the start is in the log.
const HOLD_TURN: &str = "UPDATE turns SET owner = owner WHERE id = $1 AND state = 'open' AND owner = $2";

/// A saga that is there is told before any refusal, so that a try whose answer was lost goes on.
pub(crate) async fn append_start(store: &SqlStore, start: ReplyStart) -> Result<StartOutcome, PortError> {
    let tx = store.begin().await?;
    let Some(seq) = take_seq(&tx, start.conversation_id.as_str(), start.at).await? else {
        return refuse(tx, StartOutcome::NoConversation).await;
    };
    if let Some(refusal) = refusal(&tx, &start).await? {
        return refuse(tx, refusal).await;
    }
    if !holds_turn(&tx, &start).await? {
        return refuse(tx, StartOutcome::TurnOver).await;
    }
    insert_reply(&tx, &start, seq).await?;
    count_message(&tx, &start.conversation_id).await?;
    tx.commit().await.map_err(port_error)?;
    Ok(StartOutcome::Started { seq: read_count(seq, "conversations.head")? })
}

async fn refusal(tx: &Write, start: &ReplyStart) -> Result<Option<StartOutcome>, PortError> {
    let values = [
        start.conversation_id.as_str().into(),
        start.reply.id.as_uuid().into(),
        start.reply_to.as_uuid().into(),
    ];
    let Some(row) = find_row(tx, REFUSALS, values).await? else { return Ok(None) };
    let id = |column| row.try_get::<Option<Uuid>>("", column).map_err(port_error);
    let closed_at = row.try_get::<Option<i64>>("", "closed_at").map_err(port_error)?;
    Ok(if id("started")?.is_some() {
        Some(StartOutcome::AlreadyStarted)
    } else if closed_at.is_some() {
        Some(StartOutcome::NoConversation)
    } else if id("streaming")?.is_some() {
        Some(StartOutcome::ReplyInProgress)
    } else if id("question")?.is_none() {
        Some(StartOutcome::NoQuestion)
    } else {
        None
    })
}

async fn holds_turn(tx: &Write, start: &ReplyStart) -> Result<bool, PortError> {
    let Some(turn) = start.turn else { return Ok(true) };
    let values = [turn.as_uuid().into(), start.reply.owner.as_uuid().into()];
    Ok(run(tx, HOLD_TURN, values).await? > 0)
}

async fn insert_reply(tx: &Write, start: &ReplyStart, seq: i64) -> Result<(), PortError> {
    let ReplyStart { conversation_id, reply_to, reply, at, turn: _ } = start;
    let row = reply_row(conversation_id, reply, *reply_to, (seq, *at)).into_active_model().reset_all();
    message::Entity::insert(row).exec_without_returning(tx).await.map_err(port_error)?;
    insert_event(tx, conversation_id, seq, &started(reply.id), *at).await?;
    let saga = saga_row(conversation_id, reply, *at).into_active_model().reset_all();
    generation::Entity::insert(saga).exec_without_returning(tx).await.map(drop).map_err(port_error)
}

pub(crate) const fn started(reply: MessageId) -> EventBody {
    EventBody::AiStart { message_id: reply, generation: FIRST_GENERATION }
}

pub(crate) fn reply_row(
    conversation: &ConversationId,
    reply: &NewReply,
    reply_to: MessageId,
    (seq, at): (i64, Timestamp),
) -> message::Model {
    message::Model {
        character_id: Some(reply.character_id.to_string()),
        reply_to: Some(reply_to.as_uuid()),
        generation: i64::from(FIRST_GENERATION),
        status: word(&MessageStatus::Streaming),
        ..blank_row(conversation, reply.id, (seq, at))
    }
}

/// Done, and by nobody.
pub(crate) fn blank_row(
    conversation: &ConversationId,
    id: MessageId,
    (seq, at): (i64, Timestamp),
) -> message::Model {
    message::Model {
        id: id.as_uuid(),
        conversation_id: conversation.to_string(),
        seq,
        last_seq: seq,
        author_user: None,
        character_id: None,
        content: String::new(),
        status: word(&MessageStatus::Done),
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
        created_at: at.as_millis(),
    }
}

pub(crate) fn saga_row(conversation: &ConversationId, reply: &NewReply, at: Timestamp) -> generation::Model {
    generation::Model {
        message_id: reply.id.as_uuid(),
        conversation_id: conversation.to_string(),
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
        created_at: at.as_millis(),
        ended_at: None,
    }
}
