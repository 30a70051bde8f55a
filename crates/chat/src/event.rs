//! The durable event log's entries, and the frames that tell live watchers about them.
//!
//! An event is stored with a gapless seq of its conversation; a frame is what the bus carries after the
//! commit. Frames may be lost; events are not.

use bytes::Bytes;
use kernel::{MessageId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use crate::message::{EndReason, Message};
use crate::room::{MemberAction, UserCard};

/// One entry of a conversation's log, with what is needed to show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// From 1, +1, no hole.
    pub seq: u64,
    /// What happened.
    pub body: EventBody,
    /// When.
    pub created_at: Timestamp,
    /// The message that it is about, **in its present state** (so that an erased text is never shown again): for
    /// `message`, `ai_start` and `ai_end`.
    pub message: Option<Message>,
    /// What others see of the person it is by: for a person's `message`.
    pub author: Option<UserCard>,
}

impl Event {
    /// Whether it ends this reply.
    pub fn ends(&self, reply: MessageId) -> bool {
        matches!(self.body, EventBody::AiEnd { message_id, .. } if message_id == reply)
    }
}

/// What happened. Text is not repeated here: it is the message's, so that an erased message is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum EventBody {
    /// A person said something.
    Message {
        /// Which message.
        message_id: MessageId,
    },
    /// A message was taken back.
    Recall {
        /// Which message.
        message_id: MessageId,
    },
    /// A membership changed.
    Member {
        /// Whose.
        user_id: UserId,
        /// How.
        action: MemberAction,
    },
    /// Somebody likes a message, or no longer.
    Like {
        /// Which message.
        message_id: MessageId,
        /// Who.
        user_id: UserId,
        /// Whether they like it now.
        liked: bool,
        /// How many like it now.
        total_likes: u32,
    },
    /// A character began to answer.
    AiStart {
        /// The reply.
        message_id: MessageId,
        /// Its generation.
        generation: u32,
    },
    /// A reply ended.
    AiEnd {
        /// The reply.
        message_id: MessageId,
        /// Its last generation.
        generation: u32,
        /// Why.
        why: EndReason,
        /// Length of the text, in UTF-16 units.
        length: u32,
        /// CRC-32 (IEEE) of the text's UTF-8.
        crc32: u32,
    },
}

impl EventBody {
    /// The message that it is about.
    pub const fn message_id(&self) -> Option<MessageId> {
        match self {
            Self::Message { message_id }
            | Self::Recall { message_id }
            | Self::Like { message_id, .. }
            | Self::AiStart { message_id, .. }
            | Self::AiEnd { message_id, .. } => Some(*message_id),
            Self::Member { .. } => None,
        }
    }

    /// Whether an [`Event`] of this body carries its message.
    pub const fn shows_message(&self) -> bool {
        match self {
            Self::Message { .. } | Self::AiStart { .. } | Self::AiEnd { .. } => true,
            Self::Recall { .. } | Self::Like { .. } | Self::Member { .. } => false,
        }
    }
}

/// Those whose membership ends among these events and does not begin again behind that.
pub fn departed(events: &[Event]) -> Vec<UserId> {
    let mut gone = Vec::new();
    for event in events {
        if let EventBody::Member { user_id, action } = &event.body {
            gone.retain(|known| known != user_id);
            match action {
                MemberAction::Left | MemberAction::Removed | MemberAction::Banned => gone.push(*user_id),
                MemberAction::Joined => {}
            }
        }
    }
    gone
}

/// Why a turn of a room ended without (further) replies, told to one person only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// The payer cannot afford the reply.
    InsufficientBalance,
    /// The model's alias or the character is gone, or a system behind failed.
    Unavailable,
}

/// What the bus carries. Unknown frames of a newer instance are skipped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "frame", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Frame {
    /// Events were committed, ascending, without a hole among them. None at all: some may have been lost.
    Committed {
        /// They.
        events: Vec<Event>,
    },
    /// A reply grew.
    Delta {
        /// The reply.
        message_id: MessageId,
        /// Its generation; a delta of another one is not for this text.
        generation: u32,
        /// Where the text goes, in UTF-16 units.
        offset: u32,
        /// The new text.
        text: String,
    },
    /// A reply's charge was settled: now its final form may be shown.
    Settled {
        /// The reply.
        message_id: MessageId,
    },
    /// Somebody is writing.
    Typing {
        /// Who.
        user_id: UserId,
        /// On which connection: it is not told.
        connection: String,
    },
    /// Somebody has read up to here.
    Read {
        /// Who.
        user_id: UserId,
        /// Up to which seq.
        seq: u64,
    },
    /// Somebody came or went.
    Presence {
        /// Who.
        user_id: UserId,
        /// Whether they are here.
        on: bool,
        /// How many are here now.
        online: u32,
    },
    /// All replies of a turn have ended.
    TurnOver {
        /// The message that began the turn.
        question: MessageId,
    },
    /// Something that concerns one person.
    Notice {
        /// Whom.
        user_id: UserId,
        /// The message that began the turn.
        question: MessageId,
        /// What.
        notice: Notice,
    },
    /// Somebody is no longer a member: their connections leave the room.
    Expelled {
        /// Who.
        user_id: UserId,
    },
}

impl Frame {
    /// The frame as bytes for the bus.
    pub fn encode(&self) -> Bytes {
        // A frame is plain data with text keys: serialising it cannot fail. An empty frame is skipped.
        serde_json::to_vec(self).map(Bytes::from).unwrap_or_default()
    }

    /// The frame in these bytes, or `None` where they are none that this version knows.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

/// Length of a text in UTF-16 units, as clients count it.
pub fn utf16_length(text: &str) -> u32 {
    u32::try_from(text.encode_utf16().count()).unwrap_or(u32::MAX)
}

/// The tail of a text from an offset in UTF-16 units; an offset inside a surrogate pair begins before the
/// pair, one beyond the end is clamped to it. Returns the offset at which the tail begins.
pub fn utf16_tail(text: &str, offset: u32) -> (u32, &str) {
    let mut units = 0_u32;
    for (at, c) in text.char_indices() {
        let next = units.saturating_add(u32::try_from(c.len_utf16()).unwrap_or(2));
        if units >= offset || next > offset {
            return (units, text.get(at..).unwrap_or_default());
        }
        units = next;
    }
    (units, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_survives_the_bus_and_an_unknown_one_is_skipped() {
        let frame = Frame::Settled { message_id: "00000000-0000-7000-8000-000000000001".parse().unwrap() };
        assert_eq!(Frame::decode(&frame.encode()), Some(frame));
        assert_eq!(Frame::decode(br#"{"frame":"from_the_future"}"#), None);
    }

    #[test]
    fn offsets_count_utf16_units_and_never_split_a_pair() {
        let text = "学𠀀而";
        assert_eq!(utf16_length(text), 4);
        assert_eq!(utf16_tail(text, 0), (0, text));
        assert_eq!(utf16_tail(text, 1), (1, "𠀀而"));
        assert_eq!(utf16_tail(text, 2), (1, "𠀀而"));
        assert_eq!(utf16_tail(text, 3), (3, "而"));
        assert_eq!(utf16_tail(text, 99), (4, ""));
    }
}
