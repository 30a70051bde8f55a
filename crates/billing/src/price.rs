//! What the models cost.

use std::collections::BTreeMap;

use kernel::Tariff;
use thiserror::Error;

/// The price of one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Price {
    /// The name that clients give the model.
    pub alias: String,
    /// Credits per million tokens.
    pub tariff: Tariff,
}

/// Highest price that a table takes, in credits per million tokens. With it the cost of the largest request that
/// 32 bits can count stays far inside 64 bits.
const PRICE_MAX: i64 = 1_000_000_000_000;

/// Why a table of prices was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PriceError {
    /// Two prices have one alias.
    #[error("model alias {alias} has two prices")]
    Duplicate {
        /// Which.
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

/// Prices by alias. An open hold keeps the prices it was made with, whatever a later table says.
#[derive(Debug, Clone, Default)]
pub struct PriceTable {
    prices: BTreeMap<String, Price>,
}

impl PriceTable {
    /// A table of these prices, or what is wrong with the first bad one.
    pub fn new(prices: impl IntoIterator<Item = Price>) -> Result<Self, PriceError> {
        let mut table = BTreeMap::new();
        for price in prices {
            check(&price)?;
            if let Some(earlier) = table.insert(price.alias.clone(), price) {
                return Err(PriceError::Duplicate { alias: earlier.alias });
            }
        }
        Ok(Self { prices: table })
    }

    /// The price of a model.
    pub fn get(&self, alias: &str) -> Option<&Price> {
        self.prices.get(alias)
    }

    /// Every price, by alias.
    pub fn iter(&self) -> impl Iterator<Item = &Price> {
        self.prices.values()
    }
}

fn check(price: &Price) -> Result<(), PriceError> {
    let Tariff { miss, hit, output } = price.tariff;
    if [miss, hit, output].iter().any(|rate| !(0..=PRICE_MAX).contains(rate)) {
        return Err(PriceError::OutOfRange { alias: price.alias.clone() });
    }
    if hit > miss {
        return Err(PriceError::HitAboveMiss { alias: price.alias.clone() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(alias: &str, miss: i64, hit: i64, output: i64) -> Price {
        Price { alias: alias.into(), tariff: Tariff { miss, hit, output } }
    }

    #[test]
    fn a_price_is_found_by_its_alias() {
        let table = PriceTable::new([price("b", 2, 1, 3), price("a", 0, 0, 0)]).unwrap();
        assert_eq!(table.get("b").map(|price| price.tariff.output), Some(3));
        assert_eq!(table.get("c"), None);
        assert_eq!(table.iter().map(|price| price.alias.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn a_table_that_cannot_be_charged_by_is_refused() {
        let twice = PriceTable::new([price("a", 1, 1, 1), price("a", 2, 1, 1)]);
        assert_eq!(twice.err(), Some(PriceError::Duplicate { alias: "a".into() }));
        for bad in [price("a", -1, -1, 0), price("a", 1, 1, PRICE_MAX + 1)] {
            assert_eq!(PriceTable::new([bad]).err(), Some(PriceError::OutOfRange { alias: "a".into() }));
        }
        let upside_down = PriceTable::new([price("a", 1, 2, 1)]);
        assert_eq!(upside_down.err(), Some(PriceError::HitAboveMiss { alias: "a".into() }));
    }
}
