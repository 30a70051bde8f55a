//! A message as it is read: the columns of one row, and the text of a growing reply from its saga.

use chat::conversation::{CharacterId, ConversationId};
use chat::message::{Author, Message};
use kernel::{Id, PortError, Timestamp};
use sea_orm::prelude::Uuid;
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement, TryGetable, Value};
use serde::de::DeserializeOwned;

use crate::error::{corrupt, port_error};
use crate::words::{read_count, read_json, read_word};

/// What a [`MessageRow`] needs of the table `messages m`. While a reply grows its text is its checkpoint.
pub(crate) const COLUMNS: &str = "m.id, m.conversation_id, m.seq, m.last_seq, m.author_user, m.character_id, \
     CASE WHEN m.status = 'streaming' THEN COALESCE((SELECT g.checkpoint FROM generations g WHERE \
     g.message_id = m.id), m.content) ELSE m.content END AS content, \
     m.status, m.why, m.failure, m.reply_to, m.client_msg_id, m.body_hash, m.citations, m.usage, \
     m.generation, m.model, m.mentions, m.likes, m.created_at";

pub(crate) struct MessageRow {
    id: Uuid,
    conversation_id: String,
    seq: i64,
    author_user: Option<Uuid>,
    character_id: Option<String>,
    content: String,
    status: String,
    why: Option<String>,
    failure: Option<String>,
    reply_to: Option<Uuid>,
    client_msg_id: Option<String>,
    body_hash: Option<String>,
    citations: Option<String>,
    usage: Option<String>,
    generation: i64,
    model: Option<String>,
    mentions: Option<String>,
    likes: Option<String>,
    created_at: i64,
}

/// Reads columns one after the other, by their place: a page of history has a thousand of them, and looking each
/// up by its name costs more than reading it.
struct Cells<'a> {
    row: &'a QueryResult,
    next: usize,
}

impl Cells<'_> {
    fn take<T: TryGetable>(&mut self) -> Result<T, DbErr> {
        let cell = self.row.try_get_by_index(self.next);
        self.next += 1;
        cell
    }
}

impl MessageRow {
    /// The message whose [`COLUMNS`] begin at `first`, if an outer join found one.
    pub(crate) fn joined(row: &QueryResult, first: usize) -> Result<Option<Self>, DbErr> {
        let mut cells = Cells { row, next: first };
        match cells.take::<Option<Uuid>>()? {
            Some(id) => Self::read(id, cells).map(Some),
            None => Ok(None),
        }
    }

    /// In the order of [`COLUMNS`].
    fn read(id: Uuid, mut cells: Cells<'_>) -> Result<Self, DbErr> {
        let conversation_id = cells.take()?;
        let seq = cells.take()?;
        let _last_seq: i64 = cells.take()?;
        Ok(Self {
            id,
            conversation_id,
            seq,
            author_user: cells.take()?,
            character_id: cells.take()?,
            content: cells.take()?,
            status: cells.take()?,
            why: cells.take()?,
            failure: cells.take()?,
            reply_to: cells.take()?,
            client_msg_id: cells.take()?,
            body_hash: cells.take()?,
            citations: cells.take()?,
            usage: cells.take()?,
            generation: cells.take()?,
            model: cells.take()?,
            mentions: cells.take()?,
            likes: cells.take()?,
            created_at: cells.take()?,
        })
    }

    pub(crate) fn into_message(self) -> Result<Message, PortError> {
        let author = read_author(self.author_user, self.character_id)?;
        let why = self.why.as_deref().map(|text| read_word(text, "messages.why")).transpose()?;
        let failure = self.failure.as_deref().map(|text| read_word(text, "messages.failure")).transpose()?;
        let usage = self.usage.as_deref().map(|text| read_json(text, "messages.usage")).transpose()?;
        Ok(Message {
            id: Id::from_uuid(self.id),
            conversation_id: read_conversation_id(&self.conversation_id)?,
            seq: read_count(self.seq, "messages.seq")?,
            author,
            content: self.content,
            status: read_word(&self.status, "messages.status")?,
            why,
            failure,
            reply_to: self.reply_to.map(Id::from_uuid),
            client_msg_id: self.client_msg_id,
            body_hash: self.body_hash,
            citations: read_or_default(self.citations.as_deref(), "messages.citations")?,
            usage,
            generation: read_count(self.generation, "messages.generation")?,
            model: self.model,
            mentions: read_or_default(self.mentions.as_deref(), "messages.mentions")?,
            likes: read_or_default(self.likes.as_deref(), "messages.likes")?,
            created_at: Timestamp::from_millis(self.created_at),
        })
    }
}

/// JSON that is left out where there is nothing.
fn read_or_default<T: Default + DeserializeOwned>(
    text: Option<&str>,
    column: &'static str,
) -> Result<T, PortError> {
    text.map_or_else(|| Ok(T::default()), |text| read_json(text, column))
}

/// The first message that a condition finds.
pub(crate) async fn find_message(
    db: &impl ConnectionTrait,
    condition: &str,
    values: impl IntoIterator<Item = Value>,
) -> Result<Option<Message>, PortError> {
    let Some(row) = db.query_one_raw(select(db, condition, values)).await.map_err(port_error)? else {
        return Ok(None);
    };
    MessageRow::joined(&row, 0).map_err(port_error)?.map(MessageRow::into_message).transpose()
}

/// All messages that a condition finds.
pub(crate) async fn find_messages(
    db: &impl ConnectionTrait,
    condition: &str,
    values: impl IntoIterator<Item = Value>,
) -> Result<Vec<Message>, PortError> {
    let rows = db.query_all_raw(select(db, condition, values)).await.map_err(port_error)?;
    let mut messages = Vec::with_capacity(rows.len());
    for row in &rows {
        if let Some(found) = MessageRow::joined(row, 0).map_err(port_error)? {
            messages.push(found.into_message()?);
        }
    }
    Ok(messages)
}

fn select(db: &impl ConnectionTrait, condition: &str, values: impl IntoIterator<Item = Value>) -> Statement {
    let sql = format!("SELECT {COLUMNS} FROM messages m WHERE {condition}");
    Statement::from_sql_and_values(db.get_database_backend(), sql, values)
}

pub(crate) fn read_conversation_id(text: &str) -> Result<ConversationId, PortError> {
    text.parse().map_err(|_not_a_name| corrupt("conversation_id"))
}

pub(crate) fn read_character_id(text: &str) -> Result<CharacterId, PortError> {
    text.parse().map_err(|_not_a_name| corrupt("character_id"))
}

fn read_author(user: Option<Uuid>, character: Option<String>) -> Result<Author, PortError> {
    match (user, character) {
        (Some(user), None) => Ok(Author::User(Id::from_uuid(user))),
        (None, Some(character)) => Ok(Author::Character(read_character_id(&character)?)),
        (None, None) => Ok(Author::System),
        (Some(_), Some(_)) => Err(corrupt("messages.author_user")),
    }
}
