//! What a ledger is, without a database.
//!
//! Lots that end together and are spent together are one class here: which of them gives what makes no difference to
//! anything that a caller sees.

use std::collections::BTreeMap;

use billing::{
    Credit, CreditOutcome, Day, Debit, DebitOutcome, Hold, HoldState, Opening, Posted, Renewal,
    ReserveOutcome, SettleOutcome, Settlement, VoidOutcome,
};
use kernel::{Credits, MessageId, Timestamp};
use tests::contract::books::{START, TTL_MS, instance};

pub(super) const USERS: usize = 2;

/// A call of the ports, with the user or the slot that it is about.
#[derive(Debug)]
pub(super) enum Call {
    Ensure(usize, Opening),
    Reserve(usize, Hold),
    Settle(usize, Settlement),
    Void(usize, MessageId),
    Renew(Renewal, Option<usize>),
    Expire,
    Credit(usize, Credit),
    Debit(usize, Debit),
    ExpireLots,
}

#[derive(Debug, PartialEq)]
pub(super) enum Answer {
    Wallet(i64, i64),
    Reserved(ReserveOutcome),
    Settled(SettleOutcome),
    Voided(VoidOutcome),
    Count(u64),
    Credited(CreditOutcome),
    Debited(DebitOutcome),
}

/// When it ends, and what is spent first of what ends together.
type Class = (i64, i16);
const NEVER: i64 = i64::MAX;

#[derive(Debug, Default, Clone)]
struct Part {
    free: i64,
    held: BTreeMap<usize, i64>,
}

#[derive(Debug, Default, Clone)]
pub(super) struct Purse {
    is_opened: bool,
    free_day: Option<i64>,
    parts: BTreeMap<Class, Part>,
}

impl Purse {
    pub(super) fn balance(&self) -> (i64, i64) {
        let held = |part: &Part| part.held.values().sum::<i64>();
        (self.parts.values().map(|part| part.free).sum(), self.parts.values().map(held).sum())
    }

    fn total(&self) -> i64 {
        let (available, held) = self.balance();
        available + held
    }

    fn end_lots(&mut self, now: Timestamp) -> bool {
        let mut has_ended = false;
        for ((end, _), part) in &mut self.parts {
            if *end != NEVER && *end <= now.as_millis() && part.free > 0 {
                part.free = 0;
                has_ended = true;
            }
        }
        has_ended
    }

    fn add(&mut self, class: Class, amount: i64) {
        self.parts.entry(class).or_default().free += amount;
    }

    fn take(&mut self, mut amount: i64) {
        for part in self.parts.values_mut() {
            let taken = part.free.min(amount);
            part.free -= taken;
            amount -= taken;
        }
    }

    fn set_aside(&mut self, slot: usize, mut amount: i64) {
        for part in self.parts.values_mut() {
            let taken = part.free.min(amount);
            part.free -= taken;
            amount -= taken;
            if taken > 0 {
                part.held.insert(slot, taken);
            }
        }
    }

    /// Frees what the slot holds but for the charge.
    fn resolve(&mut self, slot: usize, mut charge: i64) {
        for part in self.parts.values_mut() {
            let held = part.held.remove(&slot).unwrap_or_default();
            let charged = held.min(charge);
            charge -= charged;
            part.free += held - charged;
        }
    }
}

/// Wallets, and the holds by slot with what they have received; a slot's payer is the slot modulo the users.
pub(super) struct Model {
    pub(super) now: Timestamp,
    pub(super) purses: [Option<Purse>; USERS],
    pub(super) holds: BTreeMap<usize, Hold>,
    received: BTreeMap<usize, u32>,
    keys: BTreeMap<String, (usize, Posted)>,
}

impl Default for Model {
    fn default() -> Self {
        let purses = [const { None }; USERS];
        let (holds, received, keys) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { now: START, purses, holds, received, keys }
    }
}

impl Model {
    pub(super) fn apply(&mut self, call: &Call) -> Answer {
        match call {
            Call::Ensure(user, opening) => self.ensure(*user, opening),
            Call::Reserve(slot, hold) => Answer::Reserved(self.reserve(*slot, hold)),
            Call::Settle(slot, settlement) => {
                Answer::Settled(self.settle(*slot, settlement.charge.credits.get()))
            }
            Call::Void(slot, _) => Answer::Voided(self.give_back(*slot, HoldState::Voided)),
            Call::Renew(renewal, slot) => Answer::Count(self.renew(renewal, *slot)),
            Call::Expire => Answer::Count(self.expire()),
            Call::Credit(user, credit) => Answer::Credited(self.credit(*user, credit)),
            Call::Debit(user, debit) => Answer::Debited(self.debit(*user, debit)),
            Call::ExpireLots => {
                let now = self.now;
                let ended = self.purses.iter_mut().flatten().map(|purse| u64::from(purse.end_lots(now)));
                Answer::Count(ended.sum())
            }
        }
    }

    /// A heartbeat, which says of one slot what it has received.
    pub(super) fn renewal(&self, received: Option<(MessageId, u32)>) -> Renewal {
        let tokens = |completion| kernel::TokenUsage { completion, ..kernel::TokenUsage::default() };
        Renewal {
            instance: instance(1),
            due_before: self.now.plus_millis(TTL_MS / 2),
            created_after: START.plus_millis(-1),
            until: self.now.plus_millis(TTL_MS),
            received: received.into_iter().map(|(id, count)| (id, tokens(count))).collect(),
        }
    }

    fn ensure(&mut self, user: usize, opening: &Opening) -> Answer {
        let purse = self.purses[user].get_or_insert_default();
        purse.end_lots(opening.at);
        let day = Day::of(opening.at);
        if !purse.is_opened {
            purse.is_opened = true;
            purse.add((NEVER, 10), opening.grant.get());
        }
        if opening.daily.get() > 0 && purse.free_day.is_none_or(|given| given < day.number()) {
            purse.free_day = Some(day.number());
            purse.add((day.end().as_millis(), 0), opening.daily.get());
        }
        let (available, held) = purse.balance();
        Answer::Wallet(available, held)
    }

    fn reserve(&mut self, slot: usize, hold: &Hold) -> ReserveOutcome {
        if let Some(known) = self.holds.get(&slot) {
            let is_repeat = known.request.repeats(&hold.request);
            return if is_repeat {
                ReserveOutcome::Replayed(known.clone())
            } else {
                ReserveOutcome::Conflict
            };
        }
        let amount = hold.amount.get();
        let Some(purse) = &mut self.purses[slot % USERS] else {
            return ReserveOutcome::Insufficient { available: Credits::ZERO };
        };
        purse.end_lots(hold.request.at);
        let (available, _) = purse.balance();
        if available < amount {
            return ReserveOutcome::Insufficient { available: Credits::new(available) };
        }
        purse.set_aside(slot, amount);
        self.holds.insert(slot, hold.clone());
        ReserveOutcome::Held
    }

    fn settle(&mut self, slot: usize, cost: i64) -> SettleOutcome {
        let Some(hold) = self.holds.get_mut(&slot) else { return SettleOutcome::NoHold };
        let purse = self.purses[slot % USERS].as_mut().expect("a hold has a wallet");
        let amount = hold.amount.get();
        let charged = match hold.state {
            HoldState::Open => {
                let charged = cost.min(amount);
                purse.resolve(slot, charged);
                charged
            }
            HoldState::Expired => {
                let charged = cost.min(amount).min(purse.balance().0);
                purse.take(charged);
                charged
            }
            HoldState::Settled | HoldState::Voided => return SettleOutcome::AlreadyResolved,
        };
        hold.state = HoldState::Settled;
        SettleOutcome::Settled {
            balance: Credits::new(purse.total()),
            charged: Credits::new(charged),
            lost: Credits::new(cost - charged),
        }
    }

    fn give_back(&mut self, slot: usize, to: HoldState) -> VoidOutcome {
        let Some(hold) = self.holds.get_mut(&slot) else { return VoidOutcome::NoHold };
        if hold.state != HoldState::Open {
            return VoidOutcome::AlreadyResolved;
        }
        self.purses[slot % USERS].as_mut().expect("a hold has a wallet").resolve(slot, 0);
        hold.state = to;
        VoidOutcome::Voided
    }

    fn renew(&mut self, renewal: &Renewal, slot: Option<usize>) -> u64 {
        let mut renewed = 0;
        for (of, hold) in &mut self.holds {
            if hold.state != HoldState::Open {
                continue;
            }
            if Some(*of) == slot {
                let told = renewal.received.first().map_or(0, |(_, tokens)| tokens.completion);
                let known = self.received.entry(*of).or_default();
                *known = told.max(*known);
            }
            if hold.expires_at < renewal.due_before {
                hold.expires_at = renewal.until;
                renewed += 1;
            }
        }
        renewed
    }

    fn expire(&mut self) -> u64 {
        let mut expired = 0;
        let slots: Vec<_> = self.holds.keys().copied().collect();
        for slot in slots {
            let hold = &self.holds[&slot];
            if hold.state != HoldState::Open || hold.expires_at > self.now {
                continue;
            }
            expired += 1;
            match self.received.get(&slot).copied().unwrap_or_default() {
                0 => {
                    self.give_back(slot, HoldState::Expired);
                }
                tokens => {
                    self.settle(slot, tokens.into());
                }
            }
        }
        expired
    }

    fn credit(&mut self, user: usize, credit: &Credit) -> CreditOutcome {
        // Also one that is refused leaves an empty wallet.
        let purse = self.purses[user].get_or_insert_default();
        if let Some((owner, posted)) = self.keys.get(&credit.key) {
            let is_repeat = *owner == user && posted.amount == credit.amount;
            return if is_repeat { CreditOutcome::Replayed(*posted) } else { CreditOutcome::Conflict };
        }
        purse.end_lots(credit.at);
        let end = credit.expires_at.map_or(NEVER, Timestamp::as_millis);
        purse.add((end, credit.source.priority()), credit.amount.get());
        let balance_after = Credits::new(purse.total());
        let posted = Posted { transfer_id: credit.transfer_id, amount: credit.amount, balance_after };
        self.keys.insert(credit.key.clone(), (user, posted));
        CreditOutcome::Applied(posted)
    }

    fn debit(&mut self, user: usize, debit: &Debit) -> DebitOutcome {
        if let Some((owner, posted)) = self.keys.get(&debit.key) {
            let is_repeat = *owner == user && posted.amount == debit.amount;
            return if is_repeat { DebitOutcome::Replayed(*posted) } else { DebitOutcome::Conflict };
        }
        let Some(purse) = &mut self.purses[user] else {
            return DebitOutcome::Insufficient { available: Credits::ZERO };
        };
        purse.end_lots(debit.at);
        let (available, _) = purse.balance();
        if available < debit.amount.get() {
            return DebitOutcome::Insufficient { available: Credits::new(available) };
        }
        purse.take(debit.amount.get());
        let balance_after = Credits::new(purse.total());
        let posted = Posted { transfer_id: debit.transfer_id, amount: debit.amount, balance_after };
        self.keys.insert(debit.key.clone(), (user, posted));
        DebitOutcome::Applied(posted)
    }
}
