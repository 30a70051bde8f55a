//! Conversations: one person's session with a character, and what names them. Rooms and squads are in
//! [`crate::room`].

use std::fmt;
use std::str::FromStr;

use kernel::{Timestamp, UserId};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A text that cannot name a conversation or a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a valid name")]
pub struct InvalidName;

const NAME_CHARS_MAX: usize = 64;

fn is_name(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    !text.is_empty() && text.len() <= NAME_CHARS_MAX && text.chars().all(allowed)
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl TryFrom<String> for $type {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, InvalidName> {
                if is_name(&text) { Ok(Self(text)) } else { Err(InvalidName) }
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0
            }
        }

        impl $type {
            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                if is_name(text) { Ok(Self(text.to_owned())) } else { Err(InvalidName) }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// A conversation's id: a UUIDv7, or a slug of at most 64 characters for public rooms.
    ConversationId
}
name! {
    /// A character's id, a slug such as `classics_kongzi`.
    CharacterId
}

/// What a conversation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConversationKind {
    /// One person and one character.
    Session,
    /// One person and up to eight characters that answer in turn on a topic.
    Squad,
    /// People and characters together.
    Room,
}

/// A session as it stands. (Squads and rooms are [`crate::room::Room`]s.)
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    /// Its id.
    pub id: ConversationId,
    /// What it is.
    pub kind: ConversationKind,
    /// Whose it is.
    pub owner: UserId,
    /// Who answers in it.
    pub character_id: CharacterId,
    /// Its title; empty until the owner or the first message gives one.
    pub title: String,
    /// Changes only when the log was lost or restored, so that an old cursor is never trusted.
    pub epoch: String,
    /// The newest event's seq; 0 before the first.
    pub head: u64,
    /// When it began.
    pub created_at: Timestamp,
    /// When something last happened in it.
    pub last_active_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_plain() {
        assert!("guoxue_room".parse::<ConversationId>().is_ok());
        assert!("0193d5c8-0000-7000-8000-000000000000".parse::<ConversationId>().is_ok());
        for bad in ["", "a b", "房间", "../x", &"a".repeat(65)] {
            assert_eq!(bad.parse::<ConversationId>(), Err(InvalidName));
        }
    }
}
