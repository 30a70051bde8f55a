//! The library: works, their passages, and finding the passage that a question speaks of.
//!
//! A *work* (论语) has *passages*, each small enough to be cited and named by a stable id (`lunyu.1.1`). A search
//! analyses the question into terms, asks the [`TextIndex`] for the passages that hold them, and marks the words
//! found in the original text. Invariants: an id names the same passage for ever; every id that a search returns
//! exists in the [`Library`]; text and question are folded by the same function, so that either script finds both.

pub mod analysis;
mod error;
mod highlight;
mod library;
mod passage;
mod ports;
mod query;
mod service;

pub use error::{InvalidQuery, LibraryError, RagError};
pub use highlight::Highlight;
pub use library::Library;
pub use passage::{Passage, Work};
pub use ports::{ScoredPassage, TextIndex};
pub use query::{QUERY_CHARS_MAX, QUERY_LIMIT_MAX, QUERY_WORKS_MAX, SearchQuery, TextQuery};
pub use service::{Hit, LibraryService};
