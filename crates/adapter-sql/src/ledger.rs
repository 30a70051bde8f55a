//! Billing's books: wallets, lots, holds and transfers.
//!
//! What may happen is decided by `billing::journal`, in memory; here its wallets are locked, read, and written back,
//! many commands to a transaction (`queue`). A wallet's row is the one lock of everything that concerns its money, and
//! all of a transaction's are taken at once in one order, so that no two transactions can wait for each other. House
//! balances are sums and need no lock. Orders share the database and post inside their own transactions ([`post::post`]).

mod lines;
mod list;
pub(crate) mod post;
mod queue;
mod read;
mod report;
mod report_sql;
mod rows;
mod sweep;
mod write;
mod write_sql;

use std::sync::Arc;

use async_trait::async_trait;
use billing::journal::{Command, Outcome};
use billing::ports::OpenHolds;
use billing::posting::Funding;
use billing::{
    Cashier, Credit, CreditOutcome, Day, Debit, DebitOutcome, Hold, Ledger, LedgerReport, Lot, Opening,
    Owner, Renewal, ReserveOutcome, SettleOutcome, Settlement, Standing, StandingChange, Transaction,
    TransactionKind, VoidOutcome, Wallet,
};
use kernel::{Credits, Ids, MessageId, Page, PageRequest, PortError, Timestamp, UserId};

use crate::detached::detached;
use crate::error::corrupt;
use crate::store::SqlStore;

/// [`Ledger`] and [`Cashier`] on SQLite or Postgres.
pub struct SqlLedger {
    store: SqlStore,
    queue: queue::Queue,
}

impl SqlLedger {
    /// The books in this store. Starts the task that commits on the current tokio runtime; it ends with the books,
    /// after what waits.
    pub fn new(store: SqlStore, ids: Arc<Ids>) -> Self {
        let queue = queue::Queue::start(store.clone(), ids);
        Self { store, queue }
    }

    async fn expire_all(&self, commands: Vec<Command>) -> Result<u64, PortError> {
        let waiting = commands.into_iter().map(|command| self.queue.run(command));
        let mut ended = 0;
        for outcome in futures::future::join_all(waiting).await {
            match outcome? {
                Outcome::Expired(true) => ended += 1,
                Outcome::Expired(false) => {}
                other => return Err(mixed_up(&other)),
            }
        }
        Ok(ended)
    }
}

/// An outcome of another command: a defect of this module.
fn mixed_up(_outcome: &Outcome) -> PortError {
    corrupt("ledger: an outcome of another command")
}

macro_rules! outcome {
    ($run:expr, $variant:ident) => {
        match $run.await? {
            Outcome::$variant(outcome) => Ok(outcome),
            other => Err(mixed_up(&other)),
        }
    };
}

#[async_trait]
impl Ledger for SqlLedger {
    async fn ensure_account(&self, opening: &Opening) -> Result<Wallet, PortError> {
        let owner = Owner::User(opening.user);
        if let Some(purse) = read::purse(self.store.reader(), &owner).await?
            && !read::is_due(&purse, opening.daily.is_positive().then(|| Day::of(opening.at)), opening.at)
        {
            return lines::wallet_of(&purse);
        }
        outcome!(self.queue.run(Command::Open(*opening)), Opened)
    }

    async fn reserve(&self, hold: &Hold, day_max: Option<Credits>) -> Result<ReserveOutcome, PortError> {
        let command = Command::Reserve { hold: Box::new(hold.clone()), day_max };
        outcome!(self.queue.run(command), Reserved)
    }

    async fn settle(&self, settlement: &Settlement) -> Result<SettleOutcome, PortError> {
        outcome!(self.queue.run(Command::Settle(Box::new(*settlement))), Settled)
    }

    async fn void(&self, message_id: MessageId, at: Timestamp) -> Result<VoidOutcome, PortError> {
        outcome!(self.queue.run(Command::Void { message_id, at }), Voided)
    }

    async fn transactions(
        &self,
        user: UserId,
        filter: Option<TransactionKind>,
        page: PageRequest,
    ) -> Result<Page<Transaction>, PortError> {
        let (db, account) = (self.store.reader(), Owner::User(user).to_string());
        match filter {
            None => list::all(db, &account, page).await,
            Some(TransactionKind::Transfer(kind)) => list::of_kind(db, &account, kind, page).await,
            Some(TransactionKind::Hold) => list::open_holds(db, &account, page).await,
        }
    }

    async fn renew(&self, renewal: &Renewal) -> Result<u64, PortError> {
        let (store, renewal) = (self.store.clone(), renewal.clone());
        detached(async move { sweep::renew(&store, &renewal).await }).await
    }

    async fn expire(&self, now: Timestamp, limit: u32) -> Result<u64, PortError> {
        let due = sweep::due_holds(self.store.reader(), now, limit).await?;
        let commands = due.into_iter().map(|message_id| Command::ExpireHold { message_id, now });
        self.expire_all(commands.collect()).await
    }

    async fn report(&self) -> Result<LedgerReport, PortError> {
        report::report(self.store.reader()).await
    }
}

#[async_trait]
impl Cashier for SqlLedger {
    async fn credit(&self, credit: &Credit) -> Result<CreditOutcome, PortError> {
        outcome!(self.queue.run(Command::Credit(Box::new(credit.clone()))), Credited)
    }

    async fn debit(&self, debit: &Debit) -> Result<DebitOutcome, PortError> {
        outcome!(self.queue.run(Command::Debit(Box::new(debit.clone()))), Debited)
    }

    async fn fund(&self, funding: &Funding) -> Result<DebitOutcome, PortError> {
        outcome!(self.queue.run(Command::Fund(Box::new(funding.clone()))), Debited)
    }

    async fn standing(&self, owner: &Owner) -> Result<Standing, PortError> {
        let purse = read::purse(self.store.reader(), owner).await?;
        Ok(purse.map(|purse| read::standing_of(&purse)).unwrap_or_default())
    }

    async fn set_standing(
        &self,
        owner: &Owner,
        change: &StandingChange,
        at: Timestamp,
    ) -> Result<bool, PortError> {
        let command = Command::Stand { owner: owner.clone(), change: change.clone(), at };
        outcome!(self.queue.run(command), Stood)
    }

    async fn lots(&self, owner: &Owner) -> Result<Vec<Lot>, PortError> {
        read::unspent_lots(self.store.reader(), owner).await
    }

    async fn open_holds(&self) -> Result<OpenHolds, PortError> {
        sweep::open_holds(self.store.reader()).await
    }

    async fn expire_lots(&self, now: Timestamp, limit: u32) -> Result<u64, PortError> {
        let due = sweep::due_wallets(self.store.reader(), now, limit).await?;
        let commands = due.into_iter().map(|owner| Command::ExpireLots { owner, now });
        self.expire_all(commands.collect()).await
    }
}
