//! Lots: the parts of a wallet, each from one purchase or gift, with its own end.
//!
//! What ends first is spent first; of what ends together, what was given away is spent before what was paid for, so
//! that a refund finds as much as possible of what somebody paid.

use std::cmp::Ordering;
use std::str::FromStr;

use kernel::{Credits, Id, Timestamp};

use crate::transfer::UnknownKind;

/// Kind of a part of a wallet.
pub enum LotKind {}

/// A lot's id.
pub type LotId = Id<LotKind>;

/// Where a lot comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LotSource {
    /// The free credits of one day.
    Daily,
    /// The gift for a new account.
    Welcome,
    /// Another gift, such as the bonus of a pack.
    Promo,
    /// What an operator gave.
    Adjust,
    /// What members paid into a room's pool.
    Pool,
    /// The balance that a wallet had before there were lots.
    Opening,
    /// Bought.
    Purchase,
}

impl LotSource {
    /// Every source.
    pub const ALL: [Self; 7] =
        [Self::Daily, Self::Welcome, Self::Promo, Self::Adjust, Self::Pool, Self::Opening, Self::Purchase];

    /// Its name, as stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Daily => "daily",
            Self::Welcome => "welcome",
            Self::Promo => "promo",
            Self::Adjust => "adjust",
            Self::Pool => "pool",
            Self::Opening => "opening",
            Self::Purchase => "purchase",
        }
    }

    /// Which is spent first of lots that end at the same time: the lower. What was paid for is spent last.
    pub const fn priority(self) -> i16 {
        match self {
            Self::Daily => 0,
            Self::Welcome | Self::Promo | Self::Adjust => 10,
            Self::Opening => 40,
            Self::Pool | Self::Purchase => 50,
        }
    }
}

impl FromStr for LotSource {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|source| source.as_str() == text).ok_or(UnknownKind)
    }
}

/// A part of a wallet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lot {
    /// Its id.
    pub id: LotId,
    /// Where it comes from.
    pub source: LotSource,
    /// What exactly: the order's id, the day, or nothing.
    pub ref_id: Option<String>,
    /// How much it was at the beginning.
    pub granted: Credits,
    /// What is not spent, what is held included.
    pub remaining: Credits,
    /// What open holds set aside of it.
    pub held: Credits,
    /// When its rest ends, if it does.
    pub expires_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Lot {
    /// What can be spent of it; neither part is ever negative nor the held one larger.
    pub const fn free(&self) -> Credits {
        Credits::new(self.remaining.get() - self.held.get())
    }

    /// Whether its end has come.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// Which of two lots is spent first: the one that ends earlier, then the one of lower priority, then the older.
    pub fn use_order(&self, other: &Self) -> Ordering {
        let end = |lot: &Self| lot.expires_at.unwrap_or(Timestamp::from_millis(i64::MAX));
        (end(self), self.source.priority(), self.id).cmp(&(end(other), other.source.priority(), other.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lot(number: u128, source: LotSource, expires_at: Option<i64>) -> Lot {
        Lot {
            id: Id::from_uuid(uuid::Uuid::from_u128(number)),
            source,
            ref_id: None,
            granted: Credits::new(10),
            remaining: Credits::new(7),
            held: Credits::new(3),
            expires_at: expires_at.map(Timestamp::from_millis),
            created_at: Timestamp::from_millis(0),
        }
    }

    #[test]
    fn what_ends_first_is_spent_first_and_what_was_paid_for_last() {
        let mut lots = [
            lot(1, LotSource::Purchase, None),
            lot(2, LotSource::Welcome, None),
            lot(3, LotSource::Purchase, Some(50)),
            lot(4, LotSource::Daily, Some(50)),
            lot(5, LotSource::Purchase, Some(20)),
            lot(6, LotSource::Welcome, None),
        ];
        lots.sort_by(Lot::use_order);
        let order: Vec<_> = lots.iter().map(|lot| lot.id.as_uuid().as_u128()).collect();
        assert_eq!(order, [5, 4, 3, 2, 6, 1]);
    }

    #[test]
    fn a_lot_ends_at_its_moment_and_what_is_held_is_not_free() {
        let ends = lot(1, LotSource::Daily, Some(50));
        assert!(!ends.is_over(Timestamp::from_millis(49)) && ends.is_over(Timestamp::from_millis(50)));
        assert!(!lot(1, LotSource::Purchase, None).is_over(Timestamp::from_millis(i64::MAX)));
        assert_eq!(ends.free(), Credits::new(4));
    }

    #[test]
    fn a_source_survives_text() {
        for source in LotSource::ALL {
            assert_eq!(source.as_str().parse(), Ok(source));
        }
    }
}
