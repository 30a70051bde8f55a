//! What billing needs of the system that keeps the books.

use async_trait::async_trait;
use kernel::{Credits, MessageId, Page, PageRequest, PortError, Timestamp, TokenUsage, UserId};

use crate::account::{Owner, Wallet};
use crate::hold::{Charge, Hold, InstanceId};
use crate::lot::Lot;
use crate::posting::{Credit, CreditOutcome, Debit, DebitOutcome, Funding, Standing, StandingChange};
use crate::report::LedgerReport;
use crate::transfer::{Transaction, TransactionKind, TransferId};

/// A person's account that is to exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// Whose.
    pub user: UserId,
    /// Credits given to a new account; nothing is posted where it is zero.
    pub grant: Credits,
    /// Credits given on each day in China on which the account is used; they end with the day.
    pub daily: Credits,
    /// When.
    pub at: Timestamp,
}

/// What became of a hold that was to be set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReserveOutcome {
    /// Its amount moved from available to held.
    Held,
    /// The message's id names a hold that was asked for in the same way; nothing changed.
    Replayed(Hold),
    /// Less is available than the amount; nothing changed.
    Insufficient {
        /// What is available; zero where there is no wallet.
        available: Credits,
    },
    /// The message's id names a hold that was asked for otherwise; nothing changed.
    Conflict,
    /// The account is frozen; nothing changed.
    Frozen,
    /// The day's limit would be passed; nothing changed.
    CapReached {
        /// What may still be spent today.
        left: Credits,
    },
}

/// A charge with the ids of the transfers that it may need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settlement {
    /// The charge.
    pub charge: Charge,
    /// Id of the transfer from the payer to the revenue.
    pub transfer_id: TransferId,
    /// Id of the transfer from the loss to the revenue.
    pub loss_transfer_id: TransferId,
}

/// What became of a [`Settlement`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettleOutcome {
    /// The hold is resolved by this charge.
    Settled {
        /// Available and held of the payer together, afterwards.
        balance: Credits,
        /// What the payer paid.
        charged: Credits,
        /// What the house paid.
        lost: Credits,
    },
    /// It was settled or voided before; nothing changed.
    AlreadyResolved,
    /// No hold has this message's id.
    NoHold,
}

/// What became of a hold that was to be given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VoidOutcome {
    /// All of it is available again.
    Voided,
    /// It was settled, voided or has expired before; nothing changed.
    AlreadyResolved,
    /// No hold has this message's id.
    NoHold,
}

/// The sign of life of an instance for the holds it works on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewal {
    /// Whose holds.
    pub instance: InstanceId,
    /// Holds that would expire before this are renewed, so that most calls write nothing.
    pub due_before: Timestamp,
    /// Holds made before this are not renewed: no reply takes so long, so their work is lost.
    pub created_after: Timestamp,
    /// When they expire next.
    pub until: Timestamp,
    /// Tokens that some of them have received so far.
    pub received: Vec<(MessageId, TokenUsage)>,
}

/// The books: wallets, holds and transfers.
///
/// Each method is one atomic change or one read, may be repeated without harm, and goes on to its end when its
/// caller is dropped. A transfer MUST never change or vanish once it is there; the store itself refuses it.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// The person's wallet, which is opened with its welcome grant where it is not, gets the day's free credits, and
    /// loses what has expired.
    ///
    /// MUST grant once, whatever the concurrency, and once for each day. MUST NOT write where nothing is due.
    async fn ensure_account(&self, opening: &Opening) -> Result<Wallet, PortError>;

    /// Sets the hold's amount aside, from the lots in [`crate::Lot::use_order`]. `day_max` is the house's limit of what
    /// may leave a wallet on one day in China, open holds included.
    ///
    /// MUST NOT take available below zero. MUST answer `Replayed` or `Conflict` for a known message's id,
    /// however little is available. Of concurrent calls for one message's id exactly one holds.
    async fn reserve(&self, hold: &Hold, day_max: Option<Credits>) -> Result<ReserveOutcome, PortError>;

    /// Takes the charge from the hold and gives back the rest.
    ///
    /// The charge is divided by [`Charge::split`] with the hold's own prices and amount. An expired hold is
    /// settled too, from what is available and at most its amount. MUST be won by one of all concurrent
    /// settlements, voids and expiries of a hold, except that a settlement may follow an expiry.
    async fn settle(&self, settlement: &Settlement) -> Result<SettleOutcome, PortError>;

    /// Gives the whole hold back.
    async fn void(&self, message_id: MessageId, at: Timestamp) -> Result<VoidOutcome, PortError>;

    /// A person's transfers, newest first, or their open holds if asked for by kind.
    ///
    /// MUST be numbered and summed so that all amounts together are available + held, and the newest
    /// `balance_after` too. A person without a wallet has none.
    async fn transactions(
        &self,
        user: UserId,
        filter: Option<TransactionKind>,
        page: PageRequest,
    ) -> Result<Page<Transaction>, PortError>;

    /// Renews open holds, by one statement, and notes what they have received. Answers how many were renewed. MUST
    /// leave resolved and expired holds alone.
    async fn renew(&self, renewal: &Renewal) -> Result<u64, PortError>;

    /// Ends open holds whose time is over at `now`, the oldest first, at most `limit`. Answers how many. One that is
    /// known to have received tokens is charged for them, estimated; the others go back whole.
    async fn expire(&self, now: Timestamp, limit: u32) -> Result<u64, PortError>;

    /// Checks every rule of [`crate::Check`] over the whole ledger. MUST NOT write, nor report a breach that is
    /// only a change in flight.
    async fn report(&self) -> Result<LedgerReport, PortError>;
}

/// The open holds of everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenHolds {
    /// How many.
    pub count: u64,
    /// When the oldest was made.
    pub oldest: Option<Timestamp>,
}

/// The books, where money moves without a hold. Rules are those of [`Ledger`].
///
/// Every write first ends the lots whose time is over, so that nobody spends what has expired.
#[async_trait]
pub trait Cashier: Send + Sync {
    /// Adds a lot. MUST apply one key once, whatever the concurrency.
    async fn credit(&self, credit: &Credit) -> Result<CreditOutcome, PortError>;

    /// Takes credits at once, from the lots in [`crate::Lot::use_order`].
    ///
    /// MUST NOT take available below zero, nor spend what is held. MUST answer `Replayed` or `Conflict` for a known
    /// key, however little is available and whether or not the account is frozen.
    async fn debit(&self, debit: &Debit) -> Result<DebitOutcome, PortError>;

    /// Moves credits from a member to a room's pool, both sides or neither.
    async fn fund(&self, funding: &Funding) -> Result<DebitOutcome, PortError>;

    /// What is set for a wallet; nothing is where there is none.
    async fn standing(&self, owner: &Owner) -> Result<Standing, PortError>;

    /// Changes it; answers whether the wallet is there.
    async fn set_standing(
        &self,
        owner: &Owner,
        change: &StandingChange,
        at: Timestamp,
    ) -> Result<bool, PortError>;

    /// The lots that are not spent, in the order in which they will be.
    async fn lots(&self, owner: &Owner) -> Result<Vec<Lot>, PortError>;

    /// How many holds are open, and since when the oldest is.
    async fn open_holds(&self) -> Result<OpenHolds, PortError>;

    /// Ends the free part of lots whose time is over at `now`, at most `limit` wallets. Answers how many wallets.
    async fn expire_lots(&self, now: Timestamp, limit: u32) -> Result<u64, PortError>;
}
