//! Marks in the original text what a question was found by.

use std::collections::HashSet;

use crate::analysis;

/// A range of a passage's text, in UTF-16 code units as every offset of the API: `text.slice(start, end)` in
/// JavaScript.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Highlight {
    /// First unit.
    pub start: u32,
    /// The unit after the last one.
    pub end: u32,
}

/// The places of the query's terms in a text, ascending, without overlap; neighbours are joined.
///
/// Pairs and words are marked; single characters only where no pair was found, since 之 or 不 would otherwise
/// colour every text.
pub(crate) fn highlights(text: &str, query_terms: &[String]) -> Vec<Highlight> {
    let wanted: HashSet<&str> = query_terms.iter().map(String::as_str).collect();
    let found: Vec<analysis::Term> =
        analysis::terms(text).into_iter().filter(|term| wanted.contains(term.text.as_str())).collect();
    let telling: Vec<&analysis::Term> = found.iter().filter(|term| term.text.chars().count() > 1).collect();
    let chosen = if telling.is_empty() { found.iter().collect() } else { telling };
    to_utf16(text, &merged(chosen.iter().map(|term| (term.start, term.end))))
}

fn merged(ranges: impl Iterator<Item = (usize, usize)>) -> Vec<(usize, usize)> {
    let mut joined: Vec<(usize, usize)> = Vec::new();
    for (start, end) in ranges {
        match joined.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            Some(_) | None => joined.push((start, end)),
        }
    }
    joined
}

/// Turns ascending byte ranges into UTF-16 ranges in one walk over the text.
fn to_utf16(text: &str, ranges: &[(usize, usize)]) -> Vec<Highlight> {
    let mut marks = Vec::with_capacity(ranges.len());
    let mut ranges = ranges.iter();
    let mut current = ranges.next();
    let (mut units, mut start) = (0_u32, 0_u32);
    let ends =
        text.char_indices().map(|(at, character)| (at, character.len_utf16())).chain([(text.len(), 0)]);
    for (at, width) in ends {
        if let Some(&(_, end)) = current
            && end == at
        {
            marks.push(Highlight { start, end: units });
            current = ranges.next();
        }
        if current.is_some_and(|&(begin, _)| begin == at) {
            start = units;
        }
        units = units.saturating_add(u32::try_from(width).unwrap_or(0));
    }
    marks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(text: &str, query: &str) -> Vec<String> {
        let units: Vec<u16> = text.encode_utf16().collect();
        highlights(text, &analysis::query_terms(query))
            .into_iter()
            .map(|mark| {
                let range = usize::try_from(mark.start).unwrap()..usize::try_from(mark.end).unwrap();
                String::from_utf16(&units[range]).unwrap()
            })
            .collect()
    }

    #[test]
    fn a_known_line_is_marked_as_one() {
        assert_eq!(marked("子曰：“学而时习之，不亦说乎？”", "学而时习之是什么意思"), ["学而时习之"]);
    }

    #[test]
    fn a_traditional_question_marks_the_simplified_text() {
        assert_eq!(marked("学而时习之，不亦说乎", "學而時習"), ["学而时习"]);
    }

    #[test]
    fn single_characters_are_marked_only_without_a_pair() {
        assert_eq!(marked("仁者爱人，仁也", "仁"), ["仁", "仁"]);
        assert_eq!(marked("仁者爱人，仁也", "仁者"), ["仁者"]);
    }

    #[test]
    fn offsets_count_utf16_units() {
        assert_eq!(highlights("𠮷学而", &["学而".to_owned()]), [Highlight { start: 2, end: 4 }]);
        assert_eq!(highlights("无", &["学".to_owned()]), []);
    }
}
