//! The one thing that the library needs of the outside: an index of words.

use async_trait::async_trait;
use kernel::PortError;

use crate::query::TextQuery;

/// A passage that an index found.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredPassage {
    /// The passage's id.
    pub id: String,
    /// How well it fits; comparable only within one search.
    pub score: f32,
}

/// Finds passages by the terms of [`crate::analysis`].
///
/// What is indexed is each passage's text and its titles; a term found in either counts.
#[async_trait]
pub trait TextIndex: Send + Sync {
    /// The passages that hold at least one of the query's terms.
    ///
    /// - MUST order by score, highest first, and passages of equal score by id, so that the same query always has
    ///   the same answer.
    /// - MUST return each passage once, at most [`TextQuery::limit`], each with a finite score above zero.
    /// - MUST return only passages of [`TextQuery::works`], unless that is empty; the filter MUST apply before the
    ///   limit.
    /// - MUST return nothing for a query without terms.
    /// - MUST rank a passage that holds all terms in a short text above one that holds few of them.
    async fn search(&self, query: &TextQuery) -> Result<Vec<ScoredPassage>, PortError>;
}
