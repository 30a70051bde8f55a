//! A wallet under its lock, with the lots that it consists of.
//!
//! What is available is the free part of all lots, what is held is their held part; every change keeps both sides
//! equal. Sums stay below [`BALANCE_MAX`], so that none leaves 64 bits.

use kernel::{Credits, MoneyOverflow, Timestamp};

use crate::account::{Owner, Wallet};
use crate::calendar::Day;
use crate::lot::{Lot, LotId};
use crate::posting::Standing;

/// The most that a wallet takes; the tables refuse more too.
pub const BALANCE_MAX: i64 = 1_000_000_000_000_000_000;

/// Parts of lots.
pub type Parts = Vec<(LotId, Credits)>;

/// A wallet and its lots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purse {
    /// Whose.
    pub owner: Owner,
    /// The balance.
    pub wallet: Wallet,
    /// Whether it was opened, and its welcome given.
    pub opened_at: Option<Timestamp>,
    /// The last day whose free credits were given.
    pub free_day: Option<Day>,
    /// What is set for it.
    pub standing: Standing,
    /// The day that `spent` is of.
    pub spent_day: Day,
    /// What has left it on that day.
    pub spent: Credits,
    /// Its lots, in the order in which they are spent.
    lots: Vec<Slot>,
    is_changed: bool,
}

/// A lot, and whether it must be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// The lot.
    pub lot: Lot,
    /// How it differs from what is stored.
    pub change: Change,
}

/// How something differs from what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Not at all.
    None,
    /// It is stored and has changed.
    Changed,
    /// It is not stored.
    New,
}

impl Change {
    /// After another change.
    pub(super) fn touch(&mut self) {
        match self {
            Self::None => *self = Self::Changed,
            Self::Changed | Self::New => {}
        }
    }
}

impl Purse {
    /// A purse as it is stored.
    pub fn stored(owner: Owner, wallet: Wallet, mut lots: Vec<Lot>) -> Self {
        lots.sort_by(Lot::use_order);
        let lots = lots.into_iter().map(|lot| Slot { lot, change: Change::None }).collect();
        Self {
            owner,
            wallet,
            opened_at: None,
            free_day: None,
            standing: Standing::default(),
            spent_day: Day::from_number(0),
            spent: Credits::ZERO,
            lots,
            is_changed: false,
        }
    }

    /// Its lots, in the order in which they are spent.
    pub fn slots(&self) -> &[Slot] {
        &self.lots
    }

    /// Whether it must be written.
    pub const fn is_changed(&self) -> bool {
        self.is_changed
    }

    /// When the first free part of a lot ends.
    pub fn next_expiry(&self) -> Option<Timestamp> {
        let free = self.lots.iter().filter(|slot| slot.lot.free().is_positive());
        free.filter_map(|slot| slot.lot.expires_at).min()
    }

    /// What may still leave it on the day, within the smaller of the house's limit and its own; `None` for no limit.
    pub fn left_on(&self, day: Day, day_max: Option<Credits>) -> Result<Option<Credits>, MoneyOverflow> {
        let limits = [day_max, self.standing.day_max].into_iter().flatten();
        let Some(limit) = limits.min() else { return Ok(None) };
        let spent = self.spent_since(day);
        limit.minus(spent.plus(self.wallet.held)?).map(|left| Some(left.max(Credits::ZERO)))
    }

    /// Counts what has left on the day of `at`.
    pub(super) fn count_spent(&mut self, amount: Credits, at: Timestamp) -> Result<(), MoneyOverflow> {
        let day = Day::of(at);
        self.spent = self.spent_since(day).plus(amount)?;
        self.spent_day = self.spent_day.max(day);
        Ok(())
    }

    /// What has left it on the day or, where clocks differ, on a later one.
    fn spent_since(&self, day: Day) -> Credits {
        if self.spent_day < day { Credits::ZERO } else { self.spent }
    }

    /// Marks it as changed at that time.
    pub(super) fn touch(&mut self, at: Timestamp) {
        self.is_changed = true;
        self.wallet.updated_at = at;
    }

    /// The next number of its list.
    pub(super) fn next_seq(&mut self) -> u64 {
        self.wallet.seq += 1;
        self.wallet.seq
    }

    /// Whether so much more fits.
    pub(super) fn has_room(&self, amount: Credits) -> bool {
        let total = self.wallet.total().and_then(|total| total.plus(amount));
        total.is_ok_and(|total| total.get() <= BALANCE_MAX)
    }

    /// Adds a new lot. The caller has asked for room.
    pub(super) fn add(&mut self, lot: Lot) -> Result<(), MoneyOverflow> {
        self.wallet.available = self.wallet.available.plus(lot.granted)?;
        let place = self.lots.partition_point(|slot| slot.lot.use_order(&lot).is_lt());
        self.lots.insert(place, Slot { lot, change: Change::New });
        Ok(())
    }

    /// Sets aside so much of what is free; the caller has seen that it is there.
    pub(super) fn set_aside(&mut self, amount: Credits) -> Result<Parts, MoneyOverflow> {
        let parts = self.free_parts(amount)?;
        for (id, part) in &parts {
            self.on_lot(*id, |lot| {
                lot.held = lot.held.plus(*part)?;
                Ok(())
            })?;
        }
        self.wallet.available = self.wallet.available.minus(amount)?;
        self.wallet.held = self.wallet.held.plus(amount)?;
        Ok(parts)
    }

    /// Frees what was set aside, except for `charged` of it, which leaves. Answers from which lots.
    pub(super) fn resolve(&mut self, parts: &Parts, charged: Credits) -> Result<Parts, MoneyOverflow> {
        let (mut left, mut spent) = (charged, Parts::new());
        // In the order of the lots, since they may have got another since.
        let order: Vec<LotId> = self.lots.iter().map(|slot| slot.lot.id).collect();
        for id in order {
            let held: Credits = sum(parts.iter().filter(|(lot, _)| *lot == id).map(|(_, part)| *part))?;
            if !held.is_positive() {
                continue;
            }
            let part = held.min(left);
            left = left.minus(part)?;
            self.on_lot(id, |lot| {
                lot.held = lot.held.minus(held)?;
                lot.remaining = lot.remaining.minus(part)?;
                Ok(())
            })?;
            self.wallet.held = self.wallet.held.minus(held)?;
            self.wallet.available = self.wallet.available.plus(held.minus(part)?)?;
            if part.is_positive() {
                spent.push((id, part));
            }
        }
        Ok(spent)
    }

    /// Takes so much of what is free; the caller has seen that it is there. Answers from which lots.
    pub(super) fn take(&mut self, amount: Credits) -> Result<Parts, MoneyOverflow> {
        let parts = self.free_parts(amount)?;
        for (id, part) in &parts {
            self.change_free(*id, Credits::ZERO.minus(*part)?)?;
        }
        Ok(parts)
    }

    /// Changes the free part of one lot, and what is available.
    pub(super) fn change_free(&mut self, id: LotId, by: Credits) -> Result<(), MoneyOverflow> {
        self.on_lot(id, |lot| {
            lot.remaining = lot.remaining.plus(by)?;
            Ok(())
        })?;
        self.wallet.available = self.wallet.available.plus(by)?;
        Ok(())
    }

    /// Which lots give so much, in their order.
    fn free_parts(&self, amount: Credits) -> Result<Parts, MoneyOverflow> {
        let (mut left, mut parts) = (amount, Parts::new());
        for slot in &self.lots {
            let part = slot.lot.free().min(left);
            if part.is_positive() {
                left = left.minus(part)?;
                parts.push((slot.lot.id, part));
            }
        }
        // What is available is the free part of all lots, so that nothing is left unless the books are broken.
        if left.is_positive() { Err(MoneyOverflow) } else { Ok(parts) }
    }

    fn on_lot(
        &mut self,
        id: LotId,
        change: impl FnOnce(&mut Lot) -> Result<(), MoneyOverflow>,
    ) -> Result<(), MoneyOverflow> {
        let slot = self.lots.iter_mut().find(|slot| slot.lot.id == id).ok_or(MoneyOverflow)?;
        slot.change.touch();
        change(&mut slot.lot)
    }
}

/// The sum of all.
pub(super) fn sum(amounts: impl Iterator<Item = Credits>) -> Result<Credits, MoneyOverflow> {
    amounts.into_iter().try_fold(Credits::ZERO, Credits::plus)
}
