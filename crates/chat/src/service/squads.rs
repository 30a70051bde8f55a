//! Squads: a room of one's own, whose characters answer in turn.

use futures::stream::BoxStream;
use kernel::{MessageId, UserId};

use super::rooms::CreatedRoom;
use super::{ChatService, unbuilt};
use crate::conversation::CharacterId;
use crate::error::ChatError;
use crate::idempotency::IdempotencyKey;
use crate::message::Failure;
use crate::room::Room;

/// A squad that somebody wants.
#[derive(Debug, Clone, Default)]
pub struct NewSquad {
    /// Its title.
    pub title: String,
    /// What it talks about.
    pub topic: String,
    /// Who is in it, one to eight.
    pub characters: Vec<String>,
}

/// What the watcher of a squad's turn sees, in order; [`SquadFrame::Done`] is the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SquadFrame {
    /// A character begins.
    Start {
        /// Who.
        character_id: CharacterId,
        /// Its reply.
        message_id: MessageId,
    },
    /// New text.
    Chunk {
        /// Whose.
        character_id: CharacterId,
        /// The text.
        text: String,
    },
    /// A character has ended.
    End {
        /// Who.
        character_id: CharacterId,
    },
    /// A character could not (go on to) speak.
    Error {
        /// Who.
        character_id: CharacterId,
        /// Why.
        failure: SquadFailure,
    },
    /// The turn is over.
    Done,
}

/// Why a character could not speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SquadFailure {
    /// The reply failed.
    Reply(Failure),
    /// It was withheld.
    Blocked,
    /// The owner cannot afford it.
    InsufficientBalance,
}

impl ChatService {
    /// Makes a squad.
    pub async fn create_squad(
        &self,
        _user: UserId,
        _squad: NewSquad,
        _key: Option<IdempotencyKey>,
    ) -> Result<CreatedRoom, ChatError> {
        Err(unbuilt())
    }

    /// One of the person's own squads.
    pub async fn squad(&self, _user: UserId, _id: &str) -> Result<Room, ChatError> {
        Err(unbuilt())
    }

    /// Says something in one's squad and watches the turn. A balance that does not pay the first reply is refused
    /// before anything is stored. The turn goes on whatever becomes of the watcher.
    pub async fn ask_squad(
        &self,
        _user: UserId,
        _id: &str,
        _draft: super::Draft,
    ) -> Result<BoxStream<'static, SquadFrame>, ChatError> {
        Err(unbuilt())
    }
}
