//! Accounts and wallets.

use std::fmt;
use std::str::FromStr;

use kernel::{Credits, MoneyOverflow, Timestamp, UserId};
use thiserror::Error;

/// The accounts of the house.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SystemAccount {
    /// Where credits come from that somebody paid for; negative, as much as was ever issued.
    Issued,
    /// Where credits come from that were given away; negative, as much as was ever given.
    Promo,
    /// Where the price of every reply goes.
    Revenue,
    /// What replies cost and nobody paid; negative.
    Loss,
}

impl SystemAccount {
    /// Every account of the house.
    pub const ALL: [Self; 4] = [Self::Issued, Self::Promo, Self::Revenue, Self::Loss];

    /// Its name, as stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Issued => "issued",
            Self::Promo => "promo",
            Self::Revenue => "revenue",
            Self::Loss => "loss",
        }
    }
}

/// One side of a transfer. As text: `promo`, or `user:` and the person's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AccountId {
    /// An account of the house.
    System(SystemAccount),
    /// A person's account.
    User(UserId),
}

/// A text that names no account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not an account")]
pub struct InvalidAccount;

const USER_PREFIX: &str = "user:";

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(account) => f.write_str(account.as_str()),
            Self::User(user) => write!(f, "{USER_PREFIX}{user}"),
        }
    }
}

impl FromStr for AccountId {
    type Err = InvalidAccount;

    fn from_str(text: &str) -> Result<Self, InvalidAccount> {
        if let Some(id) = text.strip_prefix(USER_PREFIX) {
            return id.parse().map(Self::User).map_err(|_not_an_id| InvalidAccount);
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
        let user = AccountId::User("0192f0c0-0000-7000-8000-000000000001".parse().unwrap());
        assert_eq!(user.to_string().parse(), Ok(user));
        for system in SystemAccount::ALL {
            let account = AccountId::System(system);
            assert_eq!(account.to_string().parse(), Ok(account));
        }
    }

    #[test]
    fn a_text_that_names_no_account_is_refused() {
        for text in ["", "user:", "user:promo", "Revenue", "house"] {
            assert_eq!(text.parse::<AccountId>(), Err(InvalidAccount), "{text}");
        }
    }
}
