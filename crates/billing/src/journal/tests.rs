//! The rules of the books without a database.

use std::sync::Arc;

use kernel::{Id, ManualClock, SeededEntropy, Tariff, UserId};

use super::*;
use crate::account::Wallet;
use crate::hold::{Charge, HoldRequest, HoldState};
use crate::lot::LotSource;
use crate::ports::{Opening, ReserveOutcome, SettleOutcome, Settlement};
use crate::posting::{
    Credit, CreditOutcome, Debit, DebitOutcome, Funding, GiveBack, StandingChange, TakeBack, TakeBackOutcome,
};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

struct Desk<'a> {
    journal: Journal<'a>,
    ids: &'a Ids,
    user: UserId,
}

fn ids() -> Ids {
    Ids::new(Arc::new(ManualClock::at(NOW)), Arc::new(SeededEntropy::new(1)))
}

fn empty(owner: Owner) -> Purse {
    let nothing = Wallet { available: Credits::ZERO, held: Credits::ZERO, seq: 0, updated_at: NOW };
    Purse::stored(owner, nothing, Vec::new())
}

impl<'a> Desk<'a> {
    fn new(ids: &'a Ids) -> Self {
        let user = ids.next();
        let purses = [empty(Owner::User(user)), empty(Owner::Pool("room".parse().unwrap()))];
        Self { journal: Journal::new(ids, purses, [], []), ids, user }
    }

    fn owner(&self) -> Owner {
        Owner::User(self.user)
    }

    fn purse(&self) -> &Purse {
        &self.journal.purses[&self.owner()]
    }

    fn balance(&self) -> (i64, i64) {
        (self.purse().wallet.available.get(), self.purse().wallet.held.get())
    }

    fn credit(&mut self, amount: i64, source: LotSource, days: Option<i64>) -> CreditOutcome {
        let key = format!("key:{}", self.journal.entries.len());
        self.credit_by(&key, amount, source, days)
    }

    fn credit_by(&mut self, key: &str, amount: i64, source: LotSource, days: Option<i64>) -> CreditOutcome {
        let credit = Credit {
            owner: self.owner(),
            amount: Credits::new(amount),
            source,
            from: SystemAccount::Issued,
            kind: TransferKind::Recharge,
            expires_at: days.map(|days| NOW.plus_seconds(days * 86_400)),
            key: key.to_owned(),
            ref_id: Some("order".to_owned()),
            lot_id: self.ids.next(),
            transfer_id: self.ids.next(),
            at: NOW,
        };
        match self.journal.apply(&Command::Credit(Box::new(credit))).unwrap() {
            Outcome::Credited(outcome) => outcome,
            other => panic!("{other:?}"),
        }
    }

    fn debit(&mut self, key: &str, amount: i64) -> DebitOutcome {
        let debit = Debit {
            owner: self.owner(),
            amount: Credits::new(amount),
            to: SystemAccount::Revenue,
            kind: TransferKind::Consume,
            key: key.to_owned(),
            body_hash: amount.to_string(),
            ref_id: None,
            day_max: Some(Credits::new(1_000)),
            transfer_id: self.ids.next(),
            at: NOW,
        };
        match self.journal.apply(&Command::Debit(Box::new(debit))).unwrap() {
            Outcome::Debited(outcome) => outcome,
            other => panic!("{other:?}"),
        }
    }

    fn reserve(&mut self, message_id: MessageId, amount: i64) -> ReserveOutcome {
        let hold = Hold {
            request: HoldRequest {
                message_id,
                payer: self.owner(),
                model_alias: "one".into(),
                prompt_tokens_max: 1,
                output_tokens_wanted: 1,
                output_tokens_min: 1,
                at: NOW,
            },
            tariff: Tariff { miss: 1_000_000, hit: 1_000_000, output: 1_000_000 },
            price_id: "always@0".into(),
            amount: Credits::new(amount),
            output_tokens_max: 1,
            state: HoldState::Open,
            instance: Id::from_uuid(uuid::Uuid::nil()),
            expires_at: NOW.plus_seconds(120),
        };
        let reserve = Command::Reserve { hold: Box::new(hold), day_max: None };
        match self.journal.apply(&reserve).unwrap() {
            Outcome::Reserved(outcome) => outcome,
            other => panic!("{other:?}"),
        }
    }

    fn settle(&mut self, message_id: MessageId, tokens: u32) -> SettleOutcome {
        let usage = TokenUsage { completion: tokens, ..TokenUsage::default() };
        let credits = Credits::new(tokens.into());
        let settlement = Settlement {
            charge: Charge { message_id, tokens: usage, credits, is_estimated: false, at: NOW },
            transfer_id: self.ids.next(),
            loss_transfer_id: self.ids.next(),
        };
        match self.journal.apply(&Command::Settle(Box::new(settlement))).unwrap() {
            Outcome::Settled(outcome) => outcome,
            other => panic!("{other:?}"),
        }
    }

    fn take_back(&mut self, amount: i64, is_forced: bool) -> TakeBackOutcome {
        let take = TakeBack {
            owner: self.owner(),
            ref_id: "order".into(),
            amount: Credits::new(amount),
            is_forced,
            to: SystemAccount::RefundClearing,
            key: format!("refund:{amount}"),
            transfer_ids: (self.ids.next(), self.ids.next()),
            at: NOW,
        };
        match self.journal.apply(&Command::TakeBack(Box::new(take))).unwrap() {
            Outcome::TakenBack(outcome) => outcome,
            other => panic!("{other:?}"),
        }
    }

    /// The sum of the parts is the whole, and of all accounts it is nothing.
    fn assert_sound(&self) {
        for purse in self.journal.purses.values() {
            let lots = || purse.slots().iter().map(|slot| &slot.lot);
            assert_eq!(purse::sum(lots().map(Lot::free)), Ok(purse.wallet.available));
            assert_eq!(purse::sum(lots().map(|lot| lot.held)), Ok(purse.wallet.held));
            assert!(lots().all(|lot| lot.free().get() >= 0 && lot.held.get() >= 0));
            let wallet = AccountId::Wallet(purse.owner.clone());
            let moved: i64 = self
                .journal
                .entries
                .iter()
                .map(|entry| match () {
                    () if entry.credit == wallet => entry.amount,
                    () if entry.debit == wallet => -entry.amount,
                    () => 0,
                })
                .sum();
            assert_eq!(moved, purse.wallet.total().unwrap().get());
        }
    }
}

fn remaining(desk: &Desk<'_>) -> Vec<(LotSource, i64)> {
    desk.purse().slots().iter().map(|slot| (slot.lot.source, slot.lot.remaining.get())).collect()
}

#[test]
fn what_ends_first_is_spent_first_and_what_was_paid_for_last() {
    let ids = ids();
    let mut desk = Desk::new(&ids);
    desk.credit(100, LotSource::Purchase, None);
    desk.credit(10, LotSource::Welcome, None);
    desk.credit(5, LotSource::Purchase, Some(1));
    assert!(matches!(desk.debit("a", 17), DebitOutcome::Applied(_)));
    assert_eq!(
        remaining(&desk),
        [(LotSource::Purchase, 0), (LotSource::Welcome, 0), (LotSource::Purchase, 98)]
    );
    desk.assert_sound();
}

#[test]
fn a_key_is_applied_once_and_with_other_content_a_conflict() {
    let ids = ids();
    let mut desk = Desk::new(&ids);
    let CreditOutcome::Applied(first) = desk.credit_by("k", 100, LotSource::Purchase, None) else { panic!() };
    assert_eq!(desk.credit_by("k", 100, LotSource::Purchase, None), CreditOutcome::Replayed(first));
    assert_eq!(desk.credit_by("k", 101, LotSource::Purchase, None), CreditOutcome::Conflict);
    let DebitOutcome::Applied(posted) = desk.debit("d", 100) else { panic!() };
    assert_eq!(desk.debit("d", 100), DebitOutcome::Replayed(posted), "though nothing is left");
    assert_eq!(desk.debit("d", 1), DebitOutcome::Conflict);
    assert_eq!(desk.debit("e", 1), DebitOutcome::Insufficient { available: Credits::ZERO });
    assert_eq!(desk.balance(), (0, 0));
    desk.assert_sound();
}

#[test]
fn a_hold_takes_from_its_lots_in_order_and_gives_back_the_rest() {
    let ids = ids();
    let mut desk = Desk::new(&ids);
    desk.credit(50, LotSource::Purchase, None);
    desk.credit(10, LotSource::Daily, Some(1));
    let message = ids.next();
    assert_eq!(desk.reserve(message, 30), ReserveOutcome::Held);
    assert_eq!(desk.balance(), (30, 30));
    let settled = desk.settle(message, 12);
    assert!(matches!(settled, SettleOutcome::Settled { charged, .. } if charged == Credits::new(12)));
    assert_eq!(remaining(&desk), [(LotSource::Daily, 0), (LotSource::Purchase, 48)]);
    assert_eq!(desk.settle(message, 12), SettleOutcome::AlreadyResolved);
    assert_eq!(desk.balance(), (48, 0));
    desk.assert_sound();
}

#[test]
fn a_held_part_outlives_its_lots_end_and_the_rest_does_not() {
    let ids = ids();
    let mut desk = Desk::new(&ids);
    desk.credit(100, LotSource::Daily, Some(1));
    let message = ids.next();
    desk.reserve(message, 30);
    let tomorrow = NOW.plus_seconds(86_400);
    let expire = Command::ExpireLots { owner: desk.owner(), now: tomorrow };
    assert!(matches!(desk.journal.apply(&expire).unwrap(), Outcome::Expired(true)));
    assert_eq!(desk.balance(), (0, 30));
    desk.settle(message, 20);
    assert_eq!(desk.balance(), (10, 0));
    assert!(matches!(desk.journal.apply(&expire).unwrap(), Outcome::Expired(true)));
    assert!(matches!(desk.journal.apply(&expire).unwrap(), Outcome::Expired(false)));
    assert_eq!(desk.balance(), (0, 0));
    desk.assert_sound();
}

#[test]
fn the_welcome_comes_once_and_free_credits_once_a_day() {
    let ids = ids();
    let mut desk = Desk::new(&ids);
    let mut open = |at| {
        let opening = Opening { user: desk.user, grant: Credits::new(7), daily: Credits::new(100), at };
        desk.journal.apply(&Command::Open(opening)).unwrap();
        desk.balance().0
    };
    assert_eq!([open(NOW), open(NOW)], [107, 107]);
    assert_eq!(open(NOW.plus_seconds(86_400)), 107, "yesterday's ended");
    assert_eq!(open(NOW), 107, "a clock that went back gives nothing");
    desk.assert_sound();
}

#[test]
fn a_frozen_account_spends_nothing_but_settles_what_it_held() {
    let ids = ids();
    let mut desk = Desk::new(&ids);
    desk.credit(100, LotSource::Purchase, None);
    let message = ids.next();
    desk.reserve(message, 30);
    let change = StandingChange::Freeze { reason: "chargeback".into() };
    let freeze = Command::Stand { owner: desk.owner(), change, at: NOW };
    desk.journal.apply(&freeze).unwrap();
    assert_eq!(desk.reserve(ids.next(), 1), ReserveOutcome::Frozen);
    assert_eq!(desk.debit("a", 1), DebitOutcome::Frozen);
    desk.settle(message, 10);
    assert_eq!(desk.balance(), (90, 0));
    desk.assert_sound();
}

#[test]
fn the_smaller_limit_of_a_day_counts_what_is_held_too() {
    let ids = ids();
    let mut desk = Desk::new(&ids);
    desk.credit(10_000, LotSource::Purchase, None);
    desk.reserve(ids.next(), 300);
    assert!(matches!(desk.debit("a", 600), DebitOutcome::Applied(_)));
    assert_eq!(desk.debit("b", 101), DebitOutcome::CapReached { left: Credits::new(100) });
    let change = StandingChange::DayMax(Some(Credits::new(950)));
    desk.journal.apply(&Command::Stand { owner: desk.owner(), change, at: NOW }).unwrap();
    assert_eq!(desk.debit("b", 51), DebitOutcome::CapReached { left: Credits::new(50) });
    assert!(matches!(desk.debit("b", 50), DebitOutcome::Applied(_)));
    desk.assert_sound();
}

#[test]
fn a_refund_takes_what_the_orders_lot_has_and_a_forced_one_the_rest_from_the_house() {
    let ids = ids();
    let mut desk = Desk::new(&ids);
    desk.credit(100, LotSource::Purchase, None);
    desk.debit("a", 30);
    assert_eq!(desk.take_back(71, false), TakeBackOutcome::TooMuch { free: Credits::new(70) });
    let taken = |taken, lost| TakeBackOutcome::Taken { taken: Credits::new(taken), lost: Credits::new(lost) };
    assert_eq!(desk.take_back(20, false), taken(20, 0));
    assert_eq!(desk.take_back(20, false), TakeBackOutcome::Replayed);
    let give = GiveBack {
        owner: desk.owner(),
        ref_id: "order".into(),
        amount: Credits::new(20),
        key: "refund-closed".into(),
        transfer_id: ids.next(),
        at: NOW,
    };
    let give = Command::GiveBack(Box::new(give));
    assert!(matches!(desk.journal.apply(&give).unwrap(), Outcome::GivenBack(true)));
    assert!(matches!(desk.journal.apply(&give).unwrap(), Outcome::GivenBack(false)));
    assert_eq!(desk.balance(), (70, 0));
    assert_eq!(desk.take_back(100, true), taken(70, 30));
    assert_eq!(desk.take_back(100, true), TakeBackOutcome::Replayed);
    desk.assert_sound();
}

#[test]
fn a_pool_gets_what_its_member_gives() {
    let ids = ids();
    let mut desk = Desk::new(&ids);
    desk.credit(100, LotSource::Purchase, None);
    let funding = Funding {
        user: desk.user,
        pool: "room".parse().unwrap(),
        amount: Credits::new(40),
        key: "pool:1".into(),
        body_hash: "h".into(),
        lot_id: ids.next(),
        transfer_ids: (ids.next(), ids.next()),
        at: NOW,
    };
    for _ in 0..2 {
        desk.journal.apply(&Command::Fund(Box::new(funding.clone()))).unwrap();
    }
    assert_eq!(desk.balance(), (60, 0));
    let pool = &desk.journal.purses[&Owner::Pool("room".parse().unwrap())];
    assert_eq!(pool.wallet.available, Credits::new(40));
    desk.assert_sound();
}

#[test]
fn a_lost_hold_is_charged_for_what_its_heartbeat_reported() {
    let ids = ids();
    let mut desk = Desk::new(&ids);
    desk.credit(100, LotSource::Purchase, None);
    let (silent, reported) = (ids.next(), ids.next());
    desk.reserve(silent, 30);
    desk.reserve(reported, 30);
    desk.journal.holds.get_mut(&reported).unwrap().received =
        TokenUsage { prompt: 4, completion: 50, ..TokenUsage::default() };
    let now = NOW.plus_seconds(120);
    for message_id in [silent, reported, silent, reported] {
        desk.journal.apply(&Command::ExpireHold { message_id, now }).unwrap();
    }
    assert_eq!(desk.balance(), (70, 0));
    assert_eq!(desk.journal.holds[&silent].hold.state, HoldState::Expired);
    let usage = desk.journal.holds[&reported].end.unwrap().usage.unwrap();
    assert_eq!((usage.charged, usage.cost, usage.is_estimated), (Credits::new(30), Credits::new(54), true));
    desk.assert_sound();
}
