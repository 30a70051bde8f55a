//! Turns at work: each step is one reply, one after the other, one at a time in a conversation.

use kernel::{Page, PageRequest};

use super::{ChatService, unbuilt};
use crate::conversation::ConversationId;
use crate::error::ChatError;
use crate::message::Message;
use crate::ports::NewMessage;
use crate::room::Room;
use crate::turn::Turn;

impl ChatService {
    /// Who answers a message that is about to be appended, if anybody. `answered` is the message that it replies to.
    pub(crate) async fn decide(
        &self,
        _room: &Room,
        _message: &NewMessage,
        _answered: Option<&Message>,
    ) -> Result<Option<Turn>, ChatError> {
        Ok(None)
    }

    /// Works a stored turn off, in a task of its own.
    pub(crate) fn begin_turn(&self, _turn: Turn) {}

    /// A person has spoken: what older turns of the room would still say unasked is cut.
    pub(crate) async fn cut_unasked(&self, _room: &Room, _by: &NewMessage) {}

    /// A message was taken back: the turns that it began are cut, and their replies stopped.
    pub(crate) async fn cut_turns_of(&self, _message: &Message) {}

    /// A conversation's turns, the newest first, for operators.
    pub async fn turns(&self, _id: &ConversationId, _page: PageRequest) -> Result<Page<Turn>, ChatError> {
        Err(unbuilt())
    }
}
