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
    /// A wallet's available and held are the free and the held parts of its lots.
    LotsAreWallet,
    /// What remains of a lot is what it was and what its transfers changed of it.
    LotIsFold,
    /// A lot is as large as the transfer that made it.
    LotHasOrigin,
    /// What lots hold is what open holds set aside of them, and together it is the holds' amounts.
    HoldsAreLots,
    /// A settled hold's cost is its tokens by its own prices, and the house paid what the payer did not.
    CostIsUsage,
    /// Both sides of a transfer are accounts of its book.
    OneBook,
    /// Nothing is on its way between two wallets.
    NothingInTransit,
}

impl Check {
    /// Every rule, in the order of the report.
    pub const ALL: [Self; 14] = [
        Self::SumIsZero,
        Self::WalletIsFold,
        Self::BalanceChain,
        Self::Gapless,
        Self::HeldIsHolds,
        Self::NotNegative,
        Self::OneSettlement,
        Self::LotsAreWallet,
        Self::LotIsFold,
        Self::LotHasOrigin,
        Self::HoldsAreLots,
        Self::CostIsUsage,
        Self::OneBook,
        Self::NothingInTransit,
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
            Self::LotsAreWallet => "lots_are_wallet",
            Self::LotIsFold => "lot_is_fold",
            Self::LotHasOrigin => "lot_has_origin",
            Self::HoldsAreLots => "holds_are_lots",
            Self::CostIsUsage => "cost_is_usage",
            Self::OneBook => "one_book",
            Self::NothingInTransit => "nothing_in_transit",
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
