//! What billing refuses, and why. Too little balance is no error but an outcome of reserving.

use kernel::{MoneyOverflow, PortError};
use thiserror::Error;

/// What billing refuses.
#[derive(Debug, Error)]
pub enum BillingError {
    /// No model of this alias has a price.
    #[error("no model has this alias")]
    UnknownModel,
    /// The request's worst case is beyond what the ledger can count.
    #[error(transparent)]
    Overflow(#[from] MoneyOverflow),
    /// The ledger failed.
    #[error(transparent)]
    Port(#[from] PortError),
}
