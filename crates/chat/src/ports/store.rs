//! Ports of the durable truth: sessions, the event log of all conversations, and the sagas of replies.

use async_trait::async_trait;
use kernel::{Credits, MessageId, Page, PageRequest, PortError, Tariff, Timestamp, UserId};

use super::{
    AnnounceOutcome, Announcement, AppendOutcome, Like, LikeOutcome, NewMessage, Recall, RecallOutcome,
    ReplyStart, StartOutcome,
};
use crate::conversation::{CharacterId, Conversation, ConversationId};
use crate::event::{Event, EventBody, utf16_length};
use crate::generation::{Charge, Generation, InstanceId};
use crate::message::{Citation, EndReason, Failure, Message, MessageUsage};

/// A key under which something is made at most once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Once {
    /// The client's key.
    pub key: String,
    /// Hash of what was sent with it.
    pub body_hash: String,
    /// Uses of the key before this are forgotten.
    pub since: Timestamp,
}

/// What became of a new conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CreateOutcome {
    /// It is stored.
    Created,
    /// The key made this one earlier, shown as it is now; nothing was written.
    Replayed(Conversation),
    /// The key made one earlier, of another request; nothing was written.
    Conflict,
}

/// Sessions. Squads and rooms are not seen through this port ([`super::RoomStore`]).
#[async_trait]
pub trait ConversationStore: Send + Sync {
    /// Stores a new conversation, once for each of the owner's keys.
    ///
    /// MUST store what [`ConversationStore::get`] then returns unchanged. With a key that the owner has used since
    /// [`Once::since`], and whose conversation is not deleted, MUST write nothing and answer `Replayed` or
    /// `Conflict` by the hash; an older use MUST NOT count. Two concurrent calls with one key MUST NOT both create.
    async fn create(
        &self,
        conversation: &Conversation,
        once: Option<&Once>,
    ) -> Result<CreateOutcome, PortError>;

    /// The conversation, unless there is none or it was deleted.
    async fn get(&self, id: &ConversationId) -> Result<Option<Conversation>, PortError>;

    /// An owner's conversations, the last active first (ties by id, newest first), each with its newest message.
    ///
    /// MUST leave out deleted ones and other people's.
    async fn list(
        &self,
        owner: UserId,
        page: PageRequest,
    ) -> Result<Page<(Conversation, Option<Message>)>, PortError>;

    /// Gives it a title. `false` if there is no such conversation.
    async fn rename(&self, id: &ConversationId, title: &str) -> Result<bool, PortError>;

    /// Deletes it with all its messages and events; sagas stay, so that holds are settled. `false` if there is
    /// none. MUST make every later read of it and of its messages come back empty.
    async fn delete(&self, id: &ConversationId) -> Result<bool, PortError>;
}

/// A person's question, to be appended.
#[derive(Debug, Clone, PartialEq)]
pub struct NewQuestion {
    /// Its id, made by the service.
    pub id: MessageId,
    /// Who asks.
    pub author: UserId,
    /// What.
    pub content: String,
    /// The sender's own id for it.
    pub client_msg_id: Option<String>,
    /// Hash of what was sent.
    pub body_hash: String,
}

/// A reply that begins, with its saga.
#[derive(Debug, Clone, PartialEq)]
pub struct NewReply {
    /// Its id, made by the service; the hold has the same.
    pub id: MessageId,
    /// Who answers.
    pub character_id: CharacterId,
    /// The instance at work.
    pub owner: InstanceId,
    /// Who pays.
    pub payer: UserId,
    /// The model's alias.
    pub model_alias: String,
    /// Prices of the hold.
    pub tariff: Tariff,
    /// How much is held: no charge is more.
    pub held: Credits,
    /// The likely number of the prompt's tokens.
    pub prompt_tokens_estimate: u32,
}

/// Question and `ai_start`, one append.
#[derive(Debug, Clone, PartialEq)]
pub struct Exchange {
    /// Where.
    pub conversation_id: ConversationId,
    /// The question.
    pub question: NewQuestion,
    /// The reply to it.
    pub reply: NewReply,
    /// Title for a conversation that has none yet.
    pub title_if_empty: String,
    /// When.
    pub at: Timestamp,
}

/// What became of an [`Exchange`].
#[derive(Debug, Clone, PartialEq)]
pub enum ExchangeOutcome {
    /// Both events are in the log.
    Appended {
        /// Seq of the question.
        question_seq: u64,
        /// Seq of the `ai_start`, one more.
        reply_seq: u64,
    },
    /// The sender's `client_msg_id` is in the log already; nothing was written.
    Repeated {
        /// The message that has it.
        question: MessageId,
    },
    /// A reply of this conversation has not ended; nothing was written.
    ReplyInProgress,
    /// There is no such conversation; nothing was written.
    NoConversation,
}

/// The end of a reply, to be appended.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplyEnd {
    /// The reply.
    pub message_id: MessageId,
    /// The generation that the writer believes is current.
    pub generation: u32,
    /// The generation after the end: the same, or one more when an orphan is closed.
    pub generation_after: u32,
    /// Why it ended.
    pub why: EndReason,
    /// What failed, stored with the message.
    pub failure: Option<Failure>,
    /// The whole text.
    pub content: String,
    /// Passages it points at.
    pub citations: Vec<Citation>,
    /// What is shown as its usage; `None` where nothing is charged.
    pub usage: Option<MessageUsage>,
    /// What is to be charged; `None` voids the hold.
    pub charge: Option<Charge>,
    /// The name that the upstream model answered with.
    pub model: Option<String>,
    /// When.
    pub at: Timestamp,
}

impl ReplyEnd {
    /// The `ai_end` that is appended for it.
    pub fn event_body(&self) -> EventBody {
        EventBody::AiEnd {
            message_id: self.message_id,
            generation: self.generation_after,
            why: self.why,
            length: utf16_length(&self.content),
            crc32: crc32fast::hash(self.content.as_bytes()),
        }
    }
}

/// What became of a [`ReplyEnd`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndOutcome {
    /// This end won and is in the log.
    Ended {
        /// Its seq.
        seq: u64,
    },
    /// Another end was first, or the generation is another: nothing was written.
    AlreadyEnded,
    /// There is no such reply, since its conversation was deleted: only the saga was marked ended.
    NoMessage,
}

/// Which part of a history is wanted; messages ascend inside a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryQuery {
    /// The newest `limit` messages.
    Newest {
        /// At most so many.
        limit: u32,
    },
    /// The newest `limit` messages older than one.
    Before {
        /// That one; unknown ids give an empty page.
        message: MessageId,
        /// At most so many.
        limit: u32,
    },
    /// The oldest `limit` messages whose first or latest event is newer than `seq`, in present state, by their
    /// latest event.
    Since {
        /// Exclusive.
        seq: u64,
        /// At most so many.
        limit: u32,
    },
}

/// A part of a history.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryPage {
    /// The messages.
    pub messages: Vec<Message>,
    /// Whether more lie in the direction that was asked for.
    pub has_more: bool,
    /// The conversation's head when the page was read.
    pub head: u64,
    /// Whose the conversation is; `None` where there is none, or where it is nobody's.
    pub owner: Option<UserId>,
}

/// Where a conversation's log ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// The newest event's seq; 0 before the first.
    pub seq: u64,
    /// Changes only when the log was lost or restored.
    pub epoch: String,
}

/// The durable, gapless log of every conversation, and the messages that it made.
///
/// Seqs are given in the transaction that writes the event: from 1, +1, no hole, in commit order.
#[async_trait]
pub trait EventLog: Send + Sync {
    /// Appends question and `ai_start`, creates both messages and the saga, moves the conversation's head,
    /// activity time and empty title: all or nothing.
    ///
    /// MUST give two neighbouring seqs. MUST answer `Repeated` for a `client_msg_id` that this author has used
    /// in this conversation, whatever the content, before any other refusal. MUST answer `ReplyInProgress`
    /// while a saga of the conversation is streaming. Two concurrent calls MUST NOT both pass either check.
    async fn append_exchange(&self, exchange: &Exchange) -> Result<ExchangeOutcome, PortError>;

    /// Appends a person's message to a room or squad, with its turn; moves head and activity time, and counts the
    /// message for room and member: all or nothing.
    ///
    /// Many callers may be answered by one commit; each MUST be answered after the commit that has its event, and
    /// a caller that goes away MUST NOT take others' events with it. MUST answer `Repeated` for a `client_msg_id`
    /// that this author has used in this conversation, before any other refusal but `NoConversation`; of two
    /// concurrent calls with one `client_msg_id` one MUST be `Repeated`. One refused or unstorable event MUST NOT
    /// refuse another.
    async fn append(&self, message: &NewMessage) -> Result<AppendOutcome, PortError>;

    /// Appends the house's own message to a room and counts it for the room: all or nothing. It is an event `message`
    /// like a person's, by [`crate::message::Author::System`].
    ///
    /// MUST answer `Repeated` for a `client_msg_id` that an announcement of this room has, whatever the content; of
    /// two concurrent calls with one `client_msg_id` one MUST be `Repeated`.
    async fn append_announcement(&self, announcement: &Announcement) -> Result<AnnounceOutcome, PortError>;

    /// Appends `ai_start` of a room's reply, creates its message and its saga, counts it for the room: all or
    /// nothing.
    ///
    /// MUST answer `ReplyInProgress` while a saga of the conversation is streaming; two concurrent calls MUST NOT
    /// both begin. MUST answer `TurnOver` unless the turn, where one is named, is open and owned by the reply's owner;
    /// a turn that ends at the same time MUST either refuse the start or end after it.
    async fn append_start(&self, start: &ReplyStart) -> Result<StartOutcome, PortError>;

    /// Erases a message's text, citations and mentions, marks it recalled and appends `recall`: all or nothing.
    ///
    /// MUST be final: a reply that ends after its recall ends without text (its `ai_end` says length 0). A session
    /// that still has [`Recall::title`] MUST be left without a title.
    async fn append_recall(&self, recall: &Recall) -> Result<RecallOutcome, PortError>;

    /// Stores or removes a like, keeps the message's total and likers and the member's count, appends `like`: all
    /// or nothing.
    async fn append_like(&self, like: &Like) -> Result<LikeOutcome, PortError>;

    /// Appends `ai_end`, writes the final text and decides the charge of the saga: all or nothing.
    ///
    /// MUST be won by one caller: only while the saga is streaming and its generation is the one named.
    async fn append_end(&self, end: &ReplyEnd) -> Result<EndOutcome, PortError>;

    /// Events after `after` (exclusive), ascending, at most `limit`, each with its message in its present state (one
    /// read). [`Event::author`] is left empty: chat asks [`super::People`].
    async fn events(
        &self,
        conversation: &ConversationId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<Event>, PortError>;

    /// The heads of these conversations; unknown ones are left out. One read, order is free.
    async fn heads(&self, conversations: &[ConversationId]) -> Result<Vec<Head>, PortError>;

    /// Replies of a conversation that have not ended.
    async fn streaming(&self, conversation: &ConversationId) -> Result<Vec<Message>, PortError>;

    /// A part of the history. An unknown conversation has an empty one with head 0.
    async fn history(
        &self,
        conversation: &ConversationId,
        query: HistoryQuery,
    ) -> Result<HistoryPage, PortError>;

    /// One message in its present state.
    async fn message(&self, id: MessageId) -> Result<Option<Message>, PortError>;

    /// The newest reply to a message.
    async fn reply_to(&self, question: MessageId) -> Result<Option<Message>, PortError>;

    /// The message that a sender's own id names.
    async fn by_client_msg_id(
        &self,
        conversation: &ConversationId,
        author: UserId,
        client_msg_id: &str,
    ) -> Result<Option<Message>, PortError>;

    /// Which of these messages a person likes; unknown ones are left out. One read, order is free.
    async fn liked_by(&self, user: UserId, messages: &[MessageId]) -> Result<Vec<MessageId>, PortError>;

    /// How many messages of a person there are in all conversations; a deleted conversation's are gone.
    async fn count_by(&self, author: UserId) -> Result<u64, PortError>;
}

/// The sagas of replies, and the leases of the instances that own them.
#[async_trait]
pub trait GenerationStore: Send + Sync {
    /// One saga.
    async fn get(&self, id: MessageId) -> Result<Option<Generation>, PortError>;

    /// Keeps the text so far, so that a crash loses little.
    ///
    /// MUST write only while the saga is streaming in this generation and its message is there, and answer `false`
    /// otherwise: a writer whose conversation was deleted gives up.
    async fn checkpoint(&self, id: MessageId, generation: u32, text: &str) -> Result<bool, PortError>;

    /// Marks an ended saga settled. Repeating it changes nothing.
    async fn mark_settled(&self, id: MessageId) -> Result<(), PortError>;

    /// Says that an instance lives until then. MUST NOT shorten a lease.
    async fn renew_lease(&self, instance: InstanceId, until: Timestamp) -> Result<(), PortError>;

    /// Ends an instance's lease at once: it has stopped and owns nothing any more.
    async fn release_lease(&self, instance: InstanceId) -> Result<(), PortError>;

    /// Sagas that are not settled and whose owner's lease is over at `now` or was never there, oldest first, at
    /// most `limit`.
    async fn orphans(&self, now: Timestamp, limit: u32) -> Result<Vec<Generation>, PortError>;

    /// Sagas of one instance that are not settled, ended ones first, then oldest first, at most `limit`.
    async fn owned_by(&self, instance: InstanceId, limit: u32) -> Result<Vec<Generation>, PortError>;

    /// How many sagas are not settled: the work a sweep may still have.
    async fn open_count(&self) -> Result<u64, PortError>;
}
