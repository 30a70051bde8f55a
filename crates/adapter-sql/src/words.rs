//! Values as columns hold them: words for enums, JSON for small lists, BIGINT for counts.
//!
//! A value that does not come back is an invariant broken in the table, and named by table and column.

use chat::conversation::ConversationKind;
use chat::generation::GenerationState;
use kernel::PortError;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as WordError, StrDeserializer};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::corrupt;

pub(crate) const STREAMING: &str = "streaming";
pub(crate) const ENDED: &str = "ended";
pub(crate) const SETTLED: &str = "settled";
pub(crate) const SESSION: &str = "session";
const SQUAD: &str = "squad";
const ROOM: &str = "room";

/// The word of an enum whose serde form is one.
pub(crate) fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        Ok(_) | Err(_) => String::new(),
    }
}

pub(crate) fn read_word<'a, T: Deserialize<'a>>(text: &'a str, column: &'static str) -> Result<T, PortError> {
    let word: StrDeserializer<'a, WordError> = text.into_deserializer();
    T::deserialize(word).map_err(|_unknown_word| corrupt(column))
}

/// JSON of plain data with text keys, which cannot fail; an empty text would come back as corrupt.
pub(crate) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// The column is named in the failure; what stood in it is not.
pub(crate) fn read_json<'a, T: Deserialize<'a>>(text: &'a str, column: &'static str) -> Result<T, PortError> {
    serde_json::from_str(text).map_err(|_not_ours| corrupt(column))
}

/// Counts and seqs stay far below 2^63; one that does not is stored as the largest.
pub(crate) fn big(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}

pub(crate) fn read_count<T: TryFrom<i64>>(stored: i64, column: &'static str) -> Result<T, PortError> {
    T::try_from(stored).map_err(|_out_of_range| corrupt(column))
}

pub(crate) const fn kind_word(kind: ConversationKind) -> &'static str {
    match kind {
        ConversationKind::Session => SESSION,
        ConversationKind::Squad => SQUAD,
        ConversationKind::Room => ROOM,
    }
}

pub(crate) fn read_kind(text: &str) -> Result<ConversationKind, PortError> {
    match text {
        SESSION => Ok(ConversationKind::Session),
        SQUAD => Ok(ConversationKind::Squad),
        ROOM => Ok(ConversationKind::Room),
        _ => Err(corrupt("conversations.kind")),
    }
}

pub(crate) fn read_state(text: &str) -> Result<GenerationState, PortError> {
    match text {
        STREAMING => Ok(GenerationState::Streaming),
        ENDED => Ok(GenerationState::Ended),
        SETTLED => Ok(GenerationState::Settled),
        _ => Err(corrupt("generations.state")),
    }
}

#[cfg(test)]
mod tests {
    use chat::message::{EndReason, Failure, MessageStatus};

    use super::*;

    #[test]
    fn words_come_back() {
        assert_eq!(word(&EndReason::Length), "length");
        assert_eq!(read_word::<EndReason>("length", "x").unwrap(), EndReason::Length);
        assert_eq!(word(&MessageStatus::Streaming), STREAMING);
        assert_eq!(read_word::<Failure>(&word(&Failure::ModelTimeout), "x").unwrap(), Failure::ModelTimeout);
    }

    #[test]
    fn what_no_release_wrote_is_corrupt() {
        assert!(matches!(read_word::<EndReason>("melted", "messages.why"), Err(PortError::Corrupt { .. })));
        assert!(matches!(read_count::<u64>(-1, "messages.seq"), Err(PortError::Corrupt { .. })));
    }
}
