//! The store of orders, refunds and entitlements.
//!
//! It shares the database with the books, because "paid" and "credited" are one fact: a payment's state, its credits,
//! its yuan and what it unlocks are one transaction, and so are a refund's.

use async_trait::async_trait;
use kernel::{Credits, Fen, Page, PageRequest, PortError, Timestamp, UserId};

use crate::coupon::{Coupon, CouponCode};
use crate::discrepancy::Discrepancy;
use crate::entitlement::{Entitlement, EntitlementId, Subject};
use crate::order::{Order, OrderEvent, OrderId, OrderState};
use crate::payment::{Payment, Refund, RefundId, RefundStatus};
use crate::posting::{Credit, GiveBack, HouseTransfer, TakeBack};

/// An order that is to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOrder {
    /// The order, created.
    pub order: Order,
    /// The client's key, if it sent one; unique for a person.
    pub key: Option<String>,
    /// Of everything that the client asked for.
    pub body_hash: String,
    /// How many of the product there are for everybody together.
    pub stock: Option<u32>,
    /// How often the coupon can be used by all together.
    pub coupon_uses_max: Option<u32>,
}

/// What became of a [`NewOrder`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CreateOrder {
    /// It is stored.
    Created,
    /// The key was used for the same; this is that order as it is now.
    Replayed(Box<Order>),
    /// The key was used for something else.
    Conflict,
    /// So many are not left.
    SoldOut,
    /// The person has used the coupon, or everybody together has used it up.
    CouponUsed,
}

/// A conditional step of an order that moves no money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// Which.
    pub order_id: OrderId,
    /// What happened; none where only the plan of questions changes.
    pub event: Option<OrderEvent>,
    /// How often its provider has been asked, and when it is next.
    pub queries: u32,
    /// When it is asked next.
    pub query_at: Option<Timestamp>,
    /// When.
    pub at: Timestamp,
}

/// What became of a [`Move`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MoveOutcome {
    /// The order as it is now, moved or where it was already.
    Now(Order),
    /// The event cannot happen to it; this is how it is.
    Refused(Order),
    /// There is no such order.
    NoOrder,
}

/// A right that a payment delivers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntitlementGrant {
    /// Its id.
    pub id: EntitlementId,
    /// Of what.
    pub subject: Subject,
    /// Months that it lasts, after the running one of the same subject; `None` for ever.
    pub months: Option<u32>,
    /// Which delivery, unique.
    pub key: String,
}

/// Everything that a payment does, in one transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// Which order.
    pub order_id: OrderId,
    /// The notice's id, unique in the order's channel; `None` where we asked.
    pub notice_id: Option<String>,
    /// The payment, which fits the order.
    pub payment: Payment,
    /// Lots of what was paid for and of the bonus, with keys of their own.
    pub credits: Vec<Credit>,
    /// Rights.
    pub grants: Vec<EntitlementGrant>,
    /// The yuan, from sales to cash.
    pub cash: HouseTransfer,
    /// When.
    pub at: Timestamp,
}

/// What became of a [`Delivery`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PayOutcome {
    /// It is delivered.
    Delivered {
        /// The order now.
        order: Order,
        /// What it was before; closed or expired means that the payment was late.
        was: OrderState,
    },
    /// It was delivered before; nothing changed.
    Replayed(Order),
    /// There is no such order.
    NoOrder,
}

/// Which orders a list shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OrderFilter {
    /// Whose; everybody's for operators.
    pub user: Option<UserId>,
    /// In which state.
    pub state: Option<OrderState>,
}

/// Orders.
///
/// Each method is one transaction or one read, may be repeated without harm, and goes on to its end when its caller
/// is dropped. A state MUST change only as [`OrderState::on`] says.
#[async_trait]
pub trait OrderStore: Send + Sync {
    /// Stores an order, and counts its coupon and its stock.
    ///
    /// MUST store one order for a key, whatever the concurrency. MUST NOT sell more than there is, nor take a coupon
    /// twice from one person; orders that ended unpaid count for neither.
    async fn create(&self, new: &NewOrder) -> Result<CreateOrder, PortError>;

    /// An order.
    async fn find(&self, id: OrderId) -> Result<Option<Order>, PortError>;

    /// Orders, newest first.
    async fn list(&self, filter: OrderFilter, page: PageRequest) -> Result<Page<Order>, PortError>;

    /// Moves an order on.
    async fn advance(&self, step: &Move) -> Result<MoveOutcome, PortError>;

    /// Delivers a payment: state, lots, yuan, rights and the notice's id, all or nothing.
    ///
    /// MUST deliver once for each order, however often, late or concurrently the payment is told; also to an order
    /// that was closed or has expired. The last use of a coupon or of a stock that such an order had is taken again.
    async fn deliver(&self, delivery: &Delivery) -> Result<PayOutcome, PortError>;

    /// Pending orders that are to be asked for at `now`, the longest due first.
    async fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<Order>, PortError>;

    /// Orders made since then that are not paid, ended ones too: a page of them by id, after this one.
    async fn unpaid_since(
        &self,
        since: Timestamp,
        after: Option<OrderId>,
        limit: u32,
    ) -> Result<Vec<Order>, PortError>;

    /// Orders whose credits, yuan, rights or refunds are not what the books and the other tables have, at most `limit`.
    /// MUST NOT write, nor report a change in flight.
    async fn discrepancies(&self, limit: u32) -> Result<Vec<Discrepancy>, PortError>;

    /// A coupon of the store, which operators made.
    async fn coupon(&self, code: &CouponCode) -> Result<Option<Coupon>, PortError>;

    /// Makes or replaces a coupon.
    async fn put_coupon(&self, coupon: &Coupon, at: Timestamp) -> Result<(), PortError>;
}

/// A refund that is to begin, with what it takes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundPosting {
    /// The refund, pending.
    pub refund: Refund,
    /// The caller's key, if there was one; unique for an order.
    pub key: Option<String>,
    /// Credits that are taken into [`crate::SystemAccount::RefundClearing`]; none where the order delivered none.
    pub take_back: Option<TakeBack>,
    /// Whether the rights that the order delivered end.
    pub revokes: bool,
}

/// What became of a [`RefundPosting`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BeginRefund {
    /// It has begun; the provider may be told.
    Begun,
    /// The key was used; this is that refund.
    Replayed(Refund),
    /// The order is not paid, or another refund of it has not ended.
    NotNow,
    /// More than the rest of the payment, or more credits than are free.
    TooMuch {
        /// The rest of the payment.
        rest: Fen,
        /// Credits of the order that are free.
        free: Credits,
    },
    /// There is no such order.
    NoOrder,
}

/// How a refund ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundEnd {
    /// Which.
    pub refund_id: RefundId,
    /// The provider's notice, where it told us.
    pub notice_id: Option<String>,
    /// Succeeded, closed or abnormal.
    pub status: RefundStatus,
    /// If it succeeded: credits from clearing to issued, and yuan from cash to sales.
    pub settled: Vec<HouseTransfer>,
    /// If it was closed: credits back into their lot.
    pub give_back: Option<GiveBack>,
    /// When.
    pub at: Timestamp,
}

/// What became of a [`RefundEnd`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndRefund {
    /// It has ended; the order now.
    Ended(Order),
    /// It had ended before; nothing changed.
    Replayed(Refund),
    /// There is no such refund.
    NoRefund,
}

/// Money that went back without our asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClawBack {
    /// The refund, succeeded.
    pub refund: Refund,
    /// The provider's notice.
    pub notice_id: String,
    /// Credits, taken by force.
    pub take_back: Option<TakeBack>,
    /// Yuan, from cash to sales.
    pub cash: HouseTransfer,
    /// Whether the account is frozen until an operator has looked.
    pub freezes: bool,
    /// When.
    pub at: Timestamp,
}

/// What became of a [`ClawBack`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClawBackOutcome {
    /// It is booked.
    Booked {
        /// What the house lost.
        lost: Credits,
    },
    /// It was booked before.
    Replayed,
    /// There is no such paid order.
    NoOrder,
}

/// A buyer's wish for a refund, for an operator to decide on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundWish {
    /// Of which order.
    pub order_id: OrderId,
    /// Who wishes.
    pub user: UserId,
    /// Why, at most 200 characters.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// Refunds. Rules are those of [`OrderStore`].
#[async_trait]
pub trait RefundStore: Send + Sync {
    /// Begins a refund: its row, its credits and its rights, all or nothing. MUST NOT let refunds exceed the payment.
    async fn begin(&self, posting: &RefundPosting) -> Result<BeginRefund, PortError>;

    /// Ends it, once. A refund that the provider gave up MUST leave wallet and rights as they were before.
    async fn end(&self, end: &RefundEnd) -> Result<EndRefund, PortError>;

    /// Books what was taken from us, once for each of the provider's ids.
    async fn claw_back(&self, claw: &ClawBack) -> Result<ClawBackOutcome, PortError>;

    /// A refund.
    async fn find(&self, id: RefundId) -> Result<Option<Refund>, PortError>;

    /// The refund of an order that was begun under this key.
    async fn by_key(&self, order: OrderId, key: &str) -> Result<Option<Refund>, PortError>;

    /// An order's refunds, oldest first.
    async fn of_order(&self, order: OrderId) -> Result<Vec<Refund>, PortError>;

    /// Refunds that have not ended and were asked for before this, the oldest first.
    async fn open(&self, before: Timestamp, limit: u32) -> Result<Vec<Refund>, PortError>;

    /// Notes that a buyer wishes for a refund; `false` if they did before. A refund that begins answers the wish.
    async fn wish(&self, wish: &RefundWish) -> Result<bool, PortError>;

    /// Wishes that nobody has answered, the oldest first.
    async fn wishes(&self, page: PageRequest) -> Result<Page<RefundWish>, PortError>;
}

/// What people may use.
#[async_trait]
pub trait EntitlementStore: Send + Sync {
    /// A person's rights that are active or will be.
    async fn of_user(&self, user: UserId, now: Timestamp) -> Result<Vec<Entitlement>, PortError>;

    /// Gives a right without an order. MUST give one key once; answers whether it was new.
    async fn give(&self, entitlement: &Entitlement) -> Result<bool, PortError>;

    /// Until when the person's membership runs without a gap; `None` if none runs now.
    async fn member_until(&self, user: UserId, now: Timestamp) -> Result<Option<Timestamp>, PortError>;
}
