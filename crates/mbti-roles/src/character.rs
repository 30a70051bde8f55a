//! A character: who it is, how it speaks, and what it costs to talk to it.
//!
//! The serde names here are those of the data files, not of the HTTP API.

use std::fmt;
use std::str::FromStr;

use kernel::Fen;
use serde::Deserialize;
use thiserror::Error;

use crate::mbti::Mbti;

/// A text that cannot be a character's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a character's id")]
pub struct InvalidCharacterId;

const ID_CHARS_MAX: usize = 64;

/// A character's id: lower-case words joined by `_`, at most 64 characters, for example `intj_scientist_001`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct CharacterId(String);

impl CharacterId {
    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CharacterId {
    type Err = InvalidCharacterId;

    fn from_str(text: &str) -> Result<Self, InvalidCharacterId> {
        let is_word = |word: &str| {
            !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        };
        if text.len() <= ID_CHARS_MAX && text.split('_').all(is_word) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidCharacterId)
        }
    }
}

impl TryFrom<String> for CharacterId {
    type Error = InvalidCharacterId;

    fn try_from(text: String) -> Result<Self, InvalidCharacterId> {
        text.parse()
    }
}

impl fmt::Display for CharacterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What sort of character it is. Masters are listed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CharacterKind {
    /// A master of the classics, who answers from works.
    Master,
    /// A companion of one MBTI type.
    Companion,
}

/// How rare it is, the commonest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rarity {
    /// Everybody has it.
    Common,
    /// Bought.
    Rare,
    /// For members.
    Epic,
    /// A master, or sold for a limited time.
    Legendary,
}

impl Rarity {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Common => "common",
            Self::Rare => "rare",
            Self::Epic => "epic",
            Self::Legendary => "legendary",
        }
    }
}

/// How one comes to talk to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnlockType {
    /// Open to everybody.
    Free,
    /// Bought once.
    Paid,
    /// With a membership.
    Vip,
    /// While it is offered.
    Limited,
}

impl UnlockType {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Paid => "paid",
            Self::Vip => "vip",
            Self::Limited => "limited",
        }
    }
}

/// How it is with people.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Personality {
    /// A few adjectives.
    pub traits: Vec<String>,
    /// What it says again and again.
    pub catchphrase: String,
    /// How it talks, in a sentence.
    pub communication: String,
    /// Small habits.
    pub quirks: Vec<String>,
}

/// What its avatar is drawn from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seal {
    /// One Chinese character.
    pub character: String,
    /// The colour below it, `#rrggbb`.
    pub ground: String,
}

/// A character.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Character {
    /// Its id, kept for ever.
    pub id: CharacterId,
    /// Master or companion.
    pub kind: CharacterKind,
    /// Its type.
    pub dimension: Mbti,
    /// The name it goes by, in Chinese.
    pub name: String,
    /// The same in Latin letters.
    pub english_name: String,
    /// What it does, in a few words.
    pub title: String,
    /// Other names that people call it by; no two characters share one.
    pub aliases: Vec<String>,
    /// Words that hold one of its names and do not mean it: 孙子兵法 calls nobody.
    #[serde(default)]
    pub near_names: Vec<String>,
    /// Words of what it likes to talk about: a room where they fall hears from it sooner.
    #[serde(default)]
    pub topics: Vec<String>,
    /// Path of its picture on this server.
    pub avatar: String,
    /// How rare it is.
    pub rarity: Rarity,
    /// How one comes to talk to it.
    pub unlock_type: UnlockType,
    /// What it costs; nothing for a free one.
    #[serde(rename = "price_fen")]
    pub price: Fen,
    /// Whether it answers from the library unless the asker says otherwise.
    pub uses_knowledge: bool,
    /// The works it answers from, by the library's names; empty means all.
    pub works: Vec<String>,
    /// Who it is, in one line.
    pub background: String,
    /// Where it comes from, in a paragraph or two.
    pub background_story: String,
    /// How it greets somebody who has just met it.
    pub greeting: String,
    /// Remarks of its own that fit almost any question; the offline model speaks with them.
    pub lines: Vec<String>,
    /// The text of the system role. In a book, the rules that all characters keep are at its end.
    pub instructions: String,
    /// How it is with people.
    pub personality: Personality,
    /// What its avatar is drawn from.
    pub seal: Seal,
}

/// Where a character's drawn picture lies on this server.
pub fn avatar_path(id: &CharacterId) -> String {
    format!("/avatars/{id}.svg")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_lower_case_words() {
        assert!("intj_scientist_001".parse::<CharacterId>().is_ok());
        assert!("char_e_1".parse::<CharacterId>().is_ok());
        for bad in ["", "_", "INTJ_1", "intj__1", "intj-1", "孔子", "a/b", &"a".repeat(65)] {
            assert_eq!(bad.parse::<CharacterId>(), Err(InvalidCharacterId), "{bad}");
        }
    }
}
