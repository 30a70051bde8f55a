//! The one error of every port.
//!
//! Absence is `Ok(None)` and an expected refusal is an enum value; what is left is that the system behind
//! the port failed. The caller needs to know only whether trying again can help, so there are four cases.

use thiserror::Error;

/// The cause below a [`PortError`], kept for the log and never shown to a client.
pub type Cause = Box<dyn std::error::Error + Send + Sync + 'static>;

/// A failure of the system behind a port.
#[derive(Debug, Error)]
pub enum PortError {
    /// The system cannot be reached, timed out or is overloaded: trying again later may help.
    #[error("{system} is unavailable")]
    Unavailable {
        /// Which system, for the log (`postgres`, `redis`, `wechat`).
        system: &'static str,
        /// What it said.
        #[source]
        cause: Cause,
    },
    /// The system has no room left; reads still work.
    #[error("{system} is full")]
    Full {
        /// Which system.
        system: &'static str,
        /// What it said.
        #[source]
        cause: Cause,
    },
    /// The system returned data that breaks an invariant of ours.
    #[error("{system} returned data that cannot be read")]
    Corrupt {
        /// Which system.
        system: &'static str,
        /// Where, and what was wrong with it (no user text).
        #[source]
        cause: Cause,
    },
    /// The system refused the request in a way that no retry changes: a defect or a wrong configuration.
    #[error("{system} rejected the request")]
    Rejected {
        /// Which system.
        system: &'static str,
        /// What it said.
        #[source]
        cause: Cause,
    },
}

impl PortError {
    /// The system cannot be reached or timed out.
    pub fn unavailable(system: &'static str, cause: impl Into<Cause>) -> Self {
        Self::Unavailable { system, cause: cause.into() }
    }

    /// The system has no room left.
    pub fn full(system: &'static str, cause: impl Into<Cause>) -> Self {
        Self::Full { system, cause: cause.into() }
    }

    /// The system returned data that breaks an invariant.
    pub fn corrupt(system: &'static str, cause: impl Into<Cause>) -> Self {
        Self::Corrupt { system, cause: cause.into() }
    }

    /// The system refused the request.
    pub fn rejected(system: &'static str, cause: impl Into<Cause>) -> Self {
        Self::Rejected { system, cause: cause.into() }
    }
}
