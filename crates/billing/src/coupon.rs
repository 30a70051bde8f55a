//! Coupons: a discount that is used once by each person, and so many times in all.

use std::str::FromStr;

use kernel::{Fen, MoneyOverflow, Timestamp};
use thiserror::Error;

use crate::product::{Product, ProductKind, percent};

/// A coupon's code, as people type it: letters, digits, `-` and `_`, stored in capitals.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CouponCode(String);

const CODE_MAX: usize = 32;

/// A text that is no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a coupon's code")]
pub struct InvalidCoupon;

impl CouponCode {
    /// The code as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CouponCode {
    type Err = InvalidCoupon;

    fn from_str(text: &str) -> Result<Self, InvalidCoupon> {
        let fits = (1..=CODE_MAX).contains(&text.len());
        let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if fits && is_plain { Ok(Self(text.to_ascii_uppercase())) } else { Err(InvalidCoupon) }
    }
}

/// What a coupon takes off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discount {
    /// So many percent of the sum, rounded up.
    Percent(u8),
    /// So much.
    Amount(Fen),
}

/// A coupon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coupon {
    /// Its code.
    pub code: CouponCode,
    /// What it takes off.
    pub discount: Discount,
    /// The least sum that it is for.
    pub total_min: Fen,
    /// The shelves that it is for; none means all.
    pub kinds: Vec<ProductKind>,
    /// From when on.
    pub from: Option<Timestamp>,
    /// Until when.
    pub until: Option<Timestamp>,
    /// How often it can be used by all together; the store counts. An order that is closed gives its use back.
    pub uses_max: Option<u32>,
}

/// Why a coupon does not fit an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CouponRefusal {
    /// It has not begun or is over.
    #[error("the coupon is not valid now")]
    NotValid,
    /// It is for other things.
    #[error("the coupon is for other products")]
    OtherProduct,
    /// The sum is below its least.
    #[error("the sum is too small for the coupon")]
    TooSmall,
    /// Out of range.
    #[error(transparent)]
    Overflow(#[from] MoneyOverflow),
}

impl Coupon {
    /// What it takes off this sum; never more than the sum.
    pub fn discount(&self, product: &Product, sum: Fen, now: Timestamp) -> Result<Fen, CouponRefusal> {
        let has_begun = self.from.is_none_or(|from| from <= now);
        if !has_begun || self.until.is_some_and(|until| until <= now) {
            return Err(CouponRefusal::NotValid);
        }
        if !self.kinds.is_empty() && !self.kinds.contains(&product.kind) {
            return Err(CouponRefusal::OtherProduct);
        }
        if sum < self.total_min {
            return Err(CouponRefusal::TooSmall);
        }
        let off = match self.discount {
            // What is left is rounded down, so that what is taken off is rounded up.
            Discount::Percent(share) => sum.minus(percent(sum, 100 - i64::from(share.min(100)))?)?,
            Discount::Amount(amount) => amount.max(Fen::ZERO),
        };
        Ok(off.min(sum))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::product::{Content, Offering, Purchase, QuoteRefusal};

    fn coupon(discount: Discount) -> Coupon {
        Coupon {
            code: "new-year".parse().unwrap(),
            discount,
            total_min: Fen::new(500),
            kinds: vec![ProductKind::Skill],
            from: None,
            until: Some(Timestamp::from_millis(100)),
            uses_max: None,
        }
    }

    fn skill(price: i64) -> Product {
        Product {
            id: "skill".parse().unwrap(),
            kind: ProductKind::Skill,
            name: "技".into(),
            price: Fen::new(price),
            contents: vec![Content::Character { id: "a".into() }],
            quantity_max: 1,
            offering: Offering::default(),
            members_only: false,
            virtual_id: None,
        }
    }

    fn total(price: i64, discount: Discount, at: i64) -> Result<i64, QuoteRefusal> {
        let purchase = Purchase { quantity: 1, is_member: true, at: Timestamp::from_millis(at) };
        let quote = skill(price).quote(purchase, Some(&coupon(discount)))?;
        assert_eq!(quote.original.minus(quote.discount), Ok(quote.total));
        Ok(quote.total.get())
    }

    #[test]
    fn a_coupon_comes_after_the_members_price() {
        assert_eq!(total(1_000, Discount::Percent(10), 0), Ok(720));
        assert_eq!(total(999, Discount::Percent(33), 0), Ok(535));
        assert_eq!(total(1_000, Discount::Amount(Fen::new(300)), 0), Ok(500));
    }

    #[test]
    fn nothing_is_sold_for_less_than_a_fen_and_a_negative_discount_adds_nothing() {
        assert_eq!(total(1_000, Discount::Percent(200), 0), Ok(1));
        assert_eq!(total(1_000, Discount::Amount(Fen::new(i64::MAX)), 0), Ok(1));
        assert_eq!(total(1_000, Discount::Amount(Fen::new(-5)), 0), Ok(800));
    }

    #[test]
    fn a_coupon_that_does_not_fit_is_refused() {
        assert_eq!(total(1_000, Discount::Percent(1), 100), Err(CouponRefusal::NotValid.into()));
        assert_eq!(total(600, Discount::Percent(1), 0), Err(CouponRefusal::TooSmall.into()));
        let vip = Product { kind: ProductKind::Vip, ..skill(1_000) };
        let refused = coupon(Discount::Percent(1)).discount(&vip, Fen::new(1_000), Timestamp::from_millis(0));
        assert_eq!(refused, Err(CouponRefusal::OtherProduct));
        assert_eq!("NEW year".parse::<CouponCode>(), Err(InvalidCoupon));
    }
}
