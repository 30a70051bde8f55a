//! Folding of characters: both scripts, both widths and both cases to one form.
//!
//! It works character by character, so that a folded text has the same length and the same offsets as its
//! original, and so that the result does not depend on the neighbours: 乾坤 and 干坤 fold to the same. That loses
//! a few distinctions of modern spelling and never misses a match, which is what a search wants, and a call by name.
//! It is here since the library and the rooms compare texts in the same way, with one table for both.

use std::sync::OnceLock;

use ferrous_opencc::OpenCC;
use ferrous_opencc::config::BuiltinConfig;

/// Han blocks that hold traditional characters with a simplified form.
const HAN_BLOCKS: [(char, char); 3] =
    [('\u{3400}', '\u{4DBF}'), ('\u{4E00}', '\u{9FFF}'), ('\u{20000}', '\u{2A6DF}')];
const FULL_WIDTH: (char, char) = ('\u{FF01}', '\u{FF5E}');
const FULL_WIDTH_OFFSET: u32 = 0xFF01 - 0x21;

/// The form of a character that is compared: simplified, half-width, lower case.
pub fn fold(character: char) -> char {
    if character.is_ascii() {
        return character.to_ascii_lowercase();
    }
    if (FULL_WIDTH.0..=FULL_WIDTH.1).contains(&character) {
        let half = char::from_u32(u32::from(character) - FULL_WIDTH_OFFSET).unwrap_or(character);
        return half.to_ascii_lowercase();
    }
    if is_han(character) {
        return simplified(character);
    }
    let mut lower = character.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(one), None) => one,
        _ => character,
    }
}

/// A Han character, including the ones outside the basic plane and 〇.
pub const fn is_han(character: char) -> bool {
    matches!(
        character,
        '\u{3007}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{323AF}'
    )
}

fn simplified(character: char) -> char {
    let table = SIMPLIFIED.get_or_init(load_table);
    match table.binary_search_by_key(&character, |&(traditional, _)| traditional) {
        Ok(index) => table.get(index).map_or(character, |&(_, simple)| simple),
        Err(_) => character,
    }
}

/// Traditional and simplified, sorted by the former: about four thousand pairs, 32 KiB.
static SIMPLIFIED: OnceLock<Vec<(char, char)>> = OnceLock::new();

/// Asks OpenCC for each character alone and then drops its dictionaries, which are larger than the table.
fn load_table() -> Vec<(char, char)> {
    let Ok(converter) = OpenCC::from_config(BuiltinConfig::T2s) else {
        // The dictionaries are compiled in, so this cannot happen (a test reads them); simplified texts would
        // still be compared.
        return Vec::new();
    };
    let mut table = Vec::with_capacity(4_200);
    for (first, last) in HAN_BLOCKS {
        // Line breaks keep neighbouring code points from being taken for a phrase.
        let block: String = (first..=last).flat_map(|character| [character, '\n']).collect();
        let simple = converter.convert(&block);
        let pairs = (first..=last).zip(simple.split('\n')).filter_map(|(traditional, text)| {
            let mut characters = text.chars();
            let only = characters.next().filter(|_| characters.next().is_none())?;
            (only != traditional).then_some((traditional, only))
        });
        table.extend(pairs);
    }
    settled(&table)
}

/// Follows a form that is itself a traditional character (薴 苧 苎) to its end, so that folding twice is folding once.
fn settled(table: &[(char, char)]) -> Vec<(char, char)> {
    let next = |character: char| {
        let found = table.binary_search_by_key(&character, |&(traditional, _)| traditional).ok();
        found.and_then(|index| table.get(index)).map(|&(_, simple)| simple)
    };
    table.iter().map(|&(traditional, simple)| (traditional, next(simple).unwrap_or(simple))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traditional_characters_fold_to_simplified() {
        let folded: String = "學而時習之，不亦說乎".chars().map(fold).collect();
        assert_eq!(folded, "学而时习之,不亦说乎");
    }

    #[test]
    fn folding_twice_is_folding_once() {
        for (first, last) in HAN_BLOCKS {
            for character in first..=last {
                assert_eq!(fold(fold(character)), fold(character), "{character}");
            }
        }
    }

    #[test]
    fn width_and_case_do_not_count() {
        let folded: String = "ＡＢｃ１２　É".chars().map(fold).collect();
        assert_eq!(folded, "abc12　é");
    }

    #[test]
    fn the_table_has_the_size_of_the_dictionary() {
        let size = SIMPLIFIED.get_or_init(load_table).len();
        assert!((3_500..5_000).contains(&size), "{size}");
    }
}
