//! Messages: what people and characters said, and how a reply ended.

use kernel::{Credits, MessageId, Timestamp, TokenUsage, UserId};
use serde::{Deserialize, Serialize};

use crate::conversation::{CharacterId, ConversationId};

/// Who said it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Author {
    /// A person.
    User(UserId),
    /// A character, by the model.
    Character(CharacterId),
    /// The house: what an operator announces. It is nobody's, counts against nobody's rates, and is not answered.
    System,
}

/// How a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageStatus {
    /// A reply that is growing.
    Streaming,
    /// Whole. A person's message is whole from the start.
    Done,
    /// Stopped by the asker; the text until then is kept.
    Stopped,
    /// The model or the server failed; the text until then is kept.
    Failed,
    /// Withheld by moderation or by the model's own filter.
    Blocked,
    /// Taken back: its text is erased.
    Recalled,
}

/// Why a reply ended; each reply ends once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The model said that it was finished.
    Done,
    /// The asker stopped it.
    Stopped,
    /// The output limit was reached.
    Length,
    /// The model failed, timed out or was cut off.
    Error,
    /// The model's filter or moderation withheld it.
    Blocked,
    /// Its owner died, and another instance closed it.
    Lost,
}

impl EndReason {
    /// The message's status after this end.
    pub const fn status(self) -> MessageStatus {
        match self {
            Self::Done | Self::Length => MessageStatus::Done,
            Self::Stopped => MessageStatus::Stopped,
            Self::Error | Self::Lost => MessageStatus::Failed,
            Self::Blocked => MessageStatus::Blocked,
        }
    }
}

/// What failed, where a reply ended by `error` or `lost`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The model could not be reached, was overloaded, or its answer was cut off.
    ModelUnavailable,
    /// The model did not answer in time.
    ModelTimeout,
    /// The server that was at work on it died.
    ServerLost,
}

/// A passage that a reply points at by its marker `[n]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Citation {
    /// The marker's number, from 1; never renumbered.
    pub n: u32,
    /// Work, for example 论语.
    pub work: String,
    /// Chapter, for example 学而.
    pub chapter: String,
    /// The passage's stable id.
    pub passage_id: String,
    /// The passage's own text.
    pub quote: String,
    /// How well it matched the question, higher is better; comparable within one reply only.
    pub score: f32,
}

/// What a reply cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageUsage {
    /// The tokens that are charged for.
    pub tokens: TokenUsage,
    /// Their price.
    pub credits: Credits,
}

/// People shown as having liked a message; the count goes on beyond it.
pub const LIKERS_MAX: usize = 20;

/// Who likes a message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Likes {
    /// How many people.
    pub total: u32,
    /// The latest [`LIKERS_MAX`] of them, in the order of their likes.
    pub users: Vec<UserId>,
}

/// A message in its present state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// Where it was said.
    pub conversation_id: ConversationId,
    /// Seq of the event that created it; a reply's is its `ai_start`.
    pub seq: u64,
    /// Who said it.
    pub author: Author,
    /// The text; of a growing reply, the last checkpoint.
    pub content: String,
    /// How it stands.
    pub status: MessageStatus,
    /// Why it ended, for a reply that has.
    pub why: Option<EndReason>,
    /// What failed, for a reply that did.
    pub failure: Option<Failure>,
    /// The message it answers.
    pub reply_to: Option<MessageId>,
    /// The sender's own id for it: unique per conversation and sender, for ever.
    pub client_msg_id: Option<String>,
    /// Hash of what was sent, to tell a retry from another message under the same `client_msg_id`.
    pub body_hash: Option<String>,
    /// Passages that a reply points at.
    pub citations: Vec<Citation>,
    /// What a reply cost, if it was charged.
    pub usage: Option<MessageUsage>,
    /// The generation, which fences deltas: 1 for the first, one more when a dead owner's reply was closed.
    pub generation: u32,
    /// The name that the upstream model answered with.
    pub model: Option<String>,
    /// Characters that the sender named by id.
    pub mentions: Vec<CharacterId>,
    /// Who likes it.
    pub likes: Likes,
    /// When it was created.
    pub created_at: Timestamp,
}

impl Message {
    /// A message of which nothing is known but these: done, without text.
    pub fn blank(
        id: MessageId,
        conversation_id: ConversationId,
        seq: u64,
        author: Author,
        created_at: Timestamp,
    ) -> Self {
        Self {
            id,
            conversation_id,
            seq,
            author,
            content: String::new(),
            status: MessageStatus::Done,
            why: None,
            failure: None,
            reply_to: None,
            client_msg_id: None,
            body_hash: None,
            citations: Vec::new(),
            usage: None,
            generation: 0,
            model: None,
            mentions: Vec::new(),
            likes: Likes::default(),
            created_at,
        }
    }
}
