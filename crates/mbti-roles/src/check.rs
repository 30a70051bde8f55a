//! What a character must be before it may enter a book: bounded texts, an id of the right form, known works.
//!
//! The limits are generous for people and tight for prompts: instructions are paid for with every question.

use std::ops::RangeInclusive;

use kernel::Fen;
use thiserror::Error;

use crate::character::{Character, CharacterKind, UnlockType, avatar_path};

/// The works of the built-in library, by its names.
pub const WORKS: [&str; 7] = ["论语", "孟子", "大学", "中庸", "唐诗三百首", "道德经", "孙子兵法"];

/// What is wrong with a character.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Flaw {
    /// A text is empty, too short, too long or holds control characters.
    #[error("{field} must have {min} to {max} characters and no control characters")]
    Text {
        /// Which field.
        field: &'static str,
        /// At least.
        min: usize,
        /// At most.
        max: usize,
    },
    /// A list has too few or too many entries.
    #[error("{field} must have {min} to {max} entries")]
    List {
        /// Which field.
        field: &'static str,
        /// At least.
        min: usize,
        /// At most.
        max: usize,
    },
    /// The id does not say what the character is.
    #[error("the id of a companion is {{type}}_{{role}}_{{nnn}}, that of a master classics_{{name}}")]
    Id,
    /// The picture is somewhere else than where its id says.
    #[error("the avatar must be at /avatars/{{id}}.svg")]
    Avatar,
    /// The seal is not one character on a colour.
    #[error("the seal must be one character on a #rrggbb ground")]
    Seal,
    /// A work that the library does not have.
    #[error("the library has no work named {0}")]
    UnknownWork(String),
    /// A master without works, or one that does not answer from them.
    #[error("a master answers from at least one work")]
    MasterWithoutWorks,
    /// Free with a price, or sold for nothing.
    #[error("a free character costs nothing, and a paid one costs something")]
    Price,
}

const ENTRY: RangeInclusive<usize> = 1..=20;

/// The first thing that is wrong with a character, if anything is.
pub fn check(character: &Character) -> Result<(), Flaw> {
    check_texts(character)?;
    check_lists(character)?;
    check_identity(character)?;
    check_works(character)?;
    check_price(character)
}

fn check_texts(c: &Character) -> Result<(), Flaw> {
    text("name", &c.name, 1..=16)?;
    text("english_name", &c.english_name, 1..=40)?;
    text("title", &c.title, 2..=20)?;
    text("background", &c.background, 10..=80)?;
    text("background_story", &c.background_story, 80..=600)?;
    text("greeting", &c.greeting, 10..=200)?;
    text("instructions", &c.instructions, 150..=1_500)?;
    text("personality.catchphrase", &c.personality.catchphrase, 2..=40)?;
    text("personality.communication", &c.personality.communication, 10..=120)
}

fn check_lists(c: &Character) -> Result<(), Flaw> {
    list("aliases", &c.aliases, 0..=10, ENTRY)?;
    list("near_names", &c.near_names, 0..=80, 2..=12)?;
    list("topics", &c.topics, 0..=12, 1..=12)?;
    list("lines", &c.lines, 8..=12, 4..=80)?;
    list("works", &c.works, 0..=WORKS.len(), ENTRY)?;
    list("personality.traits", &c.personality.traits, 3..=6, 1..=12)?;
    list("personality.quirks", &c.personality.quirks, 2..=5, 4..=60)
}

fn check_identity(c: &Character) -> Result<(), Flaw> {
    if !id_fits(c) {
        return Err(Flaw::Id);
    }
    if c.avatar != avatar_path(&c.id) {
        return Err(Flaw::Avatar);
    }
    let is_colour = |digits: &str| digits.len() == 6 && digits.chars().all(|digit| digit.is_ascii_hexdigit());
    let one_character = c.seal.character.chars().count() == 1;
    if one_character && c.seal.ground.strip_prefix('#').is_some_and(is_colour) {
        Ok(())
    } else {
        Err(Flaw::Seal)
    }
}

fn id_fits(c: &Character) -> bool {
    let words: Vec<&str> = c.id.as_str().split('_').collect();
    let is_number = |word: &str| word.len() == 3 && word.chars().all(|digit| digit.is_ascii_digit());
    match (c.kind, words.as_slice()) {
        (CharacterKind::Master, ["classics", _name]) => true,
        (CharacterKind::Companion, [kind, _role, number]) => {
            *kind == c.dimension.as_str().to_ascii_lowercase() && is_number(number)
        }
        (CharacterKind::Master | CharacterKind::Companion, _) => false,
    }
}

fn check_works(c: &Character) -> Result<(), Flaw> {
    if let Some(unknown) = c.works.iter().find(|work| !WORKS.contains(&work.as_str())) {
        return Err(Flaw::UnknownWork(unknown.clone()));
    }
    match c.kind {
        CharacterKind::Master if c.works.is_empty() || !c.uses_knowledge => Err(Flaw::MasterWithoutWorks),
        CharacterKind::Master | CharacterKind::Companion => Ok(()),
    }
}

fn check_price(c: &Character) -> Result<(), Flaw> {
    let fits = match c.unlock_type {
        UnlockType::Free => c.price == Fen::ZERO,
        UnlockType::Paid | UnlockType::Limited => c.price.is_positive(),
        UnlockType::Vip => c.price >= Fen::ZERO,
    };
    if fits { Ok(()) } else { Err(Flaw::Price) }
}

pub(crate) fn list(
    field: &'static str,
    entries: &[String],
    count: RangeInclusive<usize>,
    length: RangeInclusive<usize>,
) -> Result<(), Flaw> {
    if !count.contains(&entries.len()) {
        return Err(Flaw::List { field, min: *count.start(), max: *count.end() });
    }
    entries.iter().try_for_each(|entry| text(field, entry, length.clone()))
}

pub(crate) fn text(field: &'static str, value: &str, length: RangeInclusive<usize>) -> Result<(), Flaw> {
    let is_clean = value.trim() == value && !value.chars().any(|c| c.is_control() && c != '\n');
    if is_clean && length.contains(&value.chars().count()) {
        Ok(())
    } else {
        Err(Flaw::Text { field, min: *length.start(), max: *length.end() })
    }
}
