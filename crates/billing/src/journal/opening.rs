//! Wallets: opened with what is due, and freed of what nobody used in time.

use kernel::{Credits, MoneyOverflow, Timestamp};

use super::{Journal, Movement, fresh_lot};
use crate::account::{Owner, SystemAccount, Wallet};
use crate::calendar::Day;
use crate::lot::{Lot, LotSource};
use crate::ports::Opening;
use crate::posting::StandingChange;
use crate::transfer::{TransferKind, expire_key, free_key, welcome_key};

impl Journal<'_> {
    /// Gives the welcome once and each day's free credits once, and never those of an earlier day.
    pub(super) fn open(&mut self, opening: &Opening) -> Result<Wallet, MoneyOverflow> {
        let owner = Owner::User(opening.user);
        self.expire_lots(&owner, opening.at)?;
        let Some(purse) = self.purses.get_mut(&owner) else { return Err(MoneyOverflow) };
        let is_new = purse.opened_at.is_none();
        let today = Day::of(opening.at);
        let is_free_day = opening.daily.is_positive() && purse.free_day.is_none_or(|day| day < today);
        if is_new {
            purse.opened_at = Some(opening.at);
            purse.touch(opening.at);
        }
        if is_free_day {
            purse.free_day = Some(today);
            purse.touch(opening.at);
        }
        if is_new && opening.grant.is_positive() {
            let gift = Gift {
                source: LotSource::Welcome,
                ref_id: None,
                amount: opening.grant,
                expires_at: None,
                key: welcome_key(opening.user),
                at: opening.at,
            };
            self.give(&owner, gift)?;
        }
        if is_free_day {
            let gift = Gift {
                source: LotSource::Daily,
                ref_id: Some(today.date()),
                amount: opening.daily,
                expires_at: Some(today.end()),
                key: free_key(opening.user, today),
                at: opening.at,
            };
            self.give(&owner, gift)?;
        }
        self.purses.get(&owner).map(|purse| purse.wallet).ok_or(MoneyOverflow)
    }

    fn give(&mut self, owner: &Owner, gift: Gift) -> Result<(), MoneyOverflow> {
        let (lot_id, transfer_id) = (self.ids.next(), self.ids.next());
        let Some(purse) = self.purses.get_mut(owner) else { return Ok(()) };
        if !purse.has_room(gift.amount) {
            return Err(MoneyOverflow);
        }
        purse.add(fresh_lot(Lot {
            id: lot_id,
            source: gift.source,
            ref_id: gift.ref_id.clone(),
            granted: gift.amount,
            remaining: gift.amount,
            held: Credits::ZERO,
            expires_at: gift.expires_at,
            created_at: gift.at,
        }))?;
        let movement = Movement {
            id: transfer_id,
            other: SystemAccount::Promo,
            kind: TransferKind::Grant,
            hold_id: None,
            ref_id: gift.ref_id,
            key: gift.key,
            body_hash: None,
            at: gift.at,
        };
        let entry = movement.makes_lot(purse, lot_id, gift.amount)?;
        self.post(entry);
        Ok(())
    }

    /// Ends the free part of each lot whose time is over; what is held of it may still be charged. Answers whether
    /// anything ended.
    pub(super) fn expire_lots(&mut self, owner: &Owner, now: Timestamp) -> Result<bool, MoneyOverflow> {
        let Some(purse) = self.purses.get_mut(owner) else { return Ok(false) };
        let over: Vec<Lot> = purse
            .slots()
            .iter()
            .map(|slot| &slot.lot)
            .filter(|lot| lot.is_over(now) && lot.free().is_positive())
            .cloned()
            .collect();
        let mut entries = Vec::with_capacity(over.len());
        for lot in over {
            purse.change_free(lot.id, Credits::ZERO.minus(lot.free())?)?;
            let movement = Movement {
                id: self.ids.next(),
                other: SystemAccount::Breakage,
                kind: TransferKind::Expire,
                hold_id: None,
                ref_id: lot.ref_id.clone(),
                key: expire_key(lot.id, lot.remaining),
                body_hash: None,
                at: now,
            };
            entries.push(movement.out_of_wallet(purse, lot.free(), vec![(lot.id, lot.free())])?);
        }
        let has_ended = !entries.is_empty();
        for entry in entries {
            self.post(entry);
        }
        Ok(has_ended)
    }

    /// `false` if there is no such wallet.
    pub(super) fn stand(&mut self, owner: &Owner, change: &StandingChange, at: Timestamp) -> bool {
        let Some(purse) = self.purses.get_mut(owner) else { return false };
        match change {
            StandingChange::Freeze { reason } => purse.standing.frozen = Some(reason.clone()),
            StandingChange::Unfreeze => purse.standing.frozen = None,
            StandingChange::DayMax(limit) => purse.standing.day_max = *limit,
        }
        purse.touch(at);
        true
    }
}

/// A lot that the house gives away.
struct Gift {
    source: LotSource,
    ref_id: Option<String>,
    amount: Credits,
    expires_at: Option<Timestamp>,
    key: String,
    at: Timestamp,
}
