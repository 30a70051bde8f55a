//! Accounts, holds, transfers and prices: what is paid for and by whom.
//!
//! Nothing upstream is called without a hold of the worst case, and a hold is resolved once: settled, voided or
//! expired. Money moves by immutable double-entry transfers only, so that every balance is a sum that anybody
//! can check. The words:
//!
//! - **account**: a person's, or one of the house ([`SystemAccount`]); its balance is what reached it less what
//!   left it. House balances are never stored, only summed, since a row that everybody changes is a queue.
//! - **transfer**: an amount that left one account and reached another, for ever.
//! - **wallet**: a person's balance, as available + held. The one row that is locked.
//! - **hold**: the part of a wallet that is set aside for one reply, and after it that reply's usage record.
//! - **loss**: what a reply cost beyond its hold; the house pays it and no wallet ever becomes negative.
//!
//! Invariants, which `check` verifies and the tests hammer: all balances sum to zero; available + held is the
//! fold of a person's transfers and their newest `balance_after`; held is the sum of the open holds; nothing is
//! negative; a hold has at most one settlement; a person's transfers are numbered without a gap.

pub mod account;
pub mod error;
pub mod hold;
pub mod ports;
pub mod price;
pub mod report;
pub mod service;
pub mod transfer;

pub use account::{AccountId, InvalidAccount, SystemAccount, Wallet};
pub use error::BillingError;
pub use hold::{Charge, Hold, HoldOutcome, HoldRequest, HoldState, Instance, InstanceId, Offer, Split};
pub use ports::{Ledger, Opening, Renewal, ReserveOutcome, SettleOutcome, Settlement, VoidOutcome};
pub use price::{Price, PriceError, PriceTable};
pub use report::{Check, Finding, LedgerReport};
pub use service::{Balance, BillingService, BillingSettings};
pub use transfer::{Transaction, TransactionKind, Transfer, TransferId, TransferKind, UnknownKind};
