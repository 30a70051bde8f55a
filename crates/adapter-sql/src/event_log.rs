//! The event log in SQL: appends, each one transaction, and the reads beside the history.
//!
//! An append changes the conversation's head before anything else it writes about the conversation. That row
//! lock gives out seqs in commit order and lets the checks after it see every append before.

use async_trait::async_trait;
use chat::conversation::ConversationId;
use chat::event::{Event, EventBody};
use chat::message::Message;
use chat::ports::{
    AnnounceOutcome, Announcement, AppendOutcome, EndOutcome, EventLog, Exchange, ExchangeOutcome, Head,
    HistoryPage, HistoryQuery, Like, LikeOutcome, NewMessage, Recall, RecallOutcome, ReplyEnd, ReplyStart,
    StartOutcome,
};
use kernel::{MessageId, PortError, Timestamp, UserId};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};

use crate::append_announcement::append_announcement;
use crate::append_end::append_end;
use crate::append_exchange::append_exchange;
use crate::append_like::{append_like, liked_by};
use crate::append_recall::append_recall;
use crate::append_start::append_start;
use crate::detached::detached;
use crate::entity::{event, message};
use crate::error::port_error;
use crate::events::{events, heads};
use crate::group_commit::GroupCommit;
use crate::history::history;
use crate::message_row::{find_message, find_messages};
use crate::store::SqlStore;
use crate::words::json;

/// [`EventLog`] on SQLite and Postgres.
pub struct SqlEventLog {
    store: SqlStore,
    people: GroupCommit,
}

impl SqlEventLog {
    /// On this store. Starts the task that commits people's messages on the current tokio runtime; it ends with the
    /// log, after what waits.
    pub fn new(store: SqlStore) -> Self {
        let people = GroupCommit::start(store.clone());
        Self { store, people }
    }
}

#[async_trait]
impl EventLog for SqlEventLog {
    async fn append_exchange(&self, exchange: &Exchange) -> Result<ExchangeOutcome, PortError> {
        let (store, exchange) = (self.store.clone(), exchange.clone());
        detached(async move { append_exchange(&store, exchange).await }).await
    }

    async fn append(&self, message: &NewMessage) -> Result<AppendOutcome, PortError> {
        self.people.append(message.clone()).await
    }

    async fn append_announcement(&self, announcement: &Announcement) -> Result<AnnounceOutcome, PortError> {
        let (store, announcement) = (self.store.clone(), announcement.clone());
        detached(async move { append_announcement(&store, announcement).await }).await
    }

    async fn append_start(&self, start: &ReplyStart) -> Result<StartOutcome, PortError> {
        let (store, start) = (self.store.clone(), start.clone());
        detached(async move { append_start(&store, start).await }).await
    }

    async fn append_recall(&self, recall: &Recall) -> Result<RecallOutcome, PortError> {
        let (store, recall) = (self.store.clone(), recall.clone());
        detached(async move { append_recall(&store, recall).await }).await
    }

    async fn append_like(&self, like: &Like) -> Result<LikeOutcome, PortError> {
        let (store, like) = (self.store.clone(), *like);
        detached(async move { append_like(&store, like).await }).await
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
        events(self.store.reader(), conversation, after, limit).await
    }

    async fn heads(&self, conversations: &[ConversationId]) -> Result<Vec<Head>, PortError> {
        heads(self.store.reader(), conversations).await
    }

    /// Found by the sagas: a reply that was recalled amid its growth has not ended either.
    async fn streaming(&self, conversation: &ConversationId) -> Result<Vec<Message>, PortError> {
        let condition = "m.id IN (SELECT g.message_id FROM generations g WHERE g.conversation_id = $1 \
             AND g.state = 'streaming') ORDER BY m.seq";
        find_messages(self.store.reader(), condition, [conversation.as_str().into()]).await
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

    /// People answer messages too; a reply is a character's.
    async fn reply_to(&self, question: MessageId) -> Result<Option<Message>, PortError> {
        let condition = "m.reply_to = $1 AND m.character_id IS NOT NULL ORDER BY m.seq DESC LIMIT 1";
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

    async fn liked_by(&self, user: UserId, messages: &[MessageId]) -> Result<Vec<MessageId>, PortError> {
        liked_by(self.store.reader(), user, messages).await
    }

    async fn count_by(&self, author: UserId) -> Result<u64, PortError> {
        let own = message::Entity::find().filter(message::Column::AuthorUser.eq(author.as_uuid()));
        own.count(self.store.reader()).await.map_err(port_error)
    }
}

/// An event's row; kind and subject stand beside the body, so that they can be asked for.
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
        subject,
        created_at: at.as_millis(),
    }
}

/// The event of a person's message.
pub(crate) const fn message_body(id: MessageId) -> EventBody {
    EventBody::Message { message_id: id }
}
