//! What a ledger is, without a database.

use std::collections::BTreeMap;

use billing::{Hold, HoldState, Opening, Renewal, ReserveOutcome, SettleOutcome, Settlement, VoidOutcome};
use kernel::{Credits, MessageId, Timestamp};
use tests::contract::books::{START, TTL_MS, instance};

pub(super) const USERS: usize = 2;

/// A call of the port, with the user or the slot that it is about.
#[derive(Debug)]
pub(super) enum Call {
    Ensure(usize, Opening),
    Reserve(usize, Hold),
    Settle(usize, Settlement),
    Void(usize, MessageId),
    Renew(Renewal),
    Expire,
}

#[derive(Debug, PartialEq)]
pub(super) enum Answer {
    Wallet(i64, i64),
    Reserved(ReserveOutcome),
    Settled(SettleOutcome),
    Voided(VoidOutcome),
    Count(u64),
}

/// Wallets as available and held, and the holds by slot; a slot's payer is the slot modulo the users.
pub(super) struct Model {
    pub(super) now: Timestamp,
    pub(super) wallets: [Option<(i64, i64)>; USERS],
    pub(super) holds: BTreeMap<usize, Hold>,
}

impl Default for Model {
    fn default() -> Self {
        Self { now: START, wallets: [None; USERS], holds: BTreeMap::new() }
    }
}

impl Model {
    pub(super) fn apply(&mut self, call: &Call) -> Answer {
        match call {
            Call::Ensure(user, opening) => {
                let (available, held) = *self.wallets[*user].get_or_insert((opening.grant.get(), 0));
                Answer::Wallet(available, held)
            }
            Call::Reserve(slot, hold) => Answer::Reserved(self.reserve(*slot, hold)),
            Call::Settle(slot, settlement) => {
                Answer::Settled(self.settle(*slot, settlement.charge.credits.get()))
            }
            Call::Void(slot, _) => Answer::Voided(self.give_back(*slot, HoldState::Voided)),
            Call::Renew(renewal) => Answer::Count(self.renew(renewal)),
            Call::Expire => Answer::Count(self.expire()),
        }
    }

    pub(super) fn renewal(&self) -> Renewal {
        Renewal {
            instance: instance(1),
            due_before: self.now.plus_millis(TTL_MS / 2),
            created_after: START.plus_millis(-1),
            until: self.now.plus_millis(TTL_MS),
            received: Vec::new(),
        }
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
        let wallet = &mut self.wallets[slot % USERS];
        let (available, reserved) = wallet.unwrap_or((0, 0));
        if wallet.is_none() || available < amount {
            return ReserveOutcome::Insufficient { available: Credits::new(available) };
        }
        *wallet = Some((available - amount, reserved + amount));
        self.holds.insert(slot, hold.clone());
        ReserveOutcome::Held
    }

    fn settle(&mut self, slot: usize, cost: i64) -> SettleOutcome {
        let was_open = self.give_back(slot, HoldState::Expired);
        let Some(hold) = self.holds.get_mut(&slot) else {
            return SettleOutcome::NoHold;
        };
        if hold.state != HoldState::Expired {
            return SettleOutcome::AlreadyResolved;
        }
        let (available, reserved) = self.wallets[slot % USERS].as_mut().expect("a hold has a wallet");
        let amount = hold.amount.get();
        let limit = if was_open == VoidOutcome::Voided { amount } else { amount.min(*available) };
        let charged = cost.min(limit);
        *available -= charged;
        hold.state = HoldState::Settled;
        SettleOutcome::Settled {
            balance: Credits::new(*available + *reserved),
            charged: Credits::new(charged),
            lost: Credits::new(cost - charged),
        }
    }

    fn give_back(&mut self, slot: usize, to: HoldState) -> VoidOutcome {
        let Some(hold) = self.holds.get_mut(&slot) else {
            return VoidOutcome::NoHold;
        };
        if hold.state != HoldState::Open {
            return VoidOutcome::AlreadyResolved;
        }
        let (available, reserved) = self.wallets[slot % USERS].as_mut().expect("a hold has a wallet");
        *available += hold.amount.get();
        *reserved -= hold.amount.get();
        hold.state = to;
        VoidOutcome::Voided
    }

    fn renew(&mut self, renewal: &Renewal) -> u64 {
        let mut renewed = 0;
        for hold in self.holds.values_mut() {
            if hold.state == HoldState::Open && hold.expires_at < renewal.due_before {
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
            let is_due = self.holds[&slot].expires_at <= self.now;
            if is_due && self.give_back(slot, HoldState::Expired) == VoidOutcome::Voided {
                expired += 1;
            }
        }
        expired
    }
}
