//! Saying something: in a room, a squad or a session.

use kernel::{MessageId, Timestamp, UserId};

use super::{ChatService, unbuilt};
use crate::error::ChatError;

/// What a person says.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    /// The text.
    pub content: String,
    /// Ids of characters that are named.
    pub mentions: Vec<String>,
    /// The message that it answers, of the same conversation.
    pub reply_to: Option<MessageId>,
    /// The sender's own id for it.
    pub client_msg_id: Option<String>,
}

/// A message that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// Its id.
    pub message_id: MessageId,
    /// Its seq.
    pub seq: u64,
    /// When it was said.
    pub at: Timestamp,
    /// Whether it is an earlier one, repeated.
    pub duplicate: bool,
}

impl ChatService {
    /// Says something in a conversation of any kind; answered after the commit. In a session it is a question like
    /// any other ([`ChatService::ask`]). Call it in a task that outlives the connection.
    pub async fn post(&self, _user: UserId, _id: &str, _draft: Draft) -> Result<Posted, ChatError> {
        Err(unbuilt())
    }
}
