//! Characters by MBTI type and the classics masters.
//!
//! A character is a data file; this crate reads the built-in ones once, refuses a book that breaks its rules,
//! and answers who there is. It does no I/O and knows nothing of models or conversations.

pub mod affinity;
pub mod book;
pub mod character;
mod check;
mod data;
pub mod mbti;
pub mod service;
pub mod speaker;
pub mod squad;

pub use book::{BookError, CharacterBook};
pub use character::{Character, CharacterId, CharacterKind, InvalidCharacterId, Personality, Rarity, Seal};
pub use character::{UnlockType, avatar_path};
pub use check::{Flaw, WORKS};
pub use mbti::{InvalidMbti, Mbti};
pub use service::{CharacterFilter, CharacterService, Face};
pub use squad::{Letter, Squad, SquadCharacter, SquadTopic};
