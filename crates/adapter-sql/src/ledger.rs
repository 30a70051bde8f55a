//! Billing's books: wallets, holds and transfers.
//!
//! A wallet's row is the one lock of everything that concerns a person's money, and is taken first in every
//! transaction, so that no two can wait for each other. House balances are sums and need no lock. The same
//! statements run on both databases: each decides in its own `WHERE`, and who changes no row has lost.

mod holds;
mod list;
mod report;
mod rows;
mod settle;
mod transfers;
mod wallets;

use async_trait::async_trait;
use billing::{
    Hold, Ledger, LedgerReport, Opening, Owner, Renewal, ReserveOutcome, SettleOutcome, Settlement,
    Transaction, TransactionKind, VoidOutcome, Wallet,
};
use kernel::{MessageId, Page, PageRequest, PortError, Timestamp, UserId};

use crate::detached::detached;
use crate::store::SqlStore;

/// [`Ledger`] on SQLite or Postgres.
pub struct SqlLedger {
    store: SqlStore,
}

impl SqlLedger {
    /// The books in this store.
    pub fn new(store: SqlStore) -> Self {
        Self { store }
    }
}

#[async_trait]
impl Ledger for SqlLedger {
    async fn ensure_account(&self, opening: &Opening) -> Result<Wallet, PortError> {
        let account = Owner::User(opening.user).to_string();
        if let Some(wallet) = wallets::find(self.store.reader(), &account).await? {
            return rows::wallet_of(&wallet);
        }
        let (store, opening) = (self.store.clone(), *opening);
        detached(async move { wallets::open(&store, &account, &opening).await }).await
    }

    async fn reserve(&self, hold: &Hold) -> Result<ReserveOutcome, PortError> {
        let (store, hold) = (self.store.clone(), hold.clone());
        detached(async move { holds::reserve(&store, &hold).await }).await
    }

    async fn settle(&self, settlement: &Settlement) -> Result<SettleOutcome, PortError> {
        let (store, settlement) = (self.store.clone(), *settlement);
        detached(async move { settle::settle(&store, &settlement).await }).await
    }

    async fn void(&self, message_id: MessageId, at: Timestamp) -> Result<VoidOutcome, PortError> {
        let store = self.store.clone();
        detached(async move { holds::void(&store, message_id, at).await }).await
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
        let (store, renewal) = (self.store.clone(), *renewal);
        detached(async move { holds::renew(&store, &renewal).await }).await
    }

    async fn expire(&self, now: Timestamp, limit: u32) -> Result<u64, PortError> {
        let mut expired = 0;
        for due in holds::due(self.store.reader(), now, limit).await? {
            let store = self.store.clone();
            // Each is a write of its own, so that a long list never keeps others from the database.
            expired += u64::from(detached(async move { holds::expire(&store, &due, now).await }).await?);
        }
        Ok(expired)
    }

    async fn report(&self) -> Result<LedgerReport, PortError> {
        report::report(self.store.reader()).await
    }
}
