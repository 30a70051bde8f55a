//! Text to terms: the same for the index, for questions and for highlighting.
//!
//! Classical Chinese has no word dictionary that helps a search, so every Han character is a term and so is every
//! pair of neighbours; Latin letters and digits make words. Punctuation, symbols and emoji end a run and make no
//! term. A question counts each term once, and terms with a modern function character are left out of it: they
//! say nothing about a classical text.

use std::collections::HashSet;

use kernel::fold::{fold, is_han};

/// Changes when the terms of a text change, so that indexes built before are rebuilt.
pub const ANALYSIS_VERSION: u32 = 1;

/// Characters of modern grammar; a term of a question that contains one is dropped.
const FUNCTION_CHARACTERS: [char; 8] = ['的', '了', '们', '这', '那', '着', '吗', '呢'];
/// Characters of a word that are kept; the rest of a longer run is a word of its own.
const WORD_CHARS_MAX: usize = 40;

/// A term and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// The folded text: one or two Han characters, or a word.
    pub text: String,
    /// Counted in Han characters and words from 0; punctuation takes a place too, so that nothing is next to each
    /// other across it.
    pub position: usize,
    /// Byte offset of the beginning in the original text.
    pub start: usize,
    /// Byte offset of the end in the original text.
    pub end: usize,
}

/// All terms of a text by position; at one position the single character comes before the pair.
pub fn terms(text: &str) -> Vec<Term> {
    let units = units(text);
    let mut found = Vec::with_capacity(units.len() * 2);
    let mut following = units.iter().skip(1);
    for unit in &units {
        let next = following.next();
        found.push(Term {
            text: unit.text.clone(),
            position: unit.position,
            start: unit.start,
            end: unit.end,
        });
        if let Some(next) = next.filter(|next| unit.han && next.han && next.position == unit.position + 1) {
            let pair = format!("{}{}", unit.text, next.text);
            found.push(Term { text: pair, position: unit.position, start: unit.start, end: next.end });
        }
    }
    found
}

/// The terms that a question asks for: each once, in order, without those of modern grammar.
pub fn query_terms(text: &str) -> Vec<String> {
    let mut seen = HashSet::new();
    terms(text)
        .into_iter()
        .map(|term| term.text)
        .filter(|term| !term.contains(FUNCTION_CHARACTERS))
        .filter(|term| seen.insert(term.clone()))
        .collect()
}

/// A name folded for comparison: no brackets, no white space, one script, one case.
pub fn fold_name(name: &str) -> String {
    name.chars().filter(|c| !c.is_whitespace() && !matches!(c, '《' | '》' | '〈' | '〉')).map(fold).collect()
}

/// A Han character or a word.
struct Unit {
    text: String,
    han: bool,
    position: usize,
    start: usize,
    end: usize,
}

fn units(text: &str) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    let mut position = 0;
    // Letters left for the word at the end of `units`; 0 when the next letter begins a word.
    let mut room = 0;
    let mut gap = false;
    for (start, original) in text.char_indices() {
        let end = start + original.len_utf8();
        let character = fold(original);
        let han = is_han(character);
        if !han && !character.is_alphanumeric() {
            room = 0;
            gap = true;
            continue;
        }
        if !han && room > 0 {
            room -= 1;
            if let Some(word) = units.last_mut() {
                word.text.push(character);
                word.end = end;
            }
            continue;
        }
        if let Some(last) = units.last() {
            position = last.position + if gap { 2 } else { 1 };
        }
        room = if han { 0 } else { WORD_CHARS_MAX - 1 };
        gap = false;
        units.push(Unit { text: character.to_string(), han, position, start, end });
    }
    units
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn listed(text: &str) -> Vec<(String, usize)> {
        terms(text).into_iter().map(|term| (term.text, term.position)).collect()
    }

    fn owned(expected: &[(&str, usize)]) -> Vec<(String, usize)> {
        expected.iter().map(|&(text, position)| (text.to_owned(), position)).collect()
    }

    #[test]
    fn characters_and_pairs_stand_at_their_true_positions() {
        let expected = [("学", 0), ("学而", 0), ("而", 1), ("而时", 1), ("时", 2)];
        assert_eq!(listed("学而时"), owned(&expected));
    }

    #[test]
    fn no_pair_reaches_over_punctuation() {
        assert_eq!(listed("学，而"), owned(&[("学", 0), ("而", 2)]));
        assert_eq!(listed("“学”\n而"), owned(&[("学", 0), ("而", 2)]));
    }

    #[test]
    fn words_and_digits_are_lower_case_and_make_no_pairs() {
        let expected = [("deepseek", 0), ("v4", 2), ("学", 3), ("2026", 4)];
        assert_eq!(listed("DeepSeek-V4学２０２６"), owned(&expected));
    }

    #[test]
    fn offsets_point_into_the_original_text() {
        let text = "子曰：學而";
        let cut: Vec<&str> = terms(text).iter().map(|term| text.get(term.start..term.end).unwrap()).collect();
        assert_eq!(cut, ["子", "子曰", "曰", "學", "學而", "而"]);
    }

    #[test]
    fn both_scripts_make_the_same_terms() {
        assert_eq!(query_terms("學而時習之"), query_terms("学而时习之"));
    }

    #[test]
    fn a_question_asks_for_each_term_once() {
        assert_eq!(query_terms("人人人"), ["人", "人人"]);
    }

    #[test]
    fn function_characters_are_left_out_of_questions_only() {
        assert_eq!(query_terms("仁的人"), ["仁", "人"]);
        assert_eq!(query_terms("的了吗呢"), Vec::<String>::new());
        assert!(terms("的").iter().any(|term| term.text == "的"));
    }

    #[test]
    fn punctuation_and_emoji_make_no_terms() {
        assert_eq!(query_terms("？！…🀄👨‍👩‍👧"), Vec::<String>::new());
        assert_eq!(listed("学🀄而"), owned(&[("学", 0), ("而", 2)]));
    }

    #[test]
    fn a_character_outside_the_basic_plane_is_a_character() {
        assert_eq!(listed("𠮷人"), owned(&[("𠮷", 0), ("𠮷人", 0), ("人", 1)]));
    }

    #[test]
    fn ten_thousand_characters_make_no_more_than_twice_as_many_terms() {
        assert_eq!(terms(&"学".repeat(10_000)).len(), 19_999);
        let longest = terms(&"a".repeat(10_000)).iter().map(|term| term.text.len()).max();
        assert_eq!(longest, Some(WORD_CHARS_MAX));
    }

    #[test]
    fn a_name_is_the_same_with_and_without_its_brackets() {
        assert_eq!(fold_name("《論語》 "), fold_name("论语"));
        assert_eq!(fold_name("Lun Yu"), "lunyu");
    }

    proptest! {
        #[test]
        fn any_text_has_terms_inside_itself_in_rising_positions(text in "\\PC{0,60}") {
            let found = terms(&text);
            for term in &found {
                prop_assert!(text.get(term.start..term.end).is_some_and(|slice| !slice.is_empty()));
            }
            prop_assert!(found.is_sorted_by_key(|term| term.position));
        }
    }
}
