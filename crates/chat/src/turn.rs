//! Turns: which characters answer a person's message, in which order, and why.
//!
//! A turn is decided once, by pure functions from what is known when the message arrives and a seed, and stored with
//! the message: strategy, candidates, seed and reasons can be looked at afterwards. Its steps are worked off one
//! after the other; each step is one reply.

pub mod mention;
pub mod strategy;

use kernel::{Id, MessageId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use crate::conversation::{CharacterId, ConversationId};
use crate::generation::InstanceId;
use crate::room::TurnStrategy;

/// Kind of a turn.
#[derive(Debug)]
pub enum TurnKind {}

/// A turn's id.
pub type TurnId = Id<TurnKind>;

/// Why a character speaks, or does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Named by id.
    MentionedById,
    /// Named in the text.
    MentionedByName,
    /// The message answers one of its messages.
    RepliedTo,
    /// Won the natural choice.
    Chosen,
    /// Its place in the room's order.
    InOrder,
    /// Has waited longest.
    WaitedLongest,
    /// Another character named it.
    NamedByCharacter,
    /// Not chosen: others were more fitting.
    Outweighed,
    /// Not chosen: it spoke last.
    SpokeLast,
    /// Not chosen: it spoke a moment ago.
    CoolingDown,
    /// Not chosen: silenced in this room.
    Muted,
    /// Not chosen: too many turns are waiting.
    RoomBusy,
}

impl Reason {
    /// Whether nobody asked this character: a person's next message comes before it.
    pub const fn is_unasked(self) -> bool {
        match self {
            Self::Chosen | Self::InOrder | Self::WaitedLongest | Self::NamedByCharacter => true,
            Self::MentionedById
            | Self::MentionedByName
            | Self::RepliedTo
            | Self::Outweighed
            | Self::SpokeLast
            | Self::CoolingDown
            | Self::Muted
            | Self::RoomBusy => false,
        }
    }
}

/// A character that was considered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// Who.
    pub character_id: CharacterId,
    /// How fitting, in thousandths; 0 where nothing was weighed.
    pub weight: u32,
    /// Why it speaks or does not.
    pub reason: Reason,
}

/// How far a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// To be done.
    Waiting,
    /// Its reply began; how it ended is the reply's own state.
    Begun,
    /// Left out: cut, refused or impossible.
    Skipped,
}

/// One reply of a turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// The reply's id, made with the step, so that a hold that was taken for it is found again.
    pub reply: MessageId,
    /// Who speaks.
    pub character_id: CharacterId,
    /// Why.
    pub reason: Reason,
    /// The message that it answers.
    pub reply_to: MessageId,
    /// How far it is.
    pub state: StepState,
}

/// How a turn stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnState {
    /// Steps are to be done.
    Open,
    /// All were done.
    Done,
    /// A new message, a recall or a stop cut it.
    Cut,
    /// The payer could not afford it.
    Refused,
    /// A system behind failed for too long.
    Failed,
}

/// A turn as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Its id.
    pub id: TurnId,
    /// Where.
    pub conversation_id: ConversationId,
    /// The message that began it.
    pub question: MessageId,
    /// Who wrote that, also for AI-to-AI steps.
    pub asker: UserId,
    /// Who pays.
    pub payer: UserId,
    /// How it was decided.
    pub strategy: TurnStrategy,
    /// What its chances were drawn from.
    pub seed: u64,
    /// Who was considered.
    pub candidates: Vec<Candidate>,
    /// What is to be said, in order. AI-to-AI steps are added as they arise.
    pub steps: Vec<Step>,
    /// AI-to-AI steps that may still be added.
    pub follow_ups_left: u32,
    /// How it stands.
    pub state: TurnState,
    /// The instance at work on it.
    pub owner: InstanceId,
    /// When it began.
    pub created_at: Timestamp,
}
