//! What is done to messages afterwards: recall, likes, read marks; and typing.

use kernel::{MessageId, UserId};

use super::{ChatService, unbuilt};
use crate::conversation::ConversationId;
use crate::error::ChatError;

/// A like as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Liked {
    /// How many like the message.
    pub total: u32,
    /// Seq of the event, where it changed.
    pub seq: Option<u64>,
}

impl ChatService {
    /// Takes a message back: its author within the window, an operator or who keeps order at any time. A reply that
    /// grows is stopped, a turn that it began is cut. Again is the same answer: the seq of the recall.
    pub async fn recall(&self, _user: UserId, _is_operator: bool, _id: MessageId) -> Result<u64, ChatError> {
        Err(unbuilt())
    }

    /// Likes a message of a conversation that the person may read, or takes the like back.
    pub async fn like(&self, _user: UserId, _id: MessageId, _liked: bool) -> Result<Liked, ChatError> {
        Err(unbuilt())
    }

    /// Notes up to where the person has read, and tells the others. Written at most once a second by the caller.
    pub async fn read(&self, _user: UserId, _id: &ConversationId, _seq: u64) -> Result<(), ChatError> {
        Err(unbuilt())
    }

    /// Tells the others that the person is writing; never stored.
    pub async fn typing(&self, _user: UserId, _id: &ConversationId, _connection: &str) {}

    /// Messages of others that the person has not read, by conversation.
    pub async fn unread(
        &self,
        _user: UserId,
        _ids: &[ConversationId],
    ) -> Result<Vec<(ConversationId, u32)>, ChatError> {
        Err(unbuilt())
    }
}
