//! What can go wrong when the library is read or searched.

use kernel::PortError;
use thiserror::Error;

/// A search that could not be answered.
#[derive(Debug, Error)]
pub enum RagError {
    /// A work was named that the library does not hold.
    #[error("unknown work")]
    UnknownWork {
        /// The name as it was given.
        name: String,
    },
    /// The index failed.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// Why a search was refused before it was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidQuery {
    /// Nothing but white space.
    #[error("the query is blank")]
    Blank,
    /// More characters than allowed.
    #[error("the query has more than {max} characters")]
    TooLong {
        /// Unicode scalar values allowed.
        max: usize,
    },
    /// Fewer than one or too many hits were asked for.
    #[error("between 1 and {max} hits can be asked for")]
    LimitOutOfRange {
        /// The most hits of one search.
        max: u32,
    },
    /// More works were named than a filter takes.
    #[error("more than {max} works are named")]
    TooManyWorks {
        /// The most names of one filter.
        max: usize,
    },
}

/// A defect of the data files; the built-in ones are tested to have none.
#[derive(Debug, Error)]
pub enum LibraryError {
    /// A line or a file is not what it should be.
    #[error("{file} cannot be read at line {line}")]
    Malformed {
        /// The data file.
        file: String,
        /// Counted from 1.
        line: usize,
        /// What the parser said.
        #[source]
        cause: serde_json::Error,
    },
    /// Two passages have one id.
    #[error("the id {id} is used twice")]
    DuplicateId {
        /// The id.
        id: String,
    },
    /// Two works answer to one name.
    #[error("two works are called {name}")]
    DuplicateName {
        /// The name, folded.
        name: String,
    },
    /// A work is listed without a file of passages.
    #[error("the work {slug} has no passages")]
    NoPassages {
        /// The work.
        slug: String,
    },
}
