//! The event log in SQL: appends, each one transaction, and the reads beside the history.
//!
//! An append changes the conversation's head before anything else it writes about the conversation. That row
//! lock gives out seqs in commit order and lets the checks after it see every append before.

use async_trait::async_trait;
use chat::conversation::ConversationId;
use chat::event::{Event, EventBody};
use chat::message::Message;
use chat::ports::{EndOutcome, EventLog, Exchange, ExchangeOutcome, HistoryPage, HistoryQuery, ReplyEnd};
use kernel::{MessageId, PortError, Timestamp, UserId};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::append_end::append_end;
use crate::append_exchange::append_exchange;
use crate::detached::detached;
use crate::entity::event::{self, Column, Entity};
use crate::entity::message;
use crate::error::port_error;
use crate::history::history;
use crate::message_row::find_message;
use crate::store::SqlStore;
use crate::words::{big, json, read_count, read_json};

/// [`EventLog`] on SQLite and Postgres.
pub struct SqlEventLog {
    store: SqlStore,
}

impl SqlEventLog {
    /// On this store.
    pub fn new(store: SqlStore) -> Self {
        Self { store }
    }
}

#[async_trait]
impl EventLog for SqlEventLog {
    async fn append_exchange(&self, exchange: &Exchange) -> Result<ExchangeOutcome, PortError> {
        let (store, exchange) = (self.store.clone(), exchange.clone());
        detached(async move { append_exchange(&store, exchange).await }).await
    }

    async fn append(
        &self,
        _message: &chat::ports::NewMessage,
    ) -> Result<chat::ports::AppendOutcome, PortError> {
        Err(crate::error::rejected("being built"))
    }

    async fn append_start(
        &self,
        _start: &chat::ports::ReplyStart,
    ) -> Result<chat::ports::StartOutcome, PortError> {
        Err(crate::error::rejected("being built"))
    }

    async fn append_recall(
        &self,
        _recall: &chat::ports::Recall,
    ) -> Result<chat::ports::RecallOutcome, PortError> {
        Err(crate::error::rejected("being built"))
    }

    async fn append_like(&self, _like: &chat::ports::Like) -> Result<chat::ports::LikeOutcome, PortError> {
        Err(crate::error::rejected("being built"))
    }

    async fn heads(&self, _conversations: &[ConversationId]) -> Result<Vec<chat::ports::Head>, PortError> {
        Err(crate::error::rejected("being built"))
    }

    async fn streaming(&self, _conversation: &ConversationId) -> Result<Vec<Message>, PortError> {
        Err(crate::error::rejected("being built"))
    }

    async fn append_end(&self, end: &ReplyEnd) -> Result<EndOutcome, PortError> {
        let (store, end) = (self.store.clone(), end.clone());
        detached(async move { append_end(&store, end).await }).await
    }

    async fn events(
        &self,
        conversation: &ConversationId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<Event>, PortError> {
        let query = Entity::find()
            .filter(Column::ConversationId.eq(conversation.as_str()))
            .filter(Column::Seq.gt(big(after)))
            .order_by_asc(Column::Seq)
            .limit(u64::from(limit));
        let rows = query.all(self.store.reader()).await.map_err(port_error)?;
        rows.iter().map(event_of).collect()
    }

    async fn history(
        &self,
        conversation: &ConversationId,
        query: HistoryQuery,
    ) -> Result<HistoryPage, PortError> {
        history(self.store.reader(), conversation, query).await
    }

    async fn message(&self, id: MessageId) -> Result<Option<Message>, PortError> {
        find_message(self.store.reader(), "m.id = $1", [id.as_uuid().into()]).await
    }

    async fn reply_to(&self, question: MessageId) -> Result<Option<Message>, PortError> {
        let condition = "m.reply_to = $1 ORDER BY m.seq DESC LIMIT 1";
        find_message(self.store.reader(), condition, [question.as_uuid().into()]).await
    }

    async fn by_client_msg_id(
        &self,
        conversation: &ConversationId,
        author: UserId,
        client_msg_id: &str,
    ) -> Result<Option<Message>, PortError> {
        let condition = "m.conversation_id = $1 AND m.author_user = $2 AND m.client_msg_id = $3";
        let values = [conversation.as_str().into(), author.as_uuid().into(), client_msg_id.into()];
        find_message(self.store.reader(), condition, values).await
    }

    async fn count_by(&self, author: UserId) -> Result<u64, PortError> {
        let own = message::Entity::find().filter(message::Column::AuthorUser.eq(author.as_uuid()));
        own.count(self.store.reader()).await.map_err(port_error)
    }
}

/// An event's row; kind and message stand beside the body, so that they can be asked for.
pub(crate) fn event_row(
    conversation: &ConversationId,
    seq: i64,
    body: &EventBody,
    at: Timestamp,
) -> event::Model {
    let (kind, subject) = match body {
        EventBody::Message { message_id } => ("message", message_id.as_uuid()),
        EventBody::Recall { message_id } => ("recall", message_id.as_uuid()),
        EventBody::Member { user_id, .. } => ("member", user_id.as_uuid()),
        EventBody::Like { message_id, .. } => ("like", message_id.as_uuid()),
        EventBody::AiStart { message_id, .. } => ("ai_start", message_id.as_uuid()),
        EventBody::AiEnd { message_id, .. } => ("ai_end", message_id.as_uuid()),
    };
    event::Model {
        conversation_id: conversation.to_string(),
        seq,
        kind: kind.to_owned(),
        body: json(body),
        message_id: subject,
        created_at: at.as_millis(),
    }
}

fn event_of(row: &event::Model) -> Result<Event, PortError> {
    Ok(Event {
        seq: read_count(row.seq, "events.seq")?,
        body: read_json(&row.body, "events.body")?,
        created_at: Timestamp::from_millis(row.created_at),
        message: None,
        author: None,
    })
}
