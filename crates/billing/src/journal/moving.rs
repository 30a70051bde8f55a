//! Money that moves without a hold.

use kernel::{Credits, MoneyOverflow};

use super::command::loss_key;
use super::{Entry, Journal, Known, Movement, fresh_lot};
use crate::account::{AccountId, Book, Owner, SystemAccount};
use crate::calendar::Day;
use crate::lot::{Lot, LotSource};
use crate::posting::{
    Credit, CreditOutcome, Debit, DebitOutcome, Funding, GiveBack, Posted, TakeBack, TakeBackOutcome,
};
use crate::transfer::TransferKind;

impl Journal<'_> {
    pub(super) fn credit(&mut self, credit: &Credit) -> Result<CreditOutcome, MoneyOverflow> {
        if let Some(known) = self.known.get(&credit.key) {
            let is_repeat =
                known.owner.as_ref() == Some(&credit.owner) && known.posted.amount == credit.amount;
            return Ok(if is_repeat {
                CreditOutcome::Replayed(known.posted)
            } else {
                CreditOutcome::Conflict
            });
        }
        self.expire_lots(&credit.owner, credit.at)?;
        let Some(purse) = self.purses.get_mut(&credit.owner) else { return Err(MoneyOverflow) };
        if !credit.amount.is_positive() || !purse.has_room(credit.amount) {
            return Err(MoneyOverflow);
        }
        purse.add(fresh_lot(Lot {
            id: credit.lot_id,
            source: credit.source,
            ref_id: credit.ref_id.clone(),
            granted: credit.amount,
            remaining: credit.amount,
            held: Credits::ZERO,
            expires_at: credit.expires_at,
            created_at: credit.at,
        }))?;
        let movement = Movement {
            id: credit.transfer_id,
            other: credit.from,
            kind: credit.kind,
            hold_id: None,
            ref_id: credit.ref_id.clone(),
            key: credit.key.clone(),
            body_hash: None,
            at: credit.at,
        };
        let entry = movement.makes_lot(purse, credit.lot_id, credit.amount)?;
        let posted = entry.known().posted;
        self.post(entry);
        Ok(CreditOutcome::Applied(posted))
    }

    pub(super) fn debit(&mut self, debit: &Debit) -> Result<DebitOutcome, MoneyOverflow> {
        if let Some(known) = self.known.get(&debit.key) {
            return Ok(repeat(known, &debit.owner, &debit.body_hash));
        }
        self.expire_lots(&debit.owner, debit.at)?;
        let Some(purse) = self.purses.get_mut(&debit.owner) else {
            return Ok(DebitOutcome::Insufficient { available: Credits::ZERO });
        };
        if !debit.amount.is_positive() {
            return Err(MoneyOverflow);
        }
        if purse.standing.frozen.is_some() && debit.kind != TransferKind::Adjust {
            return Ok(DebitOutcome::Frozen);
        }
        if purse.wallet.available < debit.amount {
            return Ok(DebitOutcome::Insufficient { available: purse.wallet.available });
        }
        if debit.kind == TransferKind::Consume {
            let left = purse.left_on(Day::of(debit.at), debit.day_max)?;
            if let Some(left) = left.filter(|left| *left < debit.amount) {
                return Ok(DebitOutcome::CapReached { left });
            }
            purse.count_spent(debit.amount, debit.at)?;
        }
        let parts = purse.take(debit.amount)?;
        let movement = Movement {
            id: debit.transfer_id,
            other: debit.to,
            kind: debit.kind,
            hold_id: None,
            ref_id: debit.ref_id.clone(),
            key: debit.key.clone(),
            body_hash: Some(debit.body_hash.clone()),
            at: debit.at,
        };
        let entry = movement.out_of_wallet(purse, debit.amount, parts)?;
        let posted = entry.known().posted;
        self.post(entry);
        Ok(DebitOutcome::Applied(posted))
    }

    /// Two transfers, by way of [`SystemAccount::Transit`].
    pub(super) fn fund(&mut self, funding: &Funding) -> Result<DebitOutcome, MoneyOverflow> {
        let pool = Owner::Pool(funding.pool.clone());
        let debit = Debit {
            owner: Owner::User(funding.user),
            amount: funding.amount,
            to: SystemAccount::Transit,
            kind: TransferKind::Consume,
            key: funding.key.clone(),
            body_hash: funding.body_hash.clone(),
            ref_id: Some(funding.pool.to_string()),
            day_max: None,
            transfer_id: funding.transfer_ids.0,
            at: funding.at,
        };
        let outcome = self.debit(&debit)?;
        match outcome {
            DebitOutcome::Applied(_) => {}
            DebitOutcome::Replayed(_)
            | DebitOutcome::Conflict
            | DebitOutcome::Insufficient { .. }
            | DebitOutcome::Frozen
            | DebitOutcome::CapReached { .. } => return Ok(outcome),
        }
        let credit = Credit {
            owner: pool,
            amount: funding.amount,
            source: LotSource::Pool,
            from: SystemAccount::Transit,
            kind: TransferKind::Recharge,
            expires_at: None,
            key: format!("{}:in", funding.key),
            ref_id: Some(funding.user.to_string()),
            lot_id: funding.lot_id,
            transfer_id: funding.transfer_ids.1,
            at: funding.at,
        };
        self.credit(&credit)?;
        Ok(outcome)
    }

    pub(super) fn take_back(&mut self, take: &TakeBack) -> Result<TakeBackOutcome, MoneyOverflow> {
        let loss_key = loss_key(&take.key);
        if self.known.contains_key(&take.key) || self.known.contains_key(&loss_key) {
            return Ok(TakeBackOutcome::Replayed);
        }
        let lot = self.purses.get(&take.owner).and_then(|purse| {
            let mut lots = purse.slots().iter().map(|slot| &slot.lot);
            lots.find(|lot| lot.source == LotSource::Purchase && lot.ref_id.as_ref() == Some(&take.ref_id))
        });
        let (lot_id, free) = lot.map_or((None, Credits::ZERO), |lot| (Some(lot.id), lot.free()));
        if !take.is_forced && free < take.amount {
            return Ok(TakeBackOutcome::TooMuch { free });
        }
        let taken = free.min(take.amount);
        if let (Some(lot_id), true) = (lot_id, taken.is_positive()) {
            let Some(purse) = self.purses.get_mut(&take.owner) else { return Err(MoneyOverflow) };
            purse.change_free(lot_id, Credits::ZERO.minus(taken)?)?;
            let entry = taking(take).out_of_wallet(purse, taken, vec![(lot_id, taken)])?;
            self.post(entry);
        }
        let lost = take.amount.minus(taken)?;
        if lost.is_positive() {
            self.post(Entry {
                id: take.transfer_ids.1,
                book: Book::Credit,
                debit: AccountId::System(SystemAccount::Loss),
                credit: AccountId::System(take.to),
                amount: lost.get(),
                kind: TransferKind::Refund,
                hold_id: None,
                ref_id: Some(take.ref_id.clone()),
                key: loss_key,
                body_hash: None,
                line: None,
                lots: Vec::new(),
                new_lot: None,
                at: take.at,
            });
        }
        Ok(TakeBackOutcome::Taken { taken, lost })
    }

    /// `false` if it was given back before.
    pub(super) fn give_back(&mut self, give: &GiveBack) -> Result<bool, MoneyOverflow> {
        if self.known.contains_key(&give.key) {
            return Ok(false);
        }
        let Some(purse) = self.purses.get_mut(&give.owner) else { return Err(MoneyOverflow) };
        let mut lots = purse.slots().iter().map(|slot| &slot.lot);
        let lot = lots
            .find(|lot| lot.source == LotSource::Purchase && lot.ref_id.as_ref() == Some(&give.ref_id))
            .map(|lot| lot.id)
            .ok_or(MoneyOverflow)?;
        purse.change_free(lot, give.amount)?;
        let movement = Movement {
            id: give.transfer_id,
            other: SystemAccount::RefundClearing,
            kind: TransferKind::Refund,
            hold_id: None,
            ref_id: Some(give.ref_id.clone()),
            key: give.key.clone(),
            body_hash: None,
            at: give.at,
        };
        let entry = movement.into_wallet(purse, give.amount, vec![(lot, give.amount)])?;
        self.post(entry);
        Ok(true)
    }
}

fn taking(take: &TakeBack) -> Movement {
    Movement {
        id: take.transfer_ids.0,
        other: take.to,
        kind: TransferKind::Refund,
        hold_id: None,
        ref_id: Some(take.ref_id.clone()),
        key: take.key.clone(),
        body_hash: None,
        at: take.at,
    }
}

fn repeat(known: &Known, owner: &Owner, body_hash: &str) -> DebitOutcome {
    let is_repeat = known.owner.as_ref() == Some(owner) && known.body_hash.as_deref() == Some(body_hash);
    let posted: Posted = known.posted;
    if is_repeat { DebitOutcome::Replayed(posted) } else { DebitOutcome::Conflict }
}
