//! Money that moves without a hold: spent at once, corrected by operators, paid into a room's pool; and what is set
//! for a wallet.

use kernel::{Credits, PortError, UserId};
use sha2::{Digest, Sha256};
use tracing::instrument;

use super::BillingService;
use crate::account::{Owner, PoolId, SystemAccount};
use crate::error::BillingError;
use crate::lot::{Lot, LotSource};
use crate::posting::{Credit, CreditOutcome, Debit, DebitOutcome, Funding, Standing, StandingChange};
use crate::transfer::TransferKind;

/// What a person, or an operator for them, asks to move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spending {
    /// Whose account.
    pub user: UserId,
    /// How much; more than nothing.
    pub amount: Credits,
    /// Why, at most 128 characters.
    pub reason: String,
    /// The caller's key.
    pub key: String,
}

impl Spending {
    /// Tells this from anything else that could be asked under the same key.
    fn body_hash(&self, what: &str) -> String {
        hex::encode(Sha256::digest(format!("{what}\n{}\n{}\n{}", self.user, self.amount, self.reason)))
    }
}

impl BillingService {
    /// Spends credits of a person at once. The account is opened before, so that a welcome can be spent.
    #[instrument(skip_all, fields(user.id = %spending.user))]
    pub async fn consume(&self, spending: &Spending) -> Result<DebitOutcome, BillingError> {
        let now = self.clock.now();
        self.wallet(spending.user, now).await?;
        let debit = Debit {
            owner: Owner::User(spending.user),
            amount: spending.amount,
            to: SystemAccount::Revenue,
            kind: TransferKind::Consume,
            key: format!("consume:{}:{}", spending.user, spending.key),
            body_hash: spending.body_hash("consume"),
            ref_id: Some(spending.reason.clone()),
            day_max: self.settings.day_max,
            transfer_id: self.ids.next(),
            at: now,
        };
        Ok(self.cashier.debit(&debit).await?)
    }

    /// Gives credits to a person, as an operator decided. The key is the operator's own, for everybody's accounts.
    #[instrument(skip_all, fields(user.id = %spending.user))]
    pub async fn adjust_up(&self, spending: &Spending) -> Result<CreditOutcome, BillingError> {
        let now = self.clock.now();
        self.wallet(spending.user, now).await?;
        let credit = Credit {
            owner: Owner::User(spending.user),
            amount: spending.amount,
            source: LotSource::Adjust,
            from: SystemAccount::Adjustment,
            kind: TransferKind::Adjust,
            expires_at: None,
            key: format!("adjust:{}", spending.key),
            ref_id: Some(spending.reason.clone()),
            lot_id: self.ids.next(),
            transfer_id: self.ids.next(),
            at: now,
        };
        Ok(self.cashier.credit(&credit).await?)
    }

    /// Takes credits from a person, as an operator decided; frozen accounts too, held credits not.
    #[instrument(skip_all, fields(user.id = %spending.user))]
    pub async fn adjust_down(&self, spending: &Spending) -> Result<DebitOutcome, BillingError> {
        let now = self.clock.now();
        self.wallet(spending.user, now).await?;
        let debit = Debit {
            owner: Owner::User(spending.user),
            amount: spending.amount,
            to: SystemAccount::Adjustment,
            kind: TransferKind::Adjust,
            key: format!("adjust:{}", spending.key),
            body_hash: spending.body_hash("adjust"),
            ref_id: Some(spending.reason.clone()),
            day_max: None,
            transfer_id: self.ids.next(),
            at: now,
        };
        Ok(self.cashier.debit(&debit).await?)
    }

    /// Moves credits of a person into a room's pool.
    #[instrument(skip_all, fields(user.id = %spending.user, pool.id = %pool))]
    pub async fn fund_pool(&self, pool: PoolId, spending: &Spending) -> Result<DebitOutcome, BillingError> {
        let now = self.clock.now();
        self.wallet(spending.user, now).await?;
        let funding = Funding {
            user: spending.user,
            amount: spending.amount,
            key: format!("pool:{}:{}", spending.user, spending.key),
            body_hash: spending.body_hash(pool.as_str()),
            pool,
            lot_id: self.ids.next(),
            transfer_ids: (self.ids.next(), self.ids.next()),
            at: now,
        };
        Ok(self.cashier.fund(&funding).await?)
    }

    /// What a pool has to spend.
    pub async fn pool_balance(&self, pool: PoolId) -> Result<Credits, BillingError> {
        Ok(self.pool_available(&Owner::Pool(pool)).await?)
    }

    pub(super) async fn pool_available(&self, pool: &Owner) -> Result<Credits, PortError> {
        let lots = self.cashier.lots(pool).await?;
        // Lots are parts of one wallet, whose sum fits.
        Ok(lots.iter().fold(Credits::ZERO, |sum, lot| sum.plus(lot.free()).unwrap_or(sum)))
    }

    /// What a person has, part by part, in the order in which it is spent.
    pub async fn lots(&self, user: UserId) -> Result<Vec<Lot>, BillingError> {
        Ok(self.cashier.lots(&Owner::User(user)).await?)
    }

    /// What is set for a person's wallet.
    pub async fn standing(&self, user: UserId) -> Result<Standing, BillingError> {
        Ok(self.cashier.standing(&Owner::User(user)).await?)
    }

    /// Freezes or unfreezes a person's wallet, or sets their own limit for a day.
    #[instrument(skip_all, fields(user.id = %user))]
    pub async fn set_standing(&self, user: UserId, change: &StandingChange) -> Result<(), BillingError> {
        let now = self.clock.now();
        self.wallet(user, now).await?;
        self.cashier.set_standing(&Owner::User(user), change, now).await?;
        Ok(())
    }
}
