//! Questions to the library: what a caller may ask, and what the index is asked.

use crate::analysis;
use crate::error::InvalidQuery;

/// Unicode scalar values of a query's text.
pub const QUERY_CHARS_MAX: usize = 200;
/// Hits of one search.
pub const QUERY_LIMIT_MAX: u32 = 50;
/// Works that one filter may name.
pub const QUERY_WORKS_MAX: usize = 20;

/// A search as a caller asks for it: 1 to 200 characters, 1 to 50 hits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchQuery {
    text: String,
    works: Vec<String>,
    limit: u32,
}

impl SearchQuery {
    /// Checks the parts; `works` are names, slugs or aliases, and none of them means all works.
    pub fn new(text: &str, works: Vec<String>, limit: u32) -> Result<Self, InvalidQuery> {
        let text = text.trim();
        if text.is_empty() {
            return Err(InvalidQuery::Blank);
        }
        if text.chars().count() > QUERY_CHARS_MAX {
            return Err(InvalidQuery::TooLong { max: QUERY_CHARS_MAX });
        }
        if !(1..=QUERY_LIMIT_MAX).contains(&limit) {
            return Err(InvalidQuery::LimitOutOfRange { max: QUERY_LIMIT_MAX });
        }
        if works.len() > QUERY_WORKS_MAX {
            return Err(InvalidQuery::TooManyWorks { max: QUERY_WORKS_MAX });
        }
        Ok(Self { text: text.to_owned(), works, limit })
    }

    /// A search for what a message speaks of, which may be longer than a query: only its beginning counts, and the
    /// limit is brought into range. `None` for a blank message.
    pub fn about(message: &str, works: Vec<String>, limit: u32) -> Option<Self> {
        let text: String = message.trim().chars().take(QUERY_CHARS_MAX).collect();
        let works = works.into_iter().take(QUERY_WORKS_MAX).collect();
        Self::new(&text, works, limit.clamp(1, QUERY_LIMIT_MAX)).ok()
    }

    /// What is looked for, trimmed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The works to look in as the caller named them; empty means all.
    pub fn works(&self) -> &[String] {
        &self.works
    }

    /// Hits wanted at most.
    pub const fn limit(&self) -> u32 {
        self.limit
    }
}

/// A search as an index is asked for it: analysed, with works resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextQuery {
    terms: Vec<String>,
    works: Vec<String>,
    limit: u32,
}

impl TextQuery {
    /// Analyses the first [`QUERY_CHARS_MAX`] characters of `text`; `works` are slugs, and the limit is brought into
    /// range.
    pub fn new(text: &str, works: Vec<String>, limit: u32) -> Self {
        let text: String = text.chars().take(QUERY_CHARS_MAX).collect();
        Self { terms: analysis::query_terms(&text), works, limit: limit.clamp(1, QUERY_LIMIT_MAX) }
    }

    /// The terms, each once, in the order of the text.
    pub fn terms(&self) -> &[String] {
        &self.terms
    }

    /// Slugs of the works to look in; empty means all.
    pub fn works(&self) -> &[String] {
        &self.works
    }

    /// Hits wanted at most, 1 to [`QUERY_LIMIT_MAX`].
    pub const fn limit(&self) -> u32 {
        self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_of_two_hundred_characters_is_accepted_and_one_more_is_not() {
        assert!(SearchQuery::new(&"学".repeat(200), vec![], 50).is_ok());
        let refused = SearchQuery::new(&"学".repeat(201), vec![], 50);
        assert_eq!(refused, Err(InvalidQuery::TooLong { max: 200 }));
    }

    #[test]
    fn a_blank_query_and_a_limit_out_of_range_are_refused() {
        assert_eq!(SearchQuery::new(" \u{3000}\n", vec![], 5), Err(InvalidQuery::Blank));
        assert_eq!(SearchQuery::new("仁", vec![], 0), Err(InvalidQuery::LimitOutOfRange { max: 50 }));
        assert_eq!(SearchQuery::new("仁", vec![], 51), Err(InvalidQuery::LimitOutOfRange { max: 50 }));
        let works = vec!["论语".to_owned(); 21];
        assert_eq!(SearchQuery::new("仁", works, 5), Err(InvalidQuery::TooManyWorks { max: 20 }));
    }

    #[test]
    fn a_long_message_is_searched_by_its_beginning() {
        let query = SearchQuery::about(&"学".repeat(1_000), vec![], 500).unwrap();
        assert_eq!((query.text().chars().count(), query.limit()), (200, 50));
        assert_eq!(SearchQuery::about("  ", vec![], 5), None);
    }
}
