//! Turns at work: each step is one reply, one after the other, one at a time in a conversation.

use kernel::{Page, PageRequest};

use super::{ChatService, unbuilt};
use crate::conversation::ConversationId;
use crate::error::ChatError;
use crate::turn::Turn;

impl ChatService {
    /// A conversation's turns, the newest first, for operators.
    pub async fn turns(&self, _id: &ConversationId, _page: PageRequest) -> Result<Page<Turn>, ChatError> {
        Err(unbuilt())
    }
}
