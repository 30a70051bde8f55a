//! A log whose answers may be lost: what was asked for is written, and whoever asked is told that it failed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use chat::event::Event;
use chat::ports::{
    AnnounceOutcome, Announcement, AppendOutcome, EndOutcome, EventLog, Exchange, ExchangeOutcome, Head,
    HistoryPage, HistoryQuery, Like, LikeOutcome, NewMessage, Recall, RecallOutcome, ReplyEnd, ReplyStart,
    StartOutcome,
};
use chat::{ConversationId, Message};
use kernel::{MessageId, PortError, UserId};

/// A decorator of a good log.
pub struct ForgetfulLog {
    inner: Arc<dyn EventLog>,
    loses_next: AtomicBool,
}

impl ForgetfulLog {
    /// A log that answers, until it is told otherwise.
    pub fn new(inner: Arc<dyn EventLog>) -> Arc<Self> {
        Arc::new(Self { inner, loses_next: AtomicBool::new(false) })
    }

    /// Loses the answer to the next exchange.
    pub fn lose_next(&self) {
        self.loses_next.store(true, Ordering::Relaxed);
    }
}

#[async_trait]
impl EventLog for ForgetfulLog {
    async fn append_exchange(&self, exchange: &Exchange) -> Result<ExchangeOutcome, PortError> {
        let outcome = self.inner.append_exchange(exchange).await?;
        if self.loses_next.swap(false, Ordering::Relaxed) {
            return Err(PortError::unavailable("log", "the answer was lost"));
        }
        Ok(outcome)
    }

    async fn append(&self, message: &NewMessage) -> Result<AppendOutcome, PortError> {
        self.inner.append(message).await
    }

    async fn append_announcement(&self, announcement: &Announcement) -> Result<AnnounceOutcome, PortError> {
        self.inner.append_announcement(announcement).await
    }

    async fn append_start(&self, start: &ReplyStart) -> Result<StartOutcome, PortError> {
        self.inner.append_start(start).await
    }

    async fn append_recall(&self, recall: &Recall) -> Result<RecallOutcome, PortError> {
        self.inner.append_recall(recall).await
    }

    async fn append_like(&self, like: &Like) -> Result<LikeOutcome, PortError> {
        self.inner.append_like(like).await
    }

    async fn append_end(&self, end: &ReplyEnd) -> Result<EndOutcome, PortError> {
        self.inner.append_end(end).await
    }

    async fn events(
        &self,
        conversation: &ConversationId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<Event>, PortError> {
        self.inner.events(conversation, after, limit).await
    }

    async fn heads(&self, conversations: &[ConversationId]) -> Result<Vec<Head>, PortError> {
        self.inner.heads(conversations).await
    }

    async fn streaming(&self, conversation: &ConversationId) -> Result<Vec<Message>, PortError> {
        self.inner.streaming(conversation).await
    }

    async fn history(
        &self,
        conversation: &ConversationId,
        query: HistoryQuery,
    ) -> Result<HistoryPage, PortError> {
        self.inner.history(conversation, query).await
    }

    async fn message(&self, id: MessageId) -> Result<Option<Message>, PortError> {
        self.inner.message(id).await
    }

    async fn reply_to(&self, question: MessageId) -> Result<Option<Message>, PortError> {
        self.inner.reply_to(question).await
    }

    async fn by_client_msg_id(
        &self,
        conversation: &ConversationId,
        author: UserId,
        client_msg_id: &str,
    ) -> Result<Option<Message>, PortError> {
        self.inner.by_client_msg_id(conversation, author, client_msg_id).await
    }

    async fn liked_by(&self, user: UserId, messages: &[MessageId]) -> Result<Vec<MessageId>, PortError> {
        self.inner.liked_by(user, messages).await
    }

    async fn count_by(&self, author: UserId) -> Result<u64, PortError> {
        self.inner.count_by(author).await
    }
}
