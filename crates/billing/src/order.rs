//! Orders: what a person wants to buy, and how far that has come.
//!
//! States go forward only. "Paid" and "delivered" are one step, since they are one transaction; and a payment that
//! arrives for an order that was closed is delivered all the same: money that came is never lost.

use std::str::FromStr;

use kernel::{Credits, Fen, Id, MoneyOverflow, Timestamp, UserId};

use crate::coupon::CouponCode;
use crate::payment::Channel;
use crate::product::{Content, ProductId, ProductKind};
use crate::transfer::UnknownKind;

pub use crate::trade_no::{InvalidTradeNo, TradeNo};

/// Kind of an order.
pub enum OrderKind {}

/// An order's id.
pub type OrderId = Id<OrderKind>;

/// How far an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OrderState {
    /// It is stored; the provider may not know it.
    Created,
    /// The provider knows it, and the person was shown how to pay.
    Prepaid,
    /// Its time is over unpaid, as the provider confirmed.
    Expired,
    /// It was closed unpaid, at the person's or an operator's wish.
    Closed,
    /// It is paid and everything is delivered.
    Delivered,
    /// A part of the money went back.
    PartlyRefunded,
    /// All that was to go back did.
    Refunded,
}

impl OrderState {
    /// Every state, each before those that may follow it.
    pub const ALL: [Self; 7] = [
        Self::Created,
        Self::Prepaid,
        Self::Expired,
        Self::Closed,
        Self::Delivered,
        Self::PartlyRefunded,
        Self::Refunded,
    ];

    /// Its name, as stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Prepaid => "prepaid",
            Self::Expired => "expired",
            Self::Closed => "closed",
            Self::Delivered => "delivered",
            Self::PartlyRefunded => "partly_refunded",
            Self::Refunded => "refunded",
        }
    }

    /// Whether a payment may still arrive in the usual way.
    pub const fn is_pending(self) -> bool {
        match self {
            Self::Created | Self::Prepaid => true,
            Self::Expired | Self::Closed | Self::Delivered | Self::PartlyRefunded | Self::Refunded => false,
        }
    }

    /// Whether it has been paid, whatever came after.
    pub const fn is_paid(self) -> bool {
        match self {
            Self::Delivered | Self::PartlyRefunded | Self::Refunded => true,
            Self::Created | Self::Prepaid | Self::Expired | Self::Closed => false,
        }
    }

    /// What the event makes of it.
    pub const fn on(self, event: OrderEvent) -> Step {
        match event {
            OrderEvent::Offered => match self {
                Self::Created => Step::To(Self::Prepaid),
                Self::Prepaid => Step::Stay,
                Self::Expired | Self::Closed | Self::Delivered | Self::PartlyRefunded | Self::Refunded => {
                    Step::Refused
                }
            },
            OrderEvent::Lapsed => self.end_unpaid(Self::Expired),
            OrderEvent::Abandoned => self.end_unpaid(Self::Closed),
            OrderEvent::Paid => match self {
                Self::Created | Self::Prepaid | Self::Expired | Self::Closed => Step::To(Self::Delivered),
                Self::Delivered | Self::PartlyRefunded | Self::Refunded => Step::Stay,
            },
            OrderEvent::RefundedPart => match self {
                Self::Delivered => Step::To(Self::PartlyRefunded),
                Self::PartlyRefunded | Self::Refunded => Step::Stay,
                Self::Created | Self::Prepaid | Self::Expired | Self::Closed => Step::Refused,
            },
            OrderEvent::RefundedAll => match self {
                Self::Delivered | Self::PartlyRefunded => Step::To(Self::Refunded),
                Self::Refunded => Step::Stay,
                Self::Created | Self::Prepaid | Self::Expired | Self::Closed => Step::Refused,
            },
        }
    }

    const fn end_unpaid(self, end: Self) -> Step {
        match self {
            Self::Created | Self::Prepaid => Step::To(end),
            Self::Expired | Self::Closed => Step::Stay,
            // The payment was faster.
            Self::Delivered | Self::PartlyRefunded | Self::Refunded => Step::Refused,
        }
    }
}

impl FromStr for OrderState {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(UnknownKind)
    }
}

/// What happens to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OrderEvent {
    /// The provider took it.
    Offered,
    /// Its time is over, and the provider has closed it.
    Lapsed,
    /// The person or an operator gave it up, and the provider has closed it.
    Abandoned,
    /// The provider has the money.
    Paid,
    /// A part went back.
    RefundedPart,
    /// The rest went back.
    RefundedAll,
}

impl OrderEvent {
    /// Every event.
    pub const ALL: [Self; 6] =
        [Self::Offered, Self::Lapsed, Self::Abandoned, Self::Paid, Self::RefundedPart, Self::RefundedAll];
}

/// What an event makes of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It goes on to this state.
    To(OrderState),
    /// It was there or beyond already: a repeat, which changes nothing.
    Stay,
    /// The event cannot happen to it.
    Refused,
}

/// An order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its id.
    pub id: OrderId,
    /// Who buys.
    pub user: UserId,
    /// What, from which shelf.
    pub kind: ProductKind,
    /// What.
    pub product: ProductId,
    /// Its name at the time.
    pub product_name: String,
    /// Its number in WeChat's console of virtual goods.
    pub virtual_id: String,
    /// How many.
    pub quantity: u32,
    /// One, before any discount.
    pub unit_price: Fen,
    /// What the discounts took off.
    pub discount: Fen,
    /// What is paid.
    pub total: Fen,
    /// What one of them delivers, as the catalogue said at the time.
    pub contents: Vec<Content>,
    /// Which coupon was used.
    pub coupon: Option<CouponCode>,
    /// How it is paid.
    pub channel: Channel,
    /// Where in the app it began, as the client said; at most 64 characters.
    pub source: Option<String>,
    /// How far it is.
    pub state: OrderState,
    /// What went back so far, confirmed.
    pub refunded: Fen,
    /// The provider's number of the payment.
    pub provider_txn_id: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it can be paid.
    pub expires_at: Timestamp,
    /// When it was paid.
    pub paid_at: Option<Timestamp>,
    /// How often the provider was asked for it.
    pub queries: u32,
    /// When it will be asked next; `None` when there is nothing more to ask.
    pub query_at: Option<Timestamp>,
}

impl Order {
    /// Its number at providers.
    pub const fn trade_no(&self) -> TradeNo {
        TradeNo::of(self.id)
    }

    /// Credits that all of it delivers: what was paid for, and the bonus.
    pub fn credits(&self) -> Result<(Credits, Credits), MoneyOverflow> {
        let mut sums = (Credits::ZERO, Credits::ZERO);
        for content in &self.contents {
            let (amount, bonus) = match content {
                Content::Credits { amount, bonus, .. } => (*amount, *bonus),
                Content::Character { .. } | Content::Skill { .. } | Content::Vip { .. } => continue,
            };
            sums = (sums.0.plus(amount)?, sums.1.plus(bonus)?);
        }
        Ok((times(sums.0, self.quantity)?, times(sums.1, self.quantity)?))
    }

    /// The most money that may go back for so many unspent credits of the order, rounded down to fen.
    ///
    /// An order of credits alone gives back their share of the price; one without credits, all of it, since what it
    /// delivered is taken back whole. One of both gives back only all or nothing.
    pub fn refundable(&self, unspent: Credits) -> Result<Fen, MoneyOverflow> {
        let rest = self.total.minus(self.refunded)?;
        let (bought, _bonus) = self.credits()?;
        if !bought.is_positive() {
            return Ok(rest);
        }
        let is_pure = self.contents.iter().all(|content| matches!(content, Content::Credits { .. }));
        if !is_pure {
            return Ok(if unspent >= bought { rest } else { Fen::ZERO });
        }
        let share =
            i128::from(self.total.get()) * i128::from(unspent.get().max(0)) / i128::from(bought.get());
        let share = i64::try_from(share).map_err(|_out_of_range| MoneyOverflow)?;
        Ok(Fen::new(share).min(rest).max(Fen::ZERO))
    }

    /// How many credits of the order a refund of so much takes back, rounded up: nobody gains by many small ones.
    pub fn credits_for(&self, refund: Fen) -> Result<Credits, MoneyOverflow> {
        let (bought, _bonus) = self.credits()?;
        let (total, bought) = (i128::from(self.total.get().max(1)), i128::from(bought.get()));
        let part = (i128::from(refund.get()) * bought + total - 1) / total;
        i64::try_from(part.min(bought)).map(Credits::new).map_err(|_out_of_range| MoneyOverflow)
    }
}

fn times(amount: Credits, quantity: u32) -> Result<Credits, MoneyOverflow> {
    amount.get().checked_mul(i64::from(quantity)).map(Credits::new).ok_or(MoneyOverflow)
}

/// Seconds after an order was made at which its provider is asked, as long as it is pending.
const QUERIES_SECONDS: [i64; 4] = [10, 30, 60, 300];
/// Seconds between further questions after its time is over, while the provider has not said how it ended.
const LATE_QUERY_SECONDS: i64 = 300;
/// Milliseconds after its time at which it is asked first: a payment of the last moment is on its way.
pub const GRACE_MS: i64 = 5_000;

/// When a provider is asked next for a pending order that was asked so often.
pub fn next_query(created_at: Timestamp, expires_at: Timestamp, queries: u32, now: Timestamp) -> Timestamp {
    let planned = usize::try_from(queries).ok().and_then(|done| QUERIES_SECONDS.get(done));
    let end = expires_at.plus_millis(GRACE_MS);
    match planned {
        Some(seconds) if created_at.plus_seconds(*seconds) < end => created_at.plus_seconds(*seconds),
        Some(_) | None if now < end => end,
        Some(_) | None => now.plus_seconds(LATE_QUERY_SECONDS),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn no_event_moves_an_order_backwards() {
        let rank = |state: OrderState| OrderState::ALL.iter().position(|other| *other == state).unwrap();
        for state in OrderState::ALL {
            for event in OrderEvent::ALL {
                if let Step::To(next) = state.on(event) {
                    assert!(rank(next) > rank(state), "{state:?} on {event:?}");
                    assert_eq!(next.on(event), Step::Stay, "a repeat of {event:?} changes nothing");
                }
            }
        }
    }

    #[test]
    fn a_payment_is_delivered_once_whatever_the_order_was() {
        for state in OrderState::ALL {
            let expected = if state.is_paid() { Step::Stay } else { Step::To(OrderState::Delivered) };
            assert_eq!(state.on(OrderEvent::Paid), expected);
        }
    }

    #[test]
    fn a_paid_order_is_neither_closed_nor_expired() {
        for event in [OrderEvent::Lapsed, OrderEvent::Abandoned, OrderEvent::Offered] {
            assert_eq!(OrderState::Delivered.on(event), Step::Refused);
        }
        assert_eq!(OrderState::Prepaid.on(OrderEvent::RefundedAll), Step::Refused);
    }

    fn order(total: i64, contents: Vec<Content>) -> Order {
        let at = Timestamp::from_millis(0);
        Order {
            id: Id::from_uuid(Uuid::from_u128(1)),
            user: Id::from_uuid(Uuid::from_u128(2)),
            kind: ProductKind::Credits,
            product: "credits_6".parse().unwrap(),
            product_name: "点".into(),
            virtual_id: "credits_6".into(),
            quantity: 2,
            unit_price: Fen::new(total / 2),
            discount: Fen::ZERO,
            total: Fen::new(total),
            contents,
            coupon: None,
            channel: Channel::Sandbox,
            source: None,
            state: OrderState::Delivered,
            refunded: Fen::ZERO,
            provider_txn_id: None,
            created_at: at,
            expires_at: at,
            paid_at: None,
            queries: 0,
            query_at: None,
        }
    }

    fn credits(amount: i64) -> Content {
        Content::Credits { amount: Credits::new(amount), bonus: Credits::new(5), days: None }
    }

    #[test]
    fn the_unspent_part_goes_back_rounded_down_to_fen() {
        let pack = order(1_000, vec![credits(5_000_000)]);
        assert_eq!(pack.credits(), Ok((Credits::new(10_000_000), Credits::new(10))));
        assert_eq!(pack.refundable(Credits::new(9_999_999)), Ok(Fen::new(999)));
        assert_eq!(pack.refundable(Credits::new(10_000_010)), Ok(Fen::new(1_000)));
        assert_eq!(pack.refundable(Credits::new(-1)), Ok(Fen::ZERO));
        let twice = Order { refunded: Fen::new(400), ..pack };
        assert_eq!(twice.refundable(Credits::new(10_000_000)), Ok(Fen::new(600)));
        assert_eq!(twice.credits_for(Fen::new(1)), Ok(Credits::new(10_000)));
    }

    #[test]
    fn a_bundle_goes_back_whole_or_not_at_all() {
        let bundle = order(1_000, vec![credits(50), Content::Vip { months: 1 }]);
        assert_eq!(bundle.refundable(Credits::new(99)), Ok(Fen::ZERO));
        assert_eq!(bundle.refundable(Credits::new(100)), Ok(Fen::new(1_000)));
        let member = order(1_000, vec![Content::Vip { months: 1 }]);
        assert_eq!(member.refundable(Credits::ZERO), Ok(Fen::new(1_000)));
    }

    #[test]
    fn a_pending_order_is_asked_for_on_the_documented_schedule() {
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1_000);
        let next = |queries, now| next_query(at(0), at(1_800), queries, at(now));
        assert_eq!([next(0, 0), next(1, 10), next(2, 30), next(3, 60)], [at(10), at(30), at(60), at(300)]);
        assert_eq!(next(4, 300), at(1_805));
        assert_eq!(next(5, 1_805), at(2_105));
        assert_eq!(next_query(at(0), at(20), 1, at(10)), at(25), "a short order is asked for at its end");
    }
}
