//! The use cases of billing.

use std::sync::Arc;

use kernel::{Clock, Credits, Ids, MessageId, Page, PageRequest, PortError, Tariff, Timestamp, UserId};
use tracing::instrument;

use crate::account::Wallet;
use crate::error::BillingError;
use crate::hold::{Charge, Hold, HoldOutcome, HoldRequest, HoldState, InstanceId, Offer};
use crate::ports::{Ledger, Opening, Renewal, ReserveOutcome, SettleOutcome, Settlement, VoidOutcome};
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
        Self { welcome_credits, hold_ttl_ms: 120_000, hold_life_ms_max: 1_800_000, instance }
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

/// Billing's use cases.
pub struct BillingService {
    ledger: Arc<dyn Ledger>,
    prices: PriceTable,
    clock: Arc<dyn Clock>,
    ids: Arc<Ids>,
    settings: BillingSettings,
}

impl BillingService {
    /// Billing on these books, by these prices.
    pub fn new(
        ledger: Arc<dyn Ledger>,
        prices: PriceTable,
        clock: Arc<dyn Clock>,
        ids: Arc<Ids>,
        settings: BillingSettings,
    ) -> Self {
        Self { ledger, prices, clock, ids, settings }
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
        let wallet = self.wallet(user, self.clock.now()).await?;
        Ok(Balance {
            available: wallet.available,
            held: wallet.held,
            free_allowance: Credits::ZERO,
            updated_at: wallet.updated_at,
        })
    }

    /// Opens a person's account with its welcome grant, unless there is one.
    #[instrument(skip_all, fields(user.id = %user))]
    pub async fn ensure_account(&self, user: UserId) -> Result<(), BillingError> {
        self.wallet(user, self.clock.now()).await?;
        Ok(())
    }

    /// Sets the worst case of a reply aside, with as much output as was wanted and the balance pays for.
    #[instrument(skip_all, fields(message.id = %request.message_id, user.id = %request.user))]
    pub async fn reserve(&self, request: HoldRequest) -> Result<HoldOutcome, BillingError> {
        let tariff =
            self.prices.at(&request.model_alias, request.at).ok_or(BillingError::UnknownModel)?.tariff;
        let mut available = self.wallet(request.user, request.at).await?.available;
        for _ in 0..OFFERS_MAX {
            let Some(offer) = request.best(tariff, available)? else { break };
            let hold = self.hold(&request, tariff, offer);
            match self.ledger.reserve(&hold).await? {
                ReserveOutcome::Held => return Ok(HoldOutcome::Held(hold)),
                ReserveOutcome::Replayed(hold) => return Ok(HoldOutcome::Replayed(hold)),
                ReserveOutcome::Conflict => return Ok(HoldOutcome::Conflict),
                ReserveOutcome::Insufficient { available: left } => available = left,
            }
        }
        self.reserve_least(&request, tariff).await
    }

    /// Asks the books for the least offer. They are asked even where the balance just read is too small, because
    /// it may be this very hold, reserved by an earlier call, that made it so.
    async fn reserve_least(
        &self,
        request: &HoldRequest,
        tariff: Tariff,
    ) -> Result<HoldOutcome, BillingError> {
        let offer = request.least(tariff)?;
        let hold = self.hold(request, tariff, offer);
        Ok(match self.ledger.reserve(&hold).await? {
            ReserveOutcome::Held => HoldOutcome::Held(hold),
            ReserveOutcome::Replayed(hold) => HoldOutcome::Replayed(hold),
            ReserveOutcome::Conflict => HoldOutcome::Conflict,
            ReserveOutcome::Insufficient { available } => {
                HoldOutcome::Insufficient { available, needed: offer.amount }
            }
        })
    }

    /// Takes the charge of an ended reply from its hold and gives back the rest; a repeat changes nothing.
    #[instrument(skip_all, fields(message.id = %charge.message_id))]
    pub async fn settle(&self, charge: Charge) -> Result<SettleOutcome, BillingError> {
        let settlement =
            Settlement { charge, transfer_id: self.ids.next(), loss_transfer_id: self.ids.next() };
        let outcome = self.ledger.settle(&settlement).await?;
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
        Ok(self.ledger.void(message_id, at).await?)
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

    /// Renews the holds of this instance, by one statement; called as often as the lease is renewed.
    #[instrument(skip_all)]
    pub async fn renew_holds(&self, now: Timestamp) -> Result<(), PortError> {
        let renewal = Renewal {
            instance: self.settings.instance,
            due_before: now.plus_millis(self.settings.hold_ttl_ms / 2),
            created_after: now.plus_millis(-self.settings.hold_life_ms_max),
            until: now.plus_millis(self.settings.hold_ttl_ms),
        };
        self.ledger.renew(&renewal).await.map(|_count| ())
    }

    /// Ends holds of anybody whose time is over, at most `limit`. Answers how many it ended.
    #[instrument(skip_all)]
    pub async fn sweep(&self, now: Timestamp, limit: u32) -> Result<u64, PortError> {
        let expired = self.ledger.expire(now, limit).await?;
        if expired > 0 {
            tracing::warn!(billing.expired_holds = expired, "holds had expired and were given back");
        }
        Ok(expired)
    }

    async fn wallet(&self, user: UserId, at: Timestamp) -> Result<Wallet, PortError> {
        let grant = self.settings.welcome_credits;
        let opening = Opening { user, grant, transfer_id: self.ids.next(), at };
        self.ledger.ensure_account(&opening).await
    }

    fn hold(&self, request: &HoldRequest, tariff: Tariff, offer: Offer) -> Hold {
        Hold {
            request: request.clone(),
            tariff,
            amount: offer.amount,
            output_tokens_max: offer.output_tokens_max,
            state: HoldState::Open,
            instance: self.settings.instance,
            expires_at: request.at.plus_millis(self.settings.hold_ttl_ms),
        }
    }
}
