//! The use cases of billing: holds and what they cost. Money that moves without a hold is in `spending`.

mod spending;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use kernel::{Clock, Credits, Ids, MessageId, Page, PageRequest, PortError, Timestamp, TokenUsage, UserId};
use tracing::instrument;

pub use self::spending::Spending;

use crate::account::{Owner, Wallet};
use crate::calendar::Day;
use crate::error::BillingError;
use crate::hold::{Charge, Hold, HoldOutcome, HoldRequest, HoldState, InstanceId, Offer};
use crate::lot::{Lot, LotSource};
use crate::ports::{
    Cashier, Ledger, OpenHolds, Opening, Renewal, ReserveOutcome, SettleOutcome, Settlement, VoidOutcome,
};
use crate::price::{Price, PriceTable};
use crate::report::LedgerReport;
use crate::transfer::{Transaction, TransactionKind};

/// How often the best offer is tried against a balance that others spend at the same time, before the least
/// offer decides.
const OFFERS_MAX: u32 = 3;

/// What an operator decides about billing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BillingSettings {
    /// Credits given to a new account, once.
    pub welcome_credits: Credits,
    /// Credits given to every account on each day in China on which it is used; they end with the day.
    pub daily_credits: Credits,
    /// The most that may leave a wallet on one day in China, open holds included; `None` for no limit.
    pub day_max: Option<Credits>,
    /// How long a hold lives without being renewed, in milliseconds.
    pub hold_ttl_ms: i64,
    /// How long a hold is renewed at most, in milliseconds: longer than any reply takes.
    pub hold_life_ms_max: i64,
    /// This process, whose holds its sweep renews.
    pub instance: InstanceId,
}

impl BillingSettings {
    /// The usual life of holds: 120 seconds, renewed for at most 30 minutes.
    pub const fn new(welcome_credits: Credits, instance: InstanceId) -> Self {
        Self {
            welcome_credits,
            daily_credits: Credits::ZERO,
            day_max: None,
            hold_ttl_ms: 120_000,
            hold_life_ms_max: 1_800_000,
            instance,
        }
    }
}

/// What a person has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balance {
    /// What can be spent, without what is held.
    pub available: Credits,
    /// What is set aside for replies that have not ended.
    pub held: Credits,
    /// The unspent part of today's free allowance, which is part of `available`.
    pub free_allowance: Credits,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// The books, as billing uses them.
#[derive(Clone)]
pub struct BillingPorts {
    /// Holds.
    pub ledger: Arc<dyn Ledger>,
    /// Money that moves without one.
    pub cashier: Arc<dyn Cashier>,
}

/// Billing's use cases.
pub struct BillingService {
    ledger: Arc<dyn Ledger>,
    cashier: Arc<dyn Cashier>,
    prices: PriceTable,
    clock: Arc<dyn Clock>,
    ids: Arc<Ids>,
    settings: BillingSettings,
    /// What this process's running replies have received, for the next heartbeat. As many as there are replies.
    received: Mutex<HashMap<MessageId, TokenUsage>>,
}

impl BillingService {
    /// Billing on these books, by these prices.
    pub fn new(
        ports: BillingPorts,
        prices: PriceTable,
        clock: Arc<dyn Clock>,
        ids: Arc<Ids>,
        settings: BillingSettings,
    ) -> Self {
        let BillingPorts { ledger, cashier } = ports;
        Self { ledger, cashier, prices, clock, ids, settings, received: Mutex::default() }
    }

    /// The price of a model now.
    pub fn price(&self, alias: &str) -> Option<&Price> {
        self.prices.at(alias, self.clock.now())
    }

    /// Every price.
    pub fn prices(&self) -> &PriceTable {
        &self.prices
    }

    /// What a person has. A new account is opened with its welcome grant.
    #[instrument(skip_all, fields(user.id = %user))]
    pub async fn balance(&self, user: UserId) -> Result<Balance, BillingError> {
        let now = self.clock.now();
        let wallet = self.wallet(user, now).await?;
        Ok(Balance {
            available: wallet.available,
            held: wallet.held,
            free_allowance: self.free_allowance(user, now).await?,
            updated_at: wallet.updated_at,
        })
    }

    /// Opens a person's account with its welcome grant, unless there is one.
    #[instrument(skip_all, fields(user.id = %user))]
    pub async fn ensure_account(&self, user: UserId) -> Result<(), BillingError> {
        self.wallet(user, self.clock.now()).await?;
        Ok(())
    }

    /// The free part of today's lot.
    async fn free_allowance(&self, user: UserId, now: Timestamp) -> Result<Credits, PortError> {
        if !self.settings.daily_credits.is_positive() {
            return Ok(Credits::ZERO);
        }
        let today = Day::of(now).date();
        let lots = self.cashier.lots(&Owner::User(user)).await?;
        let of_today =
            lots.iter().find(|lot| lot.source == LotSource::Daily && lot.ref_id.as_ref() == Some(&today));
        Ok(of_today.map_or(Credits::ZERO, Lot::free))
    }

    /// Sets the worst case of a reply aside, with as much output as was wanted and the balance pays for.
    #[instrument(skip_all, fields(message.id = %request.message_id, payer = %request.payer))]
    pub async fn reserve(&self, request: HoldRequest) -> Result<HoldOutcome, BillingError> {
        let price = self.prices.at(&request.model_alias, request.at).ok_or(BillingError::UnknownModel)?;
        let mut available = match &request.payer {
            Owner::User(user) => self.wallet(*user, request.at).await?.available,
            Owner::Pool(_) => self.pool_available(&request.payer).await?,
        };
        for _ in 0..OFFERS_MAX {
            let Some(offer) = request.best(price.tariff, available)? else { break };
            let hold = self.hold(&request, price, offer);
            match self.ledger.reserve(&hold, self.settings.day_max).await? {
                ReserveOutcome::Held => return Ok(HoldOutcome::Held(hold)),
                ReserveOutcome::Replayed(hold) => return Ok(HoldOutcome::Replayed(hold)),
                ReserveOutcome::Conflict => return Ok(HoldOutcome::Conflict),
                ReserveOutcome::Frozen => return Ok(HoldOutcome::Frozen { needed: offer.amount }),
                // A shorter answer may still fit in.
                ReserveOutcome::Insufficient { available: left } | ReserveOutcome::CapReached { left } => {
                    available = left;
                }
            }
        }
        self.reserve_least(&request, price).await
    }

    /// Asks the books for the least offer. They are asked even where the balance just read is too small, because
    /// it may be this very hold, reserved by an earlier call, that made it so.
    async fn reserve_least(&self, request: &HoldRequest, price: &Price) -> Result<HoldOutcome, BillingError> {
        let offer = request.least(price.tariff)?;
        let hold = self.hold(request, price, offer);
        Ok(match self.ledger.reserve(&hold, self.settings.day_max).await? {
            ReserveOutcome::Held => HoldOutcome::Held(hold),
            ReserveOutcome::Replayed(hold) => HoldOutcome::Replayed(hold),
            ReserveOutcome::Conflict => HoldOutcome::Conflict,
            ReserveOutcome::Insufficient { available } => {
                HoldOutcome::Insufficient { available, needed: offer.amount }
            }
            ReserveOutcome::Frozen => HoldOutcome::Frozen { needed: offer.amount },
            ReserveOutcome::CapReached { left } => HoldOutcome::CapReached { left, needed: offer.amount },
        })
    }

    /// Takes the charge of an ended reply from its hold and gives back the rest; a repeat changes nothing.
    #[instrument(skip_all, fields(message.id = %charge.message_id))]
    pub async fn settle(&self, charge: Charge) -> Result<SettleOutcome, BillingError> {
        let settlement =
            Settlement { charge, transfer_id: self.ids.next(), loss_transfer_id: self.ids.next() };
        let outcome = self.ledger.settle(&settlement).await?;
        self.forget(charge.message_id);
        if let SettleOutcome::Settled { charged, lost, .. } = outcome
            && lost.is_positive()
        {
            tracing::warn!(
                billing.charged_credits = charged.get(),
                billing.lost_credits = lost.get(),
                "a reply cost more than its hold; the house pays the rest"
            );
        }
        Ok(outcome)
    }

    /// Gives a whole hold back; a repeat changes nothing.
    #[instrument(skip_all, fields(message.id = %message_id))]
    pub async fn void(&self, message_id: MessageId, at: Timestamp) -> Result<VoidOutcome, BillingError> {
        let outcome = self.ledger.void(message_id, at).await?;
        self.forget(message_id);
        Ok(outcome)
    }

    /// Notes what a running reply has received so far. The next heartbeat stores it, so that the reply is charged
    /// for even if nobody is left to settle it.
    pub fn progress(&self, message_id: MessageId, tokens: TokenUsage) {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).insert(message_id, tokens);
    }

    fn forget(&self, message_id: MessageId) {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).remove(&message_id);
    }

    /// A person's transfers, newest first, or of one kind; the kind `hold` lists open holds.
    #[instrument(skip_all, fields(user.id = %user))]
    pub async fn transactions(
        &self,
        user: UserId,
        filter: Option<TransactionKind>,
        page: PageRequest,
    ) -> Result<Page<Transaction>, BillingError> {
        Ok(self.ledger.transactions(user, filter, page).await?)
    }

    /// Checks the whole ledger.
    #[instrument(skip_all)]
    pub async fn check(&self) -> Result<LedgerReport, BillingError> {
        Ok(self.ledger.report().await?)
    }

    /// The open holds of everybody, for those who watch over the server.
    pub async fn open_holds(&self) -> Result<OpenHolds, PortError> {
        self.cashier.open_holds().await
    }

    /// Renews the holds of this instance, by one statement; called as often as the lease is renewed.
    #[instrument(skip_all)]
    pub async fn renew_holds(&self, now: Timestamp) -> Result<(), PortError> {
        let renewal = Renewal {
            instance: self.settings.instance,
            due_before: now.plus_millis(self.settings.hold_ttl_ms / 2),
            created_after: now.plus_millis(-self.settings.hold_life_ms_max),
            until: now.plus_millis(self.settings.hold_ttl_ms),
            received: self.received.lock().unwrap_or_else(PoisonError::into_inner).drain().collect(),
        };
        self.ledger.renew(&renewal).await.map(|_count| ())
    }

    /// Ends holds of anybody whose time is over, and lots, at most `limit` each. Answers how many holds it ended.
    #[instrument(skip_all)]
    pub async fn sweep(&self, now: Timestamp, limit: u32) -> Result<u64, PortError> {
        let expired = self.ledger.expire(now, limit).await?;
        if expired > 0 {
            tracing::warn!(billing.expired_holds = expired, "holds had expired and were given back");
        }
        self.cashier.expire_lots(now, limit).await?;
        Ok(expired)
    }

    async fn wallet(&self, user: UserId, at: Timestamp) -> Result<Wallet, PortError> {
        let grant = self.settings.welcome_credits;
        let opening = Opening { user, grant, daily: self.settings.daily_credits, at };
        self.ledger.ensure_account(&opening).await
    }

    fn hold(&self, request: &HoldRequest, price: &Price, offer: Offer) -> Hold {
        Hold {
            request: request.clone(),
            tariff: price.tariff,
            price_id: price.id(),
            amount: offer.amount,
            output_tokens_max: offer.output_tokens_max,
            state: HoldState::Open,
            instance: self.settings.instance,
            expires_at: request.at.plus_millis(self.settings.hold_ttl_ms),
        }
    }
}
