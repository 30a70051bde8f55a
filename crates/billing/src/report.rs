//! What the check of the ledger found.

use std::fmt;

/// A rule of the ledger that can be checked against what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Check {
    /// Wallets and house accounts sum to zero.
    SumIsZero,
    /// A wallet's available + held is its newest transfer's `balance_after`.
    WalletIsFold,
    /// Each `balance_after` is the one before it and the transfer's amount.
    BalanceChain,
    /// A person's transfers are numbered from 1 without a gap, up to the wallet's number.
    Gapless,
    /// A wallet's held is the sum of its open holds.
    HeldIsHolds,
    /// No available, held or hold is negative.
    NotNegative,
    /// A settled hold has one transfer of exactly its charge, or none where nothing was charged, and no other
    /// hold has any.
    OneSettlement,
}

impl Check {
    /// Every rule, in the order of the report.
    pub const ALL: [Self; 7] = [
        Self::SumIsZero,
        Self::WalletIsFold,
        Self::BalanceChain,
        Self::Gapless,
        Self::HeldIsHolds,
        Self::NotNegative,
        Self::OneSettlement,
    ];

    /// Its name, as printed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SumIsZero => "sum_is_zero",
            Self::WalletIsFold => "wallet_is_fold",
            Self::BalanceChain => "balance_chain",
            Self::Gapless => "gapless",
            Self::HeldIsHolds => "held_is_holds",
            Self::NotNegative => "not_negative",
            Self::OneSettlement => "one_settlement",
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One breach of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub check: Check,
    /// The account, or `hold:` and the message's id where a hold breaks the rule.
    pub account: String,
    /// What the rule asks for, as a number or in words.
    pub expected: String,
    /// What is stored.
    pub found: String,
}

/// What the check of the whole ledger found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerReport {
    /// Whether no rule is broken.
    pub ok: bool,
    /// Accounts: wallets, and house accounts that a transfer names.
    pub accounts: u64,
    /// Transfers ever posted.
    pub transfers: u64,
    /// Holds that are open.
    pub open_holds: u64,
    /// The sum of all balances in credits, which is zero in a sound ledger.
    pub imbalance: i128,
    /// The first breaches of each rule.
    pub rows: Vec<Finding>,
}
