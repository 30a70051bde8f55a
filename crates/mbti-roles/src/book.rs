//! The book of characters: data files read once, checked, and put in order.
//!
//! A book with a flaw is refused as a whole: the server would rather not start than speak with half a
//! character.

use std::collections::HashSet;

use serde::Deserialize;
use thiserror::Error;

use crate::character::{Character, CharacterKind};
use crate::check::{Flaw, check};
use crate::data::{CHARACTERS, RULES, SQUAD_CHARACTERS, SQUAD_TOPICS};
use crate::squad::Squad;

/// Why a book cannot be read.
#[derive(Debug, Error)]
pub enum BookError {
    /// A file is not TOML, or has other fields than a character has.
    #[error("{file} cannot be read")]
    Unreadable {
        /// Which file.
        file: String,
        /// Where, and what was expected.
        #[source]
        cause: Box<toml::de::Error>,
    },
    /// A character breaks a rule.
    #[error("{file} is not a valid character")]
    Invalid {
        /// Which file.
        file: String,
        /// What is wrong.
        #[source]
        flaw: Flaw,
    },
    /// Two characters share an id, a name or an alias.
    #[error("{file} repeats {word}")]
    Repeated {
        /// The later file.
        file: String,
        /// What is there twice.
        word: String,
    },
}

/// All characters, masters first, then by type and rarity.
#[derive(Debug)]
pub struct CharacterBook {
    characters: Vec<Character>,
    squad: Squad,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rules {
    pub(crate) everyone: String,
    pub(crate) masters: String,
    pub(crate) squads: String,
}

impl CharacterBook {
    /// The characters that come with the program.
    pub fn built_in() -> Result<Self, BookError> {
        let rules = parse(RULES)?;
        let mut words = HashSet::new();
        let characters = read_characters(&rules, &CHARACTERS, &mut words)?;
        let squad = Squad::read(&rules, &SQUAD_CHARACTERS, SQUAD_TOPICS, &mut words)?;
        Ok(Self { characters, squad })
    }

    /// Reads a book of a rules file and character files, each a name for errors and a text. It has no squads.
    pub fn read(rules: (&str, &str), files: &[(&str, &str)]) -> Result<Self, BookError> {
        let characters = read_characters(&parse(rules)?, files, &mut HashSet::new())?;
        Ok(Self { characters, squad: Squad::default() })
    }

    /// The characters and topics of squads.
    pub fn squad(&self) -> &Squad {
        &self.squad
    }

    /// All characters, in order.
    pub fn characters(&self) -> &[Character] {
        &self.characters
    }

    /// The character with this id.
    pub fn get(&self, id: &str) -> Option<&Character> {
        self.characters.iter().find(|character| character.id.as_str() == id)
    }
}

fn read_characters(
    rules: &Rules,
    files: &[(&str, &str)],
    words: &mut HashSet<String>,
) -> Result<Vec<Character>, BookError> {
    let mut characters = Vec::with_capacity(files.len());
    for file in files {
        let mut character = read_character(*file)?;
        let own = [character.id.as_str(), &character.name, &character.english_name];
        claim_words(file.0, own, &character.aliases, words)?;
        append_rules(&mut character, rules);
        characters.push(character);
    }
    // A stable sort, so that masters keep the order in which they were listed.
    characters.sort_by_key(|c| match c.kind {
        CharacterKind::Master => (c.kind, None),
        CharacterKind::Companion => (c.kind, Some((c.dimension, c.rarity))),
    });
    Ok(characters)
}

pub(crate) fn parse<T: for<'de> Deserialize<'de>>((file, text): (&str, &str)) -> Result<T, BookError> {
    toml::from_str(text)
        .map_err(|cause| BookError::Unreadable { file: file.to_owned(), cause: Box::new(cause) })
}

fn read_character(source: (&str, &str)) -> Result<Character, BookError> {
    let mut character: Character = parse(source)?;
    // Multi-line texts of a data file end with a line break that belongs to the file, not to the text.
    for text in [&mut character.background_story, &mut character.instructions] {
        *text = text.trim().to_owned();
    }
    match check(&character) {
        Ok(()) => Ok(character),
        Err(flaw) => Err(BookError::Invalid { file: source.0.to_owned(), flaw }),
    }
}

/// Notes the words that a character goes by; no two share one.
pub(crate) fn claim_words(
    file: &str,
    own: [&str; 3],
    aliases: &[String],
    words: &mut HashSet<String>,
) -> Result<(), BookError> {
    for word in own.into_iter().chain(aliases.iter().map(String::as_str)) {
        if !words.insert(word.to_lowercase()) {
            return Err(BookError::Repeated { file: file.to_owned(), word: word.to_owned() });
        }
    }
    Ok(())
}

fn append_rules(character: &mut Character, rules: &Rules) {
    let parts = match character.kind {
        CharacterKind::Master => vec![rules.everyone.as_str(), rules.masters.as_str()],
        CharacterKind::Companion => vec![rules.everyone.as_str()],
    };
    for part in parts {
        character.instructions.push_str("\n\n");
        character.instructions.push_str(part.trim());
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::check::WORKS;
    use crate::mbti::Mbti;

    fn book() -> CharacterBook {
        CharacterBook::built_in().unwrap()
    }

    fn first_file() -> &'static str {
        CHARACTERS[0].1
    }

    fn error_of(text: &str) -> BookError {
        CharacterBook::read(RULES, &[("changed.toml", text)]).unwrap_err()
    }

    fn flaw_of(from: &str, to: &str) -> Flaw {
        assert!(first_file().contains(from), "the test changes nothing: {from}");
        match error_of(&first_file().replacen(from, to, 1)) {
            BookError::Invalid { flaw, .. } => flaw,
            other => panic!("expected a flaw, got {other:?}"),
        }
    }

    #[test]
    fn the_built_in_book_has_sixteen_companions_of_every_type_and_four_masters() {
        let book = book();
        let (masters, companions): (Vec<_>, Vec<_>) =
            book.characters().iter().partition(|c| c.kind == CharacterKind::Master);
        let names: Vec<_> = masters.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["孔子", "孟子", "老子", "孙子"]);
        let types: Vec<_> = companions.iter().map(|c| c.dimension).collect();
        assert_eq!(types, Mbti::ALL);
    }

    #[test]
    fn a_file_is_named_as_its_character() {
        let book = book();
        for (file, _) in CHARACTERS {
            let stem = Path::new(file).file_stem().and_then(|stem| stem.to_str()).unwrap();
            assert!(book.get(stem).is_some(), "{file}");
        }
    }

    #[test]
    fn every_data_file_is_in_the_list() {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
        let count = |folder: &str| std::fs::read_dir(data.join(folder)).unwrap().count();
        assert_eq!(count("masters") + count("companions"), CHARACTERS.len());
    }

    #[test]
    fn every_character_has_a_picture() {
        let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web");
        for character in book().characters() {
            assert!(web.join(character.avatar.trim_start_matches('/')).is_file(), "{}", character.avatar);
        }
    }

    #[test]
    fn masters_answer_from_their_own_works() {
        let book = book();
        let works = |id: &str| book.get(id).unwrap().works.clone();
        assert_eq!(works("classics_kongzi"), ["论语", "大学", "中庸"]);
        assert_eq!(works("classics_mengzi"), ["孟子"]);
        assert_eq!(works("classics_laozi"), ["道德经"]);
        assert_eq!(works("classics_sunzi"), ["孙子兵法"]);
        assert!(book.characters().iter().flat_map(|c| &c.works).all(|work| WORKS.contains(&work.as_str())));
    }

    #[test]
    fn lines_of_masters_do_not_look_like_quotations() {
        for master in book().characters().iter().filter(|c| c.kind == CharacterKind::Master) {
            for line in &master.lines {
                assert!(!line.contains(['“', '「', '《', '[']) && !line.contains('曰'), "{line}");
            }
        }
    }

    #[test]
    fn instructions_end_with_the_rules_and_stay_bounded() {
        for character in book().characters() {
            assert!(character.instructions.contains("【共同的规矩】"));
            assert_eq!(
                character.instructions.contains("【讲经典的规矩】"),
                character.kind == CharacterKind::Master
            );
            assert!(character.instructions.chars().count() < 2_500, "{}", character.id);
        }
    }

    #[test]
    fn no_two_characters_share_a_line() {
        let book = book();
        let mut seen = HashSet::new();
        for line in book.characters().iter().flat_map(|c| &c.lines) {
            assert!(seen.insert(line), "{line}");
        }
    }

    #[test]
    fn a_file_with_an_unknown_or_missing_field_is_refused() {
        let unknown = format!("surprise = 1\n{}", first_file());
        assert!(matches!(error_of(&unknown), BookError::Unreadable { .. }));
        let missing = first_file().replacen("english_name", "# english_name", 1);
        assert!(matches!(error_of(&missing), BookError::Unreadable { .. }));
    }

    #[test]
    fn a_character_that_breaks_a_rule_is_refused_with_the_rule() {
        assert_eq!(
            flaw_of(r#"name = "孔子""#, r#"name = """#),
            Flaw::Text { field: "name", min: 1, max: 16 }
        );
        assert_eq!(flaw_of(r#"kind = "master""#, r#"kind = "companion""#), Flaw::Id);
        assert_eq!(flaw_of("/avatars/classics_kongzi.svg", "/avatars/other.svg"), Flaw::Avatar);
        assert_eq!(flaw_of("#8c3b2f", "red"), Flaw::Seal);
        assert_eq!(flaw_of(r#""论语", "#, r#""红楼梦", "#), Flaw::UnknownWork("红楼梦".to_owned()));
        assert_eq!(flaw_of("uses_knowledge = true", "uses_knowledge = false"), Flaw::MasterWithoutWorks);
        assert_eq!(flaw_of("price_fen = 0", "price_fen = 100"), Flaw::Price);
    }

    #[test]
    fn two_characters_cannot_share_a_name() {
        let twice = CharacterBook::read(RULES, &[CHARACTERS[0], CHARACTERS[0]]);
        assert!(matches!(twice, Err(BookError::Repeated { .. })));
    }
}
