//! The use cases of orders: what is for sale, buying it, and what became of it.
//!
//! A payment is believed only from the provider's own mouth, told or asked, and acted on only where it fits the order.
//! Whoever brings the news first (a notice, a client that looks, the reconciler, an operator) delivers; all others find
//! it done.

mod collect;
mod notice;
mod place;
mod reconcile;
mod refund;

use std::collections::BTreeMap;
use std::sync::Arc;

use kernel::{Clock, Fen, Ids, MoneyOverflow, Page, PageRequest, PortError, UserId};
use thiserror::Error;
use tracing::instrument;

use crate::coupon::{Coupon, CouponCode};
use crate::entitlement::Entitlement;
use crate::order::{Order, OrderEvent, OrderId};
use crate::payment::{Channel, CloseOutcome, PaymentStatus, RefundBy};
use crate::ports::{
    Cashier, EntitlementStore, Move, MoveOutcome, OrderFilter, OrderStore, Payers, PaymentGateway,
    RefundStore, RefundWish,
};
use crate::product::{Catalog, QuoteRefusal};

pub use notice::{NoticeAnswer, NoticeResult};
pub use place::{OrderRequest, Placed, Wanted};
pub use refund::{RefundAsk, Refunded};

/// The least and the most that one recharge without a product pays: a yuan, and what a payment may be at most.
pub const RECHARGE_FEN: std::ops::RangeInclusive<i64> = 1..=5_000_000;

/// What orders stand on.
#[derive(Clone)]
pub struct OrderPorts {
    /// Orders.
    pub orders: Arc<dyn OrderStore>,
    /// Refunds.
    pub refunds: Arc<dyn RefundStore>,
    /// Rights.
    pub rights: Arc<dyn EntitlementStore>,
    /// Lots, for what of an order is unspent.
    pub cashier: Arc<dyn Cashier>,
    /// Providers, as far as they are set up.
    pub gateways: BTreeMap<Channel, Arc<dyn PaymentGateway>>,
    /// Who pays.
    pub payers: Arc<dyn Payers>,
}

/// What an operator decides about orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderSettings {
    /// How long an order can be paid, in milliseconds.
    pub pay_ms: i64,
}

impl Default for OrderSettings {
    fn default() -> Self {
        Self { pay_ms: 30 * 60_000 }
    }
}

/// What orders refuse.
#[derive(Debug, Error)]
pub enum OrderError {
    /// There is no such order, or it is somebody else's.
    #[error("there is no such order")]
    NotFound,
    /// There is no such product, or it stands on another shelf.
    #[error("there is no such product")]
    NoProduct,
    /// There is no such coupon.
    #[error("there is no such coupon")]
    NoCoupon,
    /// The channel is not set up.
    #[error("this way of paying is not set up")]
    NoChannel,
    /// An amount that no recharge pays.
    #[error("a recharge is not of that amount")]
    Amount,
    /// The channel sells at its own prices: neither free amounts nor discounts.
    #[error("this way of paying knows no such price")]
    FixedPrice,
    /// The product cannot be bought so.
    #[error(transparent)]
    Quote(#[from] QuoteRefusal),
    /// So many are not left.
    #[error("sold out")]
    SoldOut,
    /// The person has used the coupon, or everybody has used it up.
    #[error("the coupon is used")]
    CouponUsed,
    /// The person has it already, for ever.
    #[error("owned already")]
    AlreadyOwned,
    /// The key was used for something else.
    #[error("the key was used for something else")]
    Conflict,
    /// The person must log in by WeChat before they can pay so.
    #[error("a fresh login by WeChat is needed")]
    LoginNeeded,
    /// The provider does not take the order.
    #[error("the provider refuses: {0}")]
    ProviderRefuses(String),
    /// The order is paid and cannot be cancelled.
    #[error("the order is paid")]
    Paid,
    /// Nothing of the order can go back now.
    #[error("nothing can be refunded")]
    NotRefundable,
    /// More than can go back.
    #[error("at most {rest} fen can be refunded")]
    RefundTooMuch {
        /// What can.
        rest: Fen,
    },
    /// A sum leaves the range of 64 bits.
    #[error(transparent)]
    Overflow(#[from] MoneyOverflow),
    /// A store or a provider failed.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// Orders' use cases.
pub struct OrderService {
    ports: OrderPorts,
    catalog: Catalog,
    clock: Arc<dyn Clock>,
    ids: Arc<Ids>,
    settings: OrderSettings,
}

impl OrderService {
    /// Orders of these products.
    pub fn new(
        ports: OrderPorts,
        catalog: Catalog,
        clock: Arc<dyn Clock>,
        ids: Arc<Ids>,
        settings: OrderSettings,
    ) -> Self {
        Self { ports, catalog, clock, ids, settings }
    }

    /// Everything for sale.
    pub const fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The ways of paying that are set up.
    pub fn channels(&self) -> impl Iterator<Item = Channel> + '_ {
        self.ports.gateways.keys().copied()
    }

    /// What a person may use.
    pub async fn rights(&self, user: UserId) -> Result<Vec<Entitlement>, OrderError> {
        Ok(self.ports.rights.of_user(user, self.clock.now()).await?)
    }

    /// Whether a person's membership runs.
    pub async fn is_member(&self, user: UserId) -> Result<bool, OrderError> {
        Ok(self.ports.rights.member_until(user, self.clock.now()).await?.is_some())
    }

    /// Orders, newest first.
    pub async fn list(&self, filter: OrderFilter, page: PageRequest) -> Result<Page<Order>, OrderError> {
        Ok(self.ports.orders.list(filter, page).await?)
    }

    /// An order. While it is pending, its provider is asked; where that fails, it is shown as it is known.
    #[instrument(skip_all, fields(order.id = %id))]
    pub async fn get(&self, id: OrderId) -> Result<Order, OrderError> {
        let order = self.find(id).await?;
        if !order.state.is_pending() {
            return Ok(order);
        }
        match self.ask(&order, self.clock.now()).await {
            Ok(order) => Ok(order),
            Err(error) => {
                tracing::warn!(%error, "a pending order's provider was not asked");
                Ok(order)
            }
        }
    }

    /// The same, of this buyer.
    pub async fn get_own(&self, user: UserId, id: OrderId) -> Result<Order, OrderError> {
        self.find_own(user, id).await?;
        self.get(id).await
    }

    /// Gives an order up that is not paid. If the payment was faster, it is delivered, and the order says so.
    #[instrument(skip_all, fields(order.id = %id))]
    pub async fn cancel(&self, user: UserId, id: OrderId) -> Result<Order, OrderError> {
        let order = self.find_own(user, id).await?;
        if order.state.is_paid() {
            return Err(OrderError::Paid);
        }
        if !order.state.is_pending() {
            return Ok(order);
        }
        let now = self.clock.now();
        match self.gateway(order.channel)?.close(&order).await? {
            CloseOutcome::Closed | CloseOutcome::AlreadyPaid | CloseOutcome::BySelf => {}
        }
        // It is asked for whatever the provider said: the payment may have been faster.
        match self.status(&order, now).await? {
            PaymentStatus::Paid(payment) => self.collect(&order, &payment, now).await,
            PaymentStatus::Pending | PaymentStatus::Unknown | PaymentStatus::Closed => {
                self.end_unpaid(&order, OrderEvent::Abandoned, now).await
            }
        }
    }

    /// Notes a buyer's wish for a refund, for an operator to decide on; `false` if it was noted before.
    #[instrument(skip_all, fields(order.id = %id))]
    pub async fn wish_refund(&self, user: UserId, id: OrderId, reason: &str) -> Result<bool, OrderError> {
        let order = self.find_own(user, id).await?;
        if !order.state.is_paid() || order.refunded == order.total {
            return Err(OrderError::NotRefundable);
        }
        let wish = RefundWish { order_id: id, user, reason: reason.to_owned(), at: self.clock.now() };
        Ok(self.ports.refunds.wish(&wish).await?)
    }

    /// Wishes that nobody has answered.
    pub async fn refund_wishes(&self, page: PageRequest) -> Result<Page<RefundWish>, OrderError> {
        Ok(self.ports.refunds.wishes(page).await?)
    }

    /// Makes or replaces a coupon.
    pub async fn put_coupon(&self, coupon: &Coupon) -> Result<(), OrderError> {
        Ok(self.ports.orders.put_coupon(coupon, self.clock.now()).await?)
    }

    async fn coupon(&self, code: Option<&CouponCode>) -> Result<Option<Coupon>, OrderError> {
        match code {
            None => Ok(None),
            Some(code) => Ok(Some(self.ports.orders.coupon(code).await?.ok_or(OrderError::NoCoupon)?)),
        }
    }

    async fn find(&self, id: OrderId) -> Result<Order, OrderError> {
        self.ports.orders.find(id).await?.ok_or(OrderError::NotFound)
    }

    async fn find_own(&self, user: UserId, id: OrderId) -> Result<Order, OrderError> {
        let order = self.find(id).await?;
        if order.user == user { Ok(order) } else { Err(OrderError::NotFound) }
    }

    fn gateway(&self, channel: Channel) -> Result<&Arc<dyn PaymentGateway>, OrderError> {
        self.ports.gateways.get(&channel).ok_or(OrderError::NoChannel)
    }

    /// Moves an order on; one that cannot be moved so is answered as it is.
    async fn advance(&self, step: &Move) -> Result<Order, OrderError> {
        match self.ports.orders.advance(step).await? {
            MoveOutcome::Now(order) | MoveOutcome::Refused(order) => Ok(order),
            MoveOutcome::NoOrder => Err(OrderError::NotFound),
        }
    }
}

/// Who asked, as an audit line and a metric name it.
pub(crate) const fn asker(by: RefundBy) -> &'static str {
    match by {
        RefundBy::Buyer => "buyer",
        RefundBy::Admin(_) => "admin",
        RefundBy::Provider => "provider",
    }
}
