//! A message as it is read: the columns of one row, and the text of a growing reply from its saga.

use chat::conversation::{CharacterId, ConversationId};
use chat::message::{Author, Message};
use kernel::{Id, PortError, Timestamp};
use sea_orm::prelude::Uuid;
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, QueryResult, Statement, Value};

use crate::error::{corrupt, port_error};
use crate::words::{read_count, read_json, read_word};

/// What a [`MessageRow`] needs of the table `messages m`. While a reply grows its text is its checkpoint.
pub(crate) const COLUMNS: &str = "m.id, m.conversation_id, m.seq, m.last_seq, m.author_user, m.character_id, \
     CASE WHEN m.status = 'streaming' THEN COALESCE((SELECT g.checkpoint FROM generations g WHERE \
     g.message_id = m.id), m.content) ELSE m.content END AS content, \
     m.status, m.why, m.failure, m.reply_to, m.client_msg_id, m.body_hash, m.citations, m.usage, \
     m.generation, m.model, m.created_at";

#[derive(FromQueryResult)]
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
    created_at: i64,
}

impl MessageRow {
    /// The row of an outer join, if there is one.
    pub(crate) fn joined(row: &QueryResult, prefix: &str) -> Result<Option<Self>, DbErr> {
        match row.try_get::<Option<Uuid>>(prefix, "id")? {
            Some(_) => Self::from_query_result(row, prefix).map(Some),
            None => Ok(None),
        }
    }

    pub(crate) fn into_message(self) -> Result<Message, PortError> {
        let author = read_author(self.author_user, self.character_id)?;
        let why = self.why.as_deref().map(|text| read_word(text, "messages.why")).transpose()?;
        let failure = self.failure.as_deref().map(|text| read_word(text, "messages.failure")).transpose()?;
        let citations = self.citations.as_deref().map(|text| read_json(text, "messages.citations"));
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
            citations: citations.transpose()?.unwrap_or_default(),
            usage,
            generation: read_count(self.generation, "messages.generation")?,
            model: self.model,
            created_at: Timestamp::from_millis(self.created_at),
        })
    }
}

/// The first message of a query that selects [`COLUMNS`].
pub(crate) async fn find_message(
    db: &impl ConnectionTrait,
    condition: &str,
    values: impl IntoIterator<Item = Value>,
) -> Result<Option<Message>, PortError> {
    let sql = format!("SELECT {COLUMNS} FROM messages m WHERE {condition}");
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    let row = MessageRow::find_by_statement(statement).one(db).await.map_err(port_error)?;
    row.map(MessageRow::into_message).transpose()
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
        (Some(_), Some(_)) | (None, None) => Err(corrupt("messages.author_user")),
    }
}
