//! The characters of squads: two for each of the eight letters, made to talk with each other, and the topics that a
//! squad may begin with.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use serde::Deserialize;

use crate::book::{BookError, Rules, claim_words, parse};
use crate::character::{CharacterId, Seal, UnlockType, avatar_path};
use crate::check::{Flaw, list, text};

macro_rules! letters {
    ($($variant:ident = $text:literal: $doc:literal),+ $(,)?) => {
        /// One side of a type.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
        pub enum Letter {
            $(#[doc = $doc] $variant),+
        }

        impl Letter {
            /// All of them, in order.
            pub const ALL: [Self; 8] = [$(Self::$variant),+];

            /// The capital letter.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text),+
                }
            }
        }
    };
}

letters! {
    E = "E": "Extraverted.",
    I = "I": "Introverted.",
    S = "S": "Sensing.",
    N = "N": "Intuitive.",
    T = "T": "Thinking.",
    F = "F": "Feeling.",
    J = "J": "Judging.",
    P = "P": "Perceiving.",
}

/// A character of squads.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SquadCharacter {
    /// Its id, kept for ever: `char_e_1`.
    pub id: CharacterId,
    /// The side that it stands for.
    pub dimension: Letter,
    /// The name it goes by, in Chinese.
    pub name: String,
    /// The same in Latin letters.
    pub english_name: String,
    /// Other names that people call it by; no two characters of the book share one.
    pub aliases: Vec<String>,
    /// Path of its picture on this server.
    pub avatar: String,
    /// How one comes to talk to it.
    pub unlock_type: UnlockType,
    /// How readily it speaks unasked, 0 to 100.
    pub talkativeness: u8,
    /// Words of what it likes to talk about.
    pub topics: Vec<String>,
    /// Who it is, in one or two lines.
    pub persona: String,
    /// How it talks.
    pub voice_style: String,
    /// What it says again and again.
    pub signature: String,
    /// Remarks of its own that fit almost any question; the offline model speaks with them.
    pub lines: Vec<String>,
    /// The text of the system role, with the rules at its end.
    pub instructions: String,
    /// What its avatar is drawn from.
    pub seal: Seal,
}

/// What a squad may talk about.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SquadTopic {
    /// Its id.
    pub id: String,
    /// The question in a few words.
    pub title: String,
    /// What makes it worth talking about.
    pub description: String,
    /// Characters that have something to say on it, at least three.
    pub recommended: Vec<CharacterId>,
}

/// Everybody and everything that squads are made of.
#[derive(Debug, Clone, Default)]
pub struct Squad {
    characters: Vec<SquadCharacter>,
    topics: Vec<SquadTopic>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Topics {
    topics: Vec<SquadTopic>,
}

const RECOMMENDED: RangeInclusive<usize> = 3..=8;

impl Squad {
    /// Reads character files and a file of topics, and claims the words that the characters go by.
    pub(crate) fn read(
        rules: &Rules,
        files: &[(&str, &str)],
        topics: (&str, &str),
        words: &mut HashSet<String>,
    ) -> Result<Self, BookError> {
        let mut characters = Vec::with_capacity(files.len());
        for (file, text) in files {
            let mut character: SquadCharacter = parse((file, text))?;
            let instructions = character.instructions.trim().to_owned();
            character.instructions = instructions;
            check(&character).map_err(|flaw| invalid(file, flaw))?;
            let own = [character.id.as_str(), &character.name, &character.english_name];
            claim_words(file, own, &character.aliases, words)?;
            for part in [&rules.everyone, &rules.squads] {
                character.instructions.push_str("\n\n");
                character.instructions.push_str(part.trim());
            }
            characters.push(character);
        }
        let squad = Self { characters, topics: parse::<Topics>(topics)?.topics };
        squad.check_topics().map_err(|flaw| invalid(topics.0, flaw))?;
        Ok(squad)
    }

    /// All characters, in the order of the letters.
    pub fn characters(&self) -> &[SquadCharacter] {
        &self.characters
    }

    /// All topics, in the order in which they are shown.
    pub fn topics(&self) -> &[SquadTopic] {
        &self.topics
    }

    /// The character with this id.
    pub fn get(&self, id: &str) -> Option<&SquadCharacter> {
        self.characters.iter().find(|character| character.id.as_str() == id)
    }

    fn check_topics(&self) -> Result<(), Flaw> {
        let mut ids = HashSet::new();
        for topic in &self.topics {
            text("title", &topic.title, 2..=30)?;
            text("description", &topic.description, 4..=80)?;
            let (min, max) = (*RECOMMENDED.start(), *RECOMMENDED.end());
            let are_known = topic.recommended.iter().all(|id| self.get(id.as_str()).is_some());
            if !are_known || !RECOMMENDED.contains(&topic.recommended.len()) {
                return Err(Flaw::List { field: "recommended", min, max });
            }
            if !ids.insert(&topic.id) {
                return Err(Flaw::Id);
            }
        }
        Ok(())
    }
}

fn invalid(file: &str, flaw: Flaw) -> BookError {
    BookError::Invalid { file: file.to_owned(), flaw }
}

fn check(c: &SquadCharacter) -> Result<(), Flaw> {
    text("name", &c.name, 1..=16)?;
    text("english_name", &c.english_name, 1..=40)?;
    text("persona", &c.persona, 20..=120)?;
    text("voice_style", &c.voice_style, 8..=80)?;
    text("signature", &c.signature, 4..=30)?;
    text("instructions", &c.instructions, 80..=800)?;
    list("aliases", &c.aliases, 0..=10, 1..=20)?;
    list("topics", &c.topics, 3..=10, 1..=10)?;
    list("lines", &c.lines, 8..=12, 4..=80)?;
    let letter = c.dimension.as_str().to_ascii_lowercase();
    if ![format!("char_{letter}_1"), format!("char_{letter}_2")].contains(&c.id.to_string()) {
        return Err(Flaw::Id);
    }
    if c.avatar != avatar_path(&c.id) {
        return Err(Flaw::Avatar);
    }
    if c.talkativeness > 100 {
        return Err(Flaw::List { field: "talkativeness", min: 0, max: 100 });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::book::CharacterBook;
    use crate::data::{SQUAD_CHARACTERS, SQUAD_TOPICS};

    #[test]
    fn there_are_two_characters_of_every_letter_and_seven_topics() {
        let book = CharacterBook::built_in().unwrap();
        let squad = book.squad();
        let letters: Vec<Letter> = squad.characters().iter().map(|c| c.dimension).collect();
        let expected: Vec<Letter> = Letter::ALL.into_iter().flat_map(|letter| [letter, letter]).collect();
        assert_eq!(letters, expected);
        assert_eq!(squad.topics().len(), 7);
        assert!(squad.get("char_e_1").is_some() && squad.get("char_p_2").is_some());
    }

    #[test]
    fn every_squad_character_has_a_picture_and_every_file_is_in_the_list() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let book = CharacterBook::built_in().unwrap();
        for character in book.squad().characters() {
            let picture = root.join("../../web").join(character.avatar.trim_start_matches('/'));
            assert!(picture.is_file(), "{}", character.avatar);
            assert_eq!(character.seal.character.chars().count(), 1, "{}", character.id);
        }
        assert_eq!(std::fs::read_dir(root.join("data/squad")).unwrap().count(), SQUAD_CHARACTERS.len());
    }

    #[test]
    fn no_two_characters_share_a_line_and_all_keep_the_rules() {
        let book = CharacterBook::built_in().unwrap();
        let mut seen = HashSet::new();
        for character in book.squad().characters() {
            assert!(character.lines.iter().all(|line| seen.insert(line.clone())), "{}", character.id);
            assert!(character.instructions.contains("【小队里的规矩】"), "{}", character.id);
        }
    }

    #[test]
    fn a_topic_of_unknown_characters_is_refused() {
        let rules = Rules { everyone: String::new(), masters: String::new(), squads: String::new() };
        let text = SQUAD_TOPICS.1.replacen("char_t_2", "char_x_9", 1);
        let read = Squad::read(&rules, &SQUAD_CHARACTERS, ("topics", &text), &mut HashSet::new());
        assert!(matches!(read, Err(BookError::Invalid { flaw: Flaw::List { .. }, .. })));
    }
}
