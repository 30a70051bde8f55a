//! What is for sale, and what it costs a person.
//!
//! The catalogue is data that the server loads; here are its words and the one pure function that makes a price.
//! Every rounding is in the buyer's favour, and nothing is sold for less than a fen, which no provider takes.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use kernel::{Credits, Fen, MoneyOverflow, Timestamp};
use thiserror::Error;

use crate::coupon::{Coupon, CouponRefusal};
use crate::transfer::UnknownKind;

/// A product's id: a slug such as `credits_6`, unique in the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProductId(String);

/// Longest id of a product.
const PRODUCT_ID_MAX: usize = 64;

/// A text that is no product's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a product's id")]
pub struct InvalidProductId;

impl ProductId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProductId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ProductId {
    type Err = InvalidProductId;

    fn from_str(text: &str) -> Result<Self, InvalidProductId> {
        let fits = (1..=PRODUCT_ID_MAX).contains(&text.len());
        let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if fits && is_plain { Ok(Self(text.to_owned())) } else { Err(InvalidProductId) }
    }
}

/// What sort of thing a product is; the shop's shelves, and the `productType` of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ProductKind {
    /// Token credits.
    Credits,
    /// A character.
    Character,
    /// A skill of a character.
    Skill,
    /// Months of membership.
    Vip,
    /// Several of these together.
    Bundle,
}

impl ProductKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Credits, Self::Character, Self::Skill, Self::Vip, Self::Bundle];

    /// Its name, as stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Credits => "credits",
            Self::Character => "character",
            Self::Skill => "skill",
            Self::Vip => "vip",
            Self::Bundle => "bundle",
        }
    }
}

impl FromStr for ProductKind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(UnknownKind)
    }
}

/// One thing that a product delivers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Credits, which become a lot.
    Credits {
        /// What was paid for.
        amount: Credits,
        /// What comes on top, as a lot of its own that is never refunded.
        bonus: Credits,
        /// Days until both end; `None` for ever.
        days: Option<u32>,
    },
    /// A character to keep.
    Character {
        /// Its id.
        id: String,
    },
    /// A skill to keep.
    Skill {
        /// The character that has it.
        character_id: String,
        /// Its id.
        skill_id: String,
    },
    /// Membership, which begins when the running one ends.
    Vip {
        /// How long, in calendar months of 30 days each.
        months: u32,
    },
}

/// When and how often an offer can be bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Offering {
    /// From when on.
    pub from: Option<Timestamp>,
    /// Until when.
    pub until: Option<Timestamp>,
    /// How many there are for everybody together; the store counts what is ordered and not closed.
    pub stock: Option<u32>,
}

impl Offering {
    /// Whether it can be bought now, as far as time says.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= now) && self.until.is_none_or(|until| now < until)
    }
}

/// A thing for sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// Its id.
    pub id: ProductId,
    /// Its shelf.
    pub kind: ProductKind,
    /// Its name, as people read it.
    pub name: String,
    /// What one costs before any discount, at least a fen.
    pub price: Fen,
    /// What one delivers.
    pub contents: Vec<Content>,
    /// How many one order may take.
    pub quantity_max: u32,
    /// Limits of the offer.
    pub offering: Offering,
    /// Whether it is bought by members only.
    pub members_only: bool,
    /// Its id in WeChat's console of virtual goods, where it differs.
    pub virtual_id: Option<String>,
}

/// Everything for sale, by id.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    products: BTreeMap<ProductId, Product>,
}

/// Why a catalogue was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CatalogError {
    /// Two products have one id.
    #[error("product {0} is there twice")]
    Duplicate(ProductId),
    /// A price, an amount or a quantity is not positive, or there is nothing in it.
    #[error("product {0} has a price, a quantity or a content that cannot be sold")]
    Unsellable(ProductId),
}

impl Catalog {
    /// A catalogue of these products, or what is wrong with the first bad one.
    pub fn new(products: impl IntoIterator<Item = Product>) -> Result<Self, CatalogError> {
        let mut catalog = BTreeMap::new();
        for product in products {
            if !product.is_sellable() {
                return Err(CatalogError::Unsellable(product.id));
            }
            if let Some(earlier) = catalog.insert(product.id.clone(), product) {
                return Err(CatalogError::Duplicate(earlier.id));
            }
        }
        Ok(Self { products: catalog })
    }

    /// A product.
    pub fn get(&self, id: &ProductId) -> Option<&Product> {
        self.products.get(id)
    }

    /// Every product, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Product> {
        self.products.values()
    }
}

/// What a member pays of a skill's price, in percent.
const MEMBER_SKILL_PERCENT: i64 = 80;
/// The least that is paid for anything.
const PRICE_MIN: i64 = 1;

/// Who buys, how many, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purchase {
    /// How many.
    pub quantity: u32,
    /// Whether the buyer's membership runs.
    pub is_member: bool,
    /// When.
    pub at: Timestamp,
}

/// What an order costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quote {
    /// One, before any discount.
    pub unit_price: Fen,
    /// All of them, before any discount.
    pub original: Fen,
    /// What the membership and the coupon take off together.
    pub discount: Fen,
    /// What is paid.
    pub total: Fen,
}

/// Why a product cannot be bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum QuoteRefusal {
    /// None, or more than one order may take.
    #[error("the quantity is not between 1 and {max}")]
    Quantity {
        /// The most.
        max: u32,
    },
    /// The offer has not begun or is over.
    #[error("the offer is not open")]
    NotOpen,
    /// Only members buy it.
    #[error("the offer is for members")]
    MembersOnly,
    /// The coupon does not fit.
    #[error(transparent)]
    Coupon(#[from] CouponRefusal),
    /// The sum leaves the range of 64 bits.
    #[error(transparent)]
    Overflow(#[from] MoneyOverflow),
}

impl Product {
    fn is_sellable(&self) -> bool {
        let contents = self.contents.iter().all(|content| match content {
            Content::Credits { amount, bonus, days } => {
                amount.is_positive() && bonus.get() >= 0 && *days != Some(0)
            }
            Content::Character { id } => !id.is_empty(),
            Content::Skill { character_id, skill_id } => !character_id.is_empty() && !skill_id.is_empty(),
            Content::Vip { months } => *months > 0,
        });
        self.price.is_positive() && self.quantity_max > 0 && !self.contents.is_empty() && contents
    }

    /// What it costs: the member's price first, then the coupon.
    pub fn quote(&self, purchase: Purchase, coupon: Option<&Coupon>) -> Result<Quote, QuoteRefusal> {
        if !(1..=self.quantity_max).contains(&purchase.quantity) {
            return Err(QuoteRefusal::Quantity { max: self.quantity_max });
        }
        if !self.offering.is_open(purchase.at) {
            return Err(QuoteRefusal::NotOpen);
        }
        if self.members_only && !purchase.is_member {
            return Err(QuoteRefusal::MembersOnly);
        }
        let original = times(self.price, purchase.quantity)?;
        let is_reduced = purchase.is_member && self.kind == ProductKind::Skill;
        let for_members = if is_reduced { percent(original, MEMBER_SKILL_PERCENT)? } else { original };
        let off = coupon.map_or(Ok(Fen::ZERO), |coupon| coupon.discount(self, for_members, purchase.at))?;
        let total = for_members.minus(off)?.max(Fen::new(PRICE_MIN));
        Ok(Quote { unit_price: self.price, original, discount: original.minus(total)?, total })
    }
}

fn times(price: Fen, quantity: u32) -> Result<Fen, MoneyOverflow> {
    price.get().checked_mul(i64::from(quantity)).map(Fen::new).ok_or(MoneyOverflow)
}

/// So many percent, rounded down.
pub(crate) fn percent(amount: Fen, percent: i64) -> Result<Fen, MoneyOverflow> {
    let share = i128::from(amount.get()) * i128::from(percent) / 100;
    i64::try_from(share).map(Fen::new).map_err(|_out_of_range| MoneyOverflow)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn product(kind: ProductKind, price: i64) -> Product {
        Product {
            id: "thing".parse().unwrap(),
            kind,
            name: "物".into(),
            price: Fen::new(price),
            contents: vec![Content::Vip { months: 1 }],
            quantity_max: 10,
            offering: Offering::default(),
            members_only: false,
            virtual_id: None,
        }
    }

    fn purchase(quantity: u32, is_member: bool) -> Purchase {
        Purchase { quantity, is_member, at: NOW }
    }

    #[test]
    fn members_pay_a_fifth_less_for_skills_and_for_nothing_else() {
        let total = |kind, member| product(kind, 999).quote(purchase(1, member), None).unwrap().total.get();
        assert_eq!(total(ProductKind::Skill, true), 799);
        assert_eq!(total(ProductKind::Skill, false), 999);
        assert_eq!(total(ProductKind::Credits, true), 999);
    }

    #[test]
    fn quantities_outside_the_bounds_and_closed_offers_are_refused() {
        let skill = product(ProductKind::Skill, 100);
        for quantity in [0, 11, u32::MAX] {
            let refused = skill.quote(purchase(quantity, false), None);
            assert_eq!(refused, Err(QuoteRefusal::Quantity { max: 10 }));
        }
        let over =
            Product { offering: Offering { until: Some(NOW), ..Offering::default() }, ..skill.clone() };
        assert_eq!(over.quote(purchase(1, false), None), Err(QuoteRefusal::NotOpen));
        let closed_shop = Product { members_only: true, ..skill };
        assert_eq!(closed_shop.quote(purchase(1, false), None), Err(QuoteRefusal::MembersOnly));
    }

    #[test]
    fn a_sum_beyond_64_bits_is_refused() {
        let dear = product(ProductKind::Bundle, i64::MAX);
        assert_eq!(dear.quote(purchase(2, false), None), Err(QuoteRefusal::Overflow(MoneyOverflow)));
    }

    #[test]
    fn what_cannot_be_sold_is_not_in_a_catalogue() {
        let free = product(ProductKind::Vip, 0);
        assert!(matches!(Catalog::new([free]).err(), Some(CatalogError::Unsellable(_))));
        let twice = [product(ProductKind::Vip, 1), product(ProductKind::Vip, 2)];
        assert!(matches!(Catalog::new(twice).err(), Some(CatalogError::Duplicate(_))));
    }
}
