//! A ledger under test with makers of accounts, holds and settlements; a token costs a credit, so that tests count
//! in tokens.

#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use std::sync::Arc;

use billing::{
    Cashier, Charge, Hold, HoldRequest, HoldState, InstanceId, Ledger, Opening, Owner, ReserveOutcome,
    SettleOutcome, Settlement, Transaction, TransactionKind, VoidOutcome, Wallet,
};
use kernel::{
    Credits, Id, Ids, ManualClock, MessageId, PageRequest, SeededEntropy, Tariff, Timestamp, TokenUsage,
    UserId,
};

/// An arbitrary moment that tests start at.
pub const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);
/// How long the holds of these tests live.
pub const TTL_MS: i64 = 120_000;
/// One credit for a token of any kind, so that tests count in tokens.
pub const ONE_EACH: Tariff = Tariff { miss: 1_000_000, hit: 1_000_000, output: 1_000_000 };

/// A ledger under test, and what makes the values that are passed to it.
pub struct Books {
    /// The ledger.
    pub ledger: Arc<dyn Ledger>,
    /// The same ledger, for money without a hold.
    pub cashier: Arc<dyn Cashier>,
    ids: Ids,
}

impl Books {
    /// Books of this ledger; the seed tells them from other books of the same database.
    pub fn new<L: Ledger + Cashier + 'static>(ledger: Arc<L>, seed: u64) -> Self {
        let cashier: Arc<dyn Cashier> = Arc::<L>::clone(&ledger);
        Self { ledger, cashier, ids: ids(seed) }
    }

    /// A fresh id.
    pub fn id<K>(&self) -> Id<K> {
        self.ids.next()
    }

    /// What opens a person's account with a grant.
    pub fn opening(&self, user: UserId, grant: i64) -> Opening {
        Opening { user, grant: Credits::new(grant), daily: Credits::ZERO, at: START }
    }

    /// Opens an account that has this much.
    pub async fn rich(&self, grant: i64) -> UserId {
        let user = self.ids.next();
        self.ledger.ensure_account(&self.opening(user, grant)).await.unwrap();
        user
    }

    /// A hold of this amount that expires after [`TTL_MS`].
    pub fn hold(&self, user: UserId, amount: i64) -> Hold {
        self.hold_of(self.ids.next(), user, amount)
    }

    /// A hold for a message.
    pub fn hold_of(&self, message_id: MessageId, user: UserId, amount: i64) -> Hold {
        let request = HoldRequest {
            message_id,
            payer: Owner::User(user),
            model_alias: "one-each".to_owned(),
            prompt_tokens_max: 1,
            output_tokens_wanted: 2,
            output_tokens_min: 1,
            at: START,
        };
        Hold {
            request,
            tariff: ONE_EACH,
            price_id: "always@0".to_owned(),
            amount: Credits::new(amount),
            output_tokens_max: 2,
            state: HoldState::Open,
            instance: instance(1),
            expires_at: START.plus_millis(TTL_MS),
        }
    }

    /// Sets aside.
    pub async fn held(&self, user: UserId, amount: i64) -> Hold {
        let hold = self.hold(user, amount);
        assert_eq!(self.ledger.reserve(&hold, None).await.unwrap(), ReserveOutcome::Held);
        hold
    }

    /// A charge of so many tokens, which cost a credit each.
    pub fn settlement(&self, message_id: MessageId, tokens: u32, at: Timestamp) -> Settlement {
        let usage = TokenUsage { completion: tokens, ..TokenUsage::default() };
        let credits = Credits::new(tokens.into());
        Settlement {
            charge: Charge { message_id, tokens: usage, credits, is_estimated: false, at },
            transfer_id: self.ids.next(),
            loss_transfer_id: self.ids.next(),
        }
    }

    /// Settles.
    pub async fn settle(&self, message_id: MessageId, tokens: u32) -> SettleOutcome {
        self.ledger.settle(&self.settlement(message_id, tokens, START)).await.unwrap()
    }

    /// Voids.
    pub async fn void(&self, message_id: MessageId) -> VoidOutcome {
        self.ledger.void(message_id, START).await.unwrap()
    }

    /// The wallet, as available and held.
    pub async fn purse(&self, user: UserId) -> (i64, i64) {
        let wallet = self.wallet(user).await;
        (wallet.available.get(), wallet.held.get())
    }

    /// The wallet.
    pub async fn wallet(&self, user: UserId) -> Wallet {
        self.ledger.ensure_account(&self.opening(user, 0)).await.unwrap()
    }

    /// The first hundred transactions.
    pub async fn transactions(&self, user: UserId, filter: Option<TransactionKind>) -> Vec<Transaction> {
        self.ledger.transactions(user, filter, PageRequest::new(1, 100, 100)).await.unwrap().items
    }

    /// Fails with the findings if a rule of the ledger is broken.
    pub async fn assert_sound(&self) {
        let report = self.ledger.report().await.unwrap();
        assert!(report.ok && report.imbalance == 0 && report.rows.is_empty(), "{report:#?}");
    }
}

/// Ids that differ from those of another seed.
pub fn ids(seed: u64) -> Ids {
    Ids::new(Arc::new(ManualClock::at(START)), Arc::new(SeededEntropy::new(seed)))
}

/// A server process by number.
pub fn instance(number: u128) -> InstanceId {
    Id::from_uuid(uuid::Uuid::from_u128(number))
}
