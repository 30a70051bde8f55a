//! The statements of a batch of messages, and the rows that they take.
//!
//! A list travels as one JSON parameter, which the database expands. So a statement's text is the same for a
//! batch of any size, and is parsed once per connection. Rows are named as their columns.
//!
//! Postgres plans each of these anew (`plan_cache_mode`, until the transaction ends): a plan that was kept since
//! the tables were small would read them whole for each batch.

use std::collections::HashMap;

use chat::conversation::{ConversationId, ConversationKind};
use chat::ports::NewMessage;
use chat::room::MemberState;
use kernel::{PortError, UserId};
use sea_orm::prelude::Uuid;
use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Statement, Value};
use serde::Serialize;
use uuid::fmt::Simple;

use crate::entity::turn;
use crate::error::port_error;
use crate::event_log::message_body;
use crate::store::Write;
use crate::words::{json, read_kind, read_word};

const LOCK_POSTGRES: &str = "SELECT c.id, c.kind, c.owner, c.head, c.last_active_at, \
     set_config('plan_cache_mode', 'force_custom_plan', TRUE) FROM conversations c \
     WHERE c.id IN (SELECT json_array_elements_text($1::json)) ORDER BY c.id FOR NO KEY UPDATE OF c";

/// `BEGIN IMMEDIATE` has locked everything already.
const LOCK_SQLITE: &str = "SELECT c.id, c.kind, c.owner, c.head, c.last_active_at FROM conversations c \
     WHERE c.id IN (SELECT value FROM json_each($1))";

const STANDINGS_POSTGRES: &str = "SELECT r.id, r.closed_at, p.state, p.muted_until, m.id AS repeated \
     FROM json_to_recordset($1::json) AS i(n bigint, conversation_id text, author_user uuid, client_msg_id text) \
     LEFT JOIN rooms r ON r.id = i.conversation_id \
     LEFT JOIN members p ON p.conversation_id = i.conversation_id AND p.user_id = i.author_user \
     LEFT JOIN messages m ON m.conversation_id = i.conversation_id AND m.author_user = i.author_user \
     AND m.client_msg_id = i.client_msg_id ORDER BY i.n";

/// A row's value is taken out of its list once; each mention of `jsonb_each`'s column would do it again.
const STANDINGS_SQLITE: &str = "WITH i AS MATERIALIZED (SELECT key AS n, value AS v FROM jsonb_each($1)) \
     SELECT r.id, r.closed_at, p.state, p.muted_until, m.id AS repeated FROM i \
     LEFT JOIN rooms r ON r.id = v ->> 'conversation_id' \
     LEFT JOIN members p ON p.conversation_id = v ->> 'conversation_id' \
     AND p.user_id = unhex(v ->> 'author_user') \
     LEFT JOIN messages m ON m.conversation_id = v ->> 'conversation_id' \
     AND m.author_user = unhex(v ->> 'author_user') AND m.client_msg_id = v ->> 'client_msg_id' ORDER BY n";

/// All in one, since each statement is a journey.
const WRITE_POSTGRES: &str = "WITH news AS (SELECT * FROM json_to_recordset($1::json) AS i(id uuid, \
     conversation_id text, seq bigint, author_user uuid, content text, reply_to uuid, client_msg_id text, \
     body_hash text, mentions text, created_at bigint, event text)), \
     heads AS (SELECT * FROM json_to_recordset($2::json) AS i(id text, head bigint, last_active_at bigint, \
     messages bigint)), \
     head AS (UPDATE conversations c SET head = h.head, last_active_at = h.last_active_at \
     FROM heads h WHERE c.id = h.id), \
     room AS (UPDATE rooms r SET message_count = r.message_count + h.messages FROM heads h WHERE r.id = h.id), \
     speaker AS (UPDATE members p SET message_count = p.message_count + i.messages \
     FROM json_to_recordset($3::json) AS i(conversation_id text, user_id uuid, messages bigint) \
     WHERE p.conversation_id = i.conversation_id AND p.user_id = i.user_id), \
     turn AS (INSERT INTO turns (id, conversation_id, question, asker, payer, strategy, seed, candidates, steps, \
     follow_ups_left, state, owner, created_at) SELECT * FROM json_to_recordset($4::json) AS i(id uuid, \
     conversation_id text, question uuid, asker uuid, payer uuid, strategy text, seed bigint, candidates text, \
     steps text, follow_ups_left bigint, state text, owner uuid, created_at bigint)), \
     message AS (INSERT INTO messages (id, conversation_id, seq, last_seq, author_user, content, status, reply_to, \
     client_msg_id, body_hash, generation, mentions, created_at) SELECT id, conversation_id, seq, seq, author_user, \
     content, 'done', reply_to, client_msg_id, body_hash, 0, mentions, created_at FROM news) \
     INSERT INTO events (conversation_id, seq, kind, body, subject, created_at) \
     SELECT conversation_id, seq, 'message', event, id, created_at FROM news";

const HEADS_SQLITE: &str = "UPDATE conversations SET head = i.value ->> 'head', \
     last_active_at = i.value ->> 'last_active_at' FROM json_each($1) i \
     WHERE conversations.id = i.value ->> 'id'";

const ROOMS_SQLITE: &str = "UPDATE rooms SET message_count = message_count + (i.value ->> 'messages') \
     FROM json_each($1) i WHERE rooms.id = i.value ->> 'id'";

const SPEAKERS_SQLITE: &str = "UPDATE members SET message_count = message_count + (i.value ->> 'messages') \
     FROM json_each($1) i WHERE members.conversation_id = i.value ->> 'conversation_id' \
     AND members.user_id = unhex(i.value ->> 'user_id')";

const TURNS_SQLITE: &str = "INSERT INTO turns (id, conversation_id, question, asker, payer, strategy, seed, \
     candidates, steps, follow_ups_left, state, owner, created_at) SELECT unhex(value ->> 'id'), \
     value ->> 'conversation_id', unhex(value ->> 'question'), unhex(value ->> 'asker'), \
     unhex(value ->> 'payer'), value ->> 'strategy', value ->> 'seed', value ->> 'candidates', value ->> 'steps', \
     value ->> 'follow_ups_left', value ->> 'state', unhex(value ->> 'owner'), value ->> 'created_at' \
     FROM json_each($1)";

const MESSAGES_SQLITE: &str = "WITH i AS MATERIALIZED (SELECT value AS v FROM jsonb_each($1)) \
     INSERT INTO messages (id, conversation_id, seq, last_seq, author_user, content, status, reply_to, \
     client_msg_id, body_hash, generation, mentions, created_at) SELECT unhex(v ->> 'id'), \
     v ->> 'conversation_id', v ->> 'seq', v ->> 'seq', unhex(v ->> 'author_user'), v ->> 'content', 'done', \
     unhex(v ->> 'reply_to'), v ->> 'client_msg_id', v ->> 'body_hash', 0, v ->> 'mentions', \
     v ->> 'created_at' FROM i";

const EVENTS_SQLITE: &str = "WITH i AS MATERIALIZED (SELECT value AS v FROM jsonb_each($1)) \
     INSERT INTO events (conversation_id, seq, kind, body, subject, created_at) SELECT v ->> 'conversation_id', \
     v ->> 'seq', 'message', v ->> 'event', unhex(v ->> 'id'), v ->> 'created_at' FROM i";

/// A locked conversation, moved on by each message that is accepted.
pub(crate) struct Head {
    pub(crate) kind: ConversationKind,
    pub(crate) owner: Option<Uuid>,
    pub(crate) seq: i64,
    pub(crate) last_active_at: i64,
    pub(crate) appended: i64,
}

/// What decides whether one message is accepted.
pub(crate) struct Standing {
    pub(crate) is_open: bool,
    pub(crate) state: Option<MemberState>,
    pub(crate) muted_until: Option<i64>,
    pub(crate) repeated: Option<Uuid>,
}

/// What is asked about one message.
#[derive(Serialize)]
struct Asked<'a> {
    n: usize,
    conversation_id: &'a str,
    author_user: Simple,
    client_msg_id: Option<&'a str>,
}

/// A message and its event.
#[derive(Serialize)]
pub(crate) struct MessageRow<'a> {
    id: Simple,
    conversation_id: &'a str,
    seq: i64,
    author_user: Simple,
    content: &'a str,
    reply_to: Option<Simple>,
    client_msg_id: Option<&'a str>,
    body_hash: &'a str,
    mentions: Option<String>,
    created_at: i64,
    event: String,
}

#[derive(Serialize)]
pub(crate) struct HeadRow<'a> {
    id: &'a str,
    head: i64,
    last_active_at: i64,
    messages: i64,
}

#[derive(Serialize)]
pub(crate) struct SpeakerRow<'a> {
    conversation_id: &'a str,
    user_id: Simple,
    messages: i64,
}

#[derive(Serialize)]
pub(crate) struct TurnRow {
    id: Simple,
    conversation_id: String,
    question: Simple,
    asker: Simple,
    payer: Simple,
    strategy: String,
    seed: i64,
    candidates: String,
    steps: String,
    follow_ups_left: i64,
    state: String,
    owner: Simple,
    created_at: i64,
}

impl<'a> Asked<'a> {
    fn of(n: usize, message: &'a NewMessage) -> Self {
        Self {
            n,
            conversation_id: message.conversation_id.as_str(),
            author_user: message.author.as_uuid().simple(),
            client_msg_id: message.client_msg_id.as_deref(),
        }
    }
}

impl<'a> MessageRow<'a> {
    pub(crate) fn of(message: &'a NewMessage, seq: i64) -> Self {
        Self {
            id: message.id.as_uuid().simple(),
            conversation_id: message.conversation_id.as_str(),
            seq,
            author_user: message.author.as_uuid().simple(),
            content: &message.content,
            reply_to: message.reply_to.map(|id| id.as_uuid().simple()),
            client_msg_id: message.client_msg_id.as_deref(),
            body_hash: &message.body_hash,
            mentions: (!message.mentions.is_empty()).then(|| json(&message.mentions)),
            created_at: message.at.as_millis(),
            event: json(&message_body(message.id)),
        }
    }
}

impl<'a> HeadRow<'a> {
    pub(crate) fn of(id: &'a str, head: &Head) -> Self {
        Self { id, head: head.seq, last_active_at: head.last_active_at, messages: head.appended }
    }
}

impl<'a> SpeakerRow<'a> {
    pub(crate) fn of(room: &'a ConversationId, user: UserId, messages: i64) -> Self {
        Self { conversation_id: room.as_str(), user_id: user.as_uuid().simple(), messages }
    }
}

impl From<turn::Model> for TurnRow {
    fn from(row: turn::Model) -> Self {
        Self {
            id: row.id.simple(),
            conversation_id: row.conversation_id,
            question: row.question.simple(),
            asker: row.asker.simple(),
            payer: row.payer.simple(),
            strategy: row.strategy,
            seed: row.seed,
            candidates: row.candidates,
            steps: row.steps,
            follow_ups_left: row.follow_ups_left,
            state: row.state,
            owner: row.owner.simple(),
            created_at: row.created_at,
        }
    }
}

/// Locks every conversation of the batch that is there.
pub(crate) async fn lock_heads(
    tx: &Write,
    messages: &[NewMessage],
) -> Result<HashMap<String, Head>, PortError> {
    let mut ids: Vec<_> = messages.iter().map(|message| message.conversation_id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    let rows = select(tx, (LOCK_POSTGRES, LOCK_SQLITE), &ids).await?;
    rows.iter().map(head).collect()
}

fn head(row: &QueryResult) -> Result<(String, Head), PortError> {
    let kind: String = cell(row, 1)?;
    let head = Head {
        kind: read_kind(&kind)?,
        owner: cell(row, 2)?,
        seq: cell(row, 3)?,
        last_active_at: cell(row, 4)?,
        appended: 0,
    };
    Ok((cell(row, 0)?, head))
}

/// In the order of the messages.
pub(crate) async fn read_standings(tx: &Write, messages: &[NewMessage]) -> Result<Vec<Standing>, PortError> {
    let asked: Vec<_> = messages.iter().enumerate().map(|(n, message)| Asked::of(n, message)).collect();
    let rows = select(tx, (STANDINGS_POSTGRES, STANDINGS_SQLITE), &asked).await?;
    rows.iter().map(standing).collect()
}

fn standing(row: &QueryResult) -> Result<Standing, PortError> {
    let (room, closed_at): (Option<String>, Option<i64>) = (cell(row, 0)?, cell(row, 1)?);
    let state: Option<String> = cell(row, 2)?;
    Ok(Standing {
        is_open: room.is_some() && closed_at.is_none(),
        state: state.as_deref().map(|word| read_word(word, "members.state")).transpose()?,
        muted_until: cell(row, 3)?,
        repeated: cell(row, 4)?,
    })
}

pub(crate) async fn write(
    tx: &Write,
    messages: &[MessageRow<'_>],
    heads: &[HeadRow<'_>],
    speakers: &[SpeakerRow<'_>],
    turns: &[TurnRow],
) -> Result<(), PortError> {
    let [messages, heads, speakers] = [json(&messages), json(&heads), json(&speakers)];
    if tx.get_database_backend() == DbBackend::Postgres {
        return execute(tx, WRITE_POSTGRES, [messages, heads, speakers, json(&turns)]).await;
    }
    execute(tx, HEADS_SQLITE, [heads.clone()]).await?;
    execute(tx, ROOMS_SQLITE, [heads]).await?;
    execute(tx, SPEAKERS_SQLITE, [speakers]).await?;
    if !turns.is_empty() {
        execute(tx, TURNS_SQLITE, [json(&turns)]).await?;
    }
    execute(tx, MESSAGES_SQLITE, [messages.clone()]).await?;
    execute(tx, EVENTS_SQLITE, [messages]).await
}

async fn execute<const N: usize>(tx: &Write, sql: &str, lists: [String; N]) -> Result<(), PortError> {
    let values = lists.map(Value::from);
    let statement = Statement::from_sql_and_values(tx.get_database_backend(), sql, values);
    tx.execute_raw(statement).await.map(drop).map_err(port_error)
}

async fn select(
    tx: &Write,
    (postgres, sqlite): (&str, &str),
    list: &impl Serialize,
) -> Result<Vec<QueryResult>, PortError> {
    let backend = tx.get_database_backend();
    let sql = if backend == DbBackend::Postgres { postgres } else { sqlite };
    let statement = Statement::from_sql_and_values(backend, sql, [json(list).into()]);
    tx.query_all_raw(statement).await.map_err(port_error)
}

fn cell<T: sea_orm::TryGetable>(row: &QueryResult, at: usize) -> Result<T, PortError> {
    row.try_get_by_index(at).map_err(port_error)
}
