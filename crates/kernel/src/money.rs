//! Money as integers: token credits in micro-yuan, and yuan in fen.
//!
//! The two are different types and nothing converts between them here; every sum is checked, because a wrong
//! sum of money must be an error and never a wrapped number.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A sum of money left the range of 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a sum of money is out of range")]
pub struct MoneyOverflow;

macro_rules! amount {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(i64);

        impl $name {
            /// Nothing.
            pub const ZERO: Self = Self(0);

            /// An amount; negative amounts are what statements show for money that left.
            pub const fn new(amount: i64) -> Self {
                Self(amount)
            }

            /// The integer inside, in this type's unit.
            pub const fn get(self) -> i64 {
                self.0
            }

            /// Whether this is more than nothing.
            pub const fn is_positive(self) -> bool {
                self.0 > 0
            }

            /// The sum of both.
            pub const fn plus(self, other: Self) -> Result<Self, MoneyOverflow> {
                match self.0.checked_add(other.0) {
                    Some(sum) => Ok(Self(sum)),
                    None => Err(MoneyOverflow),
                }
            }

            /// This less the other.
            pub const fn minus(self, other: Self) -> Result<Self, MoneyOverflow> {
                match self.0.checked_sub(other.0) {
                    Some(difference) => Ok(Self(difference)),
                    None => Err(MoneyOverflow),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

amount! {
    /// Token credits. One credit is a micro-yuan: a yuan paid buys 1,000,000.
    Credits
}
amount! {
    /// Yuan in fen (分), the unit of payment providers.
    Fen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_out_of_range_is_an_error() {
        assert_eq!(Credits::new(i64::MAX).plus(Credits::new(1)), Err(MoneyOverflow));
        assert_eq!(Fen::new(i64::MIN).minus(Fen::new(1)), Err(MoneyOverflow));
    }

    #[test]
    fn sums_add_up() {
        assert_eq!(Credits::new(3).plus(Credits::new(4)), Ok(Credits::new(7)));
    }
}
