//! The durable event log's entries, and the frames that tell live watchers about them.
//!
//! An event is stored with a gapless seq of its conversation; a frame is what the bus carries after the
//! commit. Frames may be lost; events are not.

use bytes::Bytes;
use kernel::{MessageId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::conversation::ConversationId;
use crate::message::EndReason;

/// One entry of a conversation's log.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// From 1, +1, no hole.
    pub seq: u64,
    /// What happened.
    pub body: EventBody,
    /// When.
    pub created_at: Timestamp,
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

/// What the bus carries. Unknown frames of a newer instance are skipped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "frame", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Frame {
    /// An event was committed.
    Committed {
        /// Its seq.
        seq: u64,
        /// What happened.
        body: EventBody,
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
