//! What the models cost, and when.

use std::collections::BTreeMap;

use kernel::{Tariff, Timestamp};
use thiserror::Error;

use crate::calendar::{Calendar, Tier};

/// The price of one model in one tier, for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Price {
    /// The name that clients give the model.
    pub alias: String,
    /// When of a day it holds.
    pub tier: Tier,
    /// From when on.
    pub from: Option<Timestamp>,
    /// Until when.
    pub until: Option<Timestamp>,
    /// Credits per million tokens.
    pub tariff: Tariff,
}

impl Price {
    /// A price that always holds.
    pub fn always(alias: impl Into<String>, tariff: Tariff) -> Self {
        Self { alias: alias.into(), tier: Tier::Always, from: None, until: None, tariff }
    }

    /// Its name in a hold: tier, and the millisecond from which it holds.
    pub fn id(&self) -> String {
        format!("{}@{}", self.tier.as_str(), self.from.map_or(0, Timestamp::as_millis))
    }

    fn holds_at(&self, at: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= at) && self.until.is_none_or(|until| at < until)
    }

    fn overlaps(&self, other: &Self) -> bool {
        let starts_before = |one: &Self, two: &Self| one.from.is_none_or(|f| two.until.is_none_or(|u| f < u));
        self.tier == other.tier && starts_before(self, other) && starts_before(other, self)
    }
}

/// Highest price that a table takes, in credits per million tokens. With it the cost of the largest request that
/// 32 bits can count stays far inside 64 bits.
const PRICE_MAX: i64 = 1_000_000_000_000;

/// Why a table of prices was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PriceError {
    /// Two prices of one alias and one tier hold at the same time.
    #[error("model alias {alias} has two prices at the same time")]
    Duplicate {
        /// Which.
        alias: String,
    },
    /// A price ends before it begins.
    #[error("a price of model alias {alias} ends before it begins")]
    Backwards {
        /// Whose.
        alias: String,
    },
    /// A price is negative or beyond the highest.
    #[error("a price of model alias {alias} is not between 0 and {PRICE_MAX}")]
    OutOfRange {
        /// Whose.
        alias: String,
    },
    /// Cached tokens cost more than others, so that the worst case of a prompt could not be told beforehand.
    #[error("model alias {alias} asks more for a cache hit than for a miss")]
    HitAboveMiss {
        /// Whose.
        alias: String,
    },
}

/// Prices by alias, tier and time. An open hold keeps the price it was made with, whatever a later table says.
#[derive(Debug, Clone, Default)]
pub struct PriceTable {
    prices: BTreeMap<String, Vec<Price>>,
    calendar: Calendar,
}

impl PriceTable {
    /// A table of these prices, or what is wrong with the first bad one.
    pub fn new(prices: impl IntoIterator<Item = Price>, calendar: Calendar) -> Result<Self, PriceError> {
        let mut table: BTreeMap<String, Vec<Price>> = BTreeMap::new();
        for price in prices {
            check(&price)?;
            let known = table.entry(price.alias.clone()).or_default();
            if known.iter().any(|other| other.overlaps(&price)) {
                return Err(PriceError::Duplicate { alias: price.alias });
            }
            known.push(price);
        }
        Ok(Self { prices: table, calendar })
    }

    /// The price of a model at a moment: of the tier that the calendar says, else the one for always.
    pub fn at(&self, alias: &str, at: Timestamp) -> Option<&Price> {
        let known = self.prices.get(alias)?;
        let of = |tier| known.iter().find(|price| price.tier == tier && price.holds_at(at));
        of(self.calendar.tier(at)).or_else(|| of(Tier::Always))
    }

    /// Every price of a model, in the order of the table.
    pub fn of(&self, alias: &str) -> &[Price] {
        self.prices.get(alias).map_or(&[], Vec::as_slice)
    }

    /// Every price, by alias.
    pub fn iter(&self) -> impl Iterator<Item = &Price> {
        self.prices.values().flatten()
    }
}

fn check(price: &Price) -> Result<(), PriceError> {
    let alias = || price.alias.clone();
    let Tariff { miss, hit, output } = price.tariff;
    if [miss, hit, output].iter().any(|rate| !(0..=PRICE_MAX).contains(rate)) {
        return Err(PriceError::OutOfRange { alias: alias() });
    }
    if hit > miss {
        return Err(PriceError::HitAboveMiss { alias: alias() });
    }
    match (price.from, price.until) {
        (Some(from), Some(until)) if until <= from => Err(PriceError::Backwards { alias: alias() }),
        (Some(_) | None, Some(_) | None) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_741_200_000); // Friday 2026-11-27, 09:00 in China

    fn price(alias: &str, miss: i64, hit: i64, output: i64) -> Price {
        Price::always(alias, Tariff { miss, hit, output })
    }

    fn table(prices: impl IntoIterator<Item = Price>) -> Result<PriceTable, PriceError> {
        let calendar = Calendar::new(&[], &[], &["09:00-12:00".to_owned()]).unwrap();
        PriceTable::new(prices, calendar)
    }

    #[test]
    fn a_price_is_found_by_its_alias() {
        let table = table([price("b", 2, 1, 3), price("a", 0, 0, 0)]).unwrap();
        assert_eq!(table.at("b", NOW).map(|price| price.tariff.output), Some(3));
        assert_eq!(table.at("c", NOW), None);
        assert_eq!(table.iter().map(|price| price.alias.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn the_tier_and_the_time_decide() {
        let peak = Price { tier: Tier::Peak, from: Some(NOW), ..price("a", 4, 2, 8) };
        let later = Price { tier: Tier::Peak, until: Some(NOW), ..price("a", 5, 2, 9) };
        let table = table([price("a", 2, 1, 4), peak, later]).unwrap();
        let miss = |at| table.at("a", at).unwrap().tariff.miss;
        assert_eq!(miss(NOW), 4);
        assert_eq!(miss(NOW.plus_millis(-1)), 2, "before nine the price for always holds");
        assert_eq!(miss(NOW.plus_seconds(-7 * 86_400)), 5, "a week ago another peak price held");
        assert_eq!(table.at("a", NOW).unwrap().id(), "peak@1795741200000");
    }

    #[test]
    fn prices_of_one_tier_do_not_overlap() {
        let until = Price { until: Some(NOW), ..price("a", 1, 1, 1) };
        let from = Price { from: Some(NOW), ..price("a", 2, 1, 1) };
        assert!(table([until.clone(), from.clone()]).is_ok());
        let early = Price { from: Some(NOW.plus_millis(-1)), ..from.clone() };
        assert_eq!(table([until, early]).err(), Some(PriceError::Duplicate { alias: "a".into() }));
        let backwards = Price { until: Some(NOW), ..from };
        assert_eq!(table([backwards]).err(), Some(PriceError::Backwards { alias: "a".into() }));
    }

    #[test]
    fn a_table_that_cannot_be_charged_by_is_refused() {
        let twice = table([price("a", 1, 1, 1), price("a", 2, 1, 1)]);
        assert_eq!(twice.err(), Some(PriceError::Duplicate { alias: "a".into() }));
        for bad in [price("a", -1, -1, 0), price("a", 1, 1, PRICE_MAX + 1)] {
            assert_eq!(table([bad]).err(), Some(PriceError::OutOfRange { alias: "a".into() }));
        }
        let upside_down = table([price("a", 1, 2, 1)]);
        assert_eq!(upside_down.err(), Some(PriceError::HitAboveMiss { alias: "a".into() }));
    }
}
