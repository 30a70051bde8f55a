//! The number by which providers know an order.

use std::fmt;
use std::str::FromStr;

use kernel::Id;
use uuid::Uuid;

use crate::order::OrderId;

/// The order's number at providers (`out_trade_no`): its id as 32 hexadecimal digits, which all of them take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TradeNo(OrderId);

impl TradeNo {
    /// The number of an order.
    pub const fn of(order: OrderId) -> Self {
        Self(order)
    }

    /// The order that it names.
    pub const fn order(self) -> OrderId {
        self.0
    }
}

impl fmt::Display for TradeNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_uuid().simple().fmt(f)
    }
}

/// A text that is no number of an order of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an order's number")]
pub struct InvalidTradeNo;

impl FromStr for TradeNo {
    type Err = InvalidTradeNo;

    fn from_str(text: &str) -> Result<Self, InvalidTradeNo> {
        const DIGITS: usize = 32;
        if text.len() != DIGITS || text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(InvalidTradeNo);
        }
        Uuid::try_parse(text).map(|id| Self(Id::from_uuid(id))).map_err(|_not_one| InvalidTradeNo)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_orders_number_is_32_small_hexadecimal_digits() {
        let number = TradeNo::of(Id::from_uuid(Uuid::from_u128(0xABC)));
        assert_eq!(number.to_string(), "00000000000000000000000000000abc");
        assert_eq!(number.to_string().parse(), Ok(number));
        for text in ["", "abc", "00000000000000000000000000000ABC", "0000000000000000000000000000000g"] {
            assert_eq!(text.parse::<TradeNo>(), Err(InvalidTradeNo));
        }
    }
}
