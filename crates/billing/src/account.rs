//! Accounts, who owns them, and wallets.
//!
//! The house keeps two books in one table of transfers: credits (micro-yuan, what people spend) and yuan (fen, what
//! providers paid). No transfer crosses from one to the other; an order's two transfers are posted together.

use std::fmt;
use std::str::FromStr;

use kernel::{Credits, MoneyOverflow, Timestamp, UserId};
use thiserror::Error;

/// In which book a transfer stands; amounts of different books are never added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Book {
    /// Token credits, in micro-yuan.
    Credit,
    /// Money at providers, in fen.
    Yuan,
}

impl Book {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Credit, Self::Yuan];

    /// Its name, as stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Credit => "credit",
            Self::Yuan => "yuan",
        }
    }
}

/// The accounts of the house.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SystemAccount {
    /// Where credits come from that somebody paid for; negative, as much as was ever issued.
    Issued,
    /// Where credits come from that were given away; negative, as much as was ever given.
    Promo,
    /// Where the price of every reply goes.
    Revenue,
    /// What replies cost and nobody paid, and refunds that were spent already; negative.
    Loss,
    /// Credits that nobody used in time.
    Breakage,
    /// What operators corrected; either sign.
    Adjustment,
    /// Credits on their way from a person to a room's pool; zero after each commit.
    Transit,
    /// Credits taken back for a refund that the provider has not confirmed.
    RefundClearing,
    /// Yuan at WeChat's virtual payment.
    CashVirtual,
    /// Yuan at WeChat Pay.
    CashPay,
    /// Play money of the sandbox.
    CashSandbox,
    /// Yuan for what was sold; negative, as much as was ever sold and not refunded.
    Sales,
}

impl SystemAccount {
    /// Every account of the house.
    pub const ALL: [Self; 12] = [
        Self::Issued,
        Self::Promo,
        Self::Revenue,
        Self::Loss,
        Self::Breakage,
        Self::Adjustment,
        Self::Transit,
        Self::RefundClearing,
        Self::CashVirtual,
        Self::CashPay,
        Self::CashSandbox,
        Self::Sales,
    ];

    /// Its name, as stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Issued => "issued",
            Self::Promo => "promo",
            Self::Revenue => "revenue",
            Self::Loss => "loss",
            Self::Breakage => "breakage",
            Self::Adjustment => "adjustment",
            Self::Transit => "transit",
            Self::RefundClearing => "refund_clearing",
            Self::CashVirtual => "cash_xpay",
            Self::CashPay => "cash_wxpay",
            Self::CashSandbox => "cash_sandbox",
            Self::Sales => "sales",
        }
    }

    /// The book that it stands in.
    pub const fn book(self) -> Book {
        match self {
            Self::Issued
            | Self::Promo
            | Self::Revenue
            | Self::Loss
            | Self::Breakage
            | Self::Adjustment
            | Self::Transit
            | Self::RefundClearing => Book::Credit,
            Self::CashVirtual | Self::CashPay | Self::CashSandbox | Self::Sales => Book::Yuan,
        }
    }
}

/// The name of a pool: the conversation whose members fill it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PoolId(String);

/// Longest name of a pool, which is the longest id of a conversation.
const POOL_ID_MAX: usize = 64;

impl PoolId {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PoolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for PoolId {
    type Err = InvalidAccount;

    fn from_str(text: &str) -> Result<Self, InvalidAccount> {
        let fits = (1..=POOL_ID_MAX).contains(&text.len());
        let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if fits && is_plain { Ok(Self(text.to_owned())) } else { Err(InvalidAccount) }
    }
}

/// Who owns a wallet. As text: `user:` and the person's id, or `pool:` and the conversation's.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Owner {
    /// A person.
    User(UserId),
    /// A room, whose members fill its pool.
    Pool(PoolId),
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => write!(f, "{USER_PREFIX}{user}"),
            Self::Pool(pool) => write!(f, "{POOL_PREFIX}{pool}"),
        }
    }
}

impl FromStr for Owner {
    type Err = InvalidAccount;

    fn from_str(text: &str) -> Result<Self, InvalidAccount> {
        if let Some(id) = text.strip_prefix(USER_PREFIX) {
            return id.parse().map(Self::User).map_err(|_not_an_id| InvalidAccount);
        }
        text.strip_prefix(POOL_PREFIX).ok_or(InvalidAccount)?.parse().map(Self::Pool)
    }
}

/// One side of a transfer: a wallet, or an account of the house by its name, such as `promo`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum AccountId {
    /// An account of the house.
    System(SystemAccount),
    /// A wallet.
    Wallet(Owner),
}

/// A text that names no account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not an account")]
pub struct InvalidAccount;

const USER_PREFIX: &str = "user:";
const POOL_PREFIX: &str = "pool:";

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(account) => f.write_str(account.as_str()),
            Self::Wallet(owner) => owner.fmt(f),
        }
    }
}

impl FromStr for AccountId {
    type Err = InvalidAccount;

    fn from_str(text: &str) -> Result<Self, InvalidAccount> {
        if text.contains(':') {
            return text.parse().map(Self::Wallet);
        }
        let system = SystemAccount::ALL.into_iter().find(|account| account.as_str() == text);
        system.map(Self::System).ok_or(InvalidAccount)
    }
}

/// A person's balance at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wallet {
    /// What can be spent, without what is held; never negative.
    pub available: Credits,
    /// What open holds set aside; never negative.
    pub held: Credits,
    /// How many transfers the account has, which is also the newest one's number.
    pub seq: u64,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Wallet {
    /// Everything the person owns: available and held.
    pub const fn total(&self) -> Result<Credits, MoneyOverflow> {
        self.available.plus(self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_survives_text() {
        let user = AccountId::Wallet(Owner::User("0192f0c0-0000-7000-8000-000000000001".parse().unwrap()));
        let pool = AccountId::Wallet(Owner::Pool("guoxue_room".parse().unwrap()));
        for wallet in [user, pool] {
            assert_eq!(wallet.to_string().parse(), Ok(wallet));
        }
        for system in SystemAccount::ALL {
            let account = AccountId::System(system);
            assert_eq!(account.to_string().parse(), Ok(account));
        }
    }

    #[test]
    fn a_text_that_names_no_account_is_refused() {
        for text in ["", "user:", "user:promo", "Revenue", "house", "pool:", "pool:a:b", "room:a"] {
            assert_eq!(text.parse::<AccountId>(), Err(InvalidAccount), "{text}");
        }
    }
}
