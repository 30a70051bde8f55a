//! Holds: set aside, charged, given back.

use kernel::{Credits, MessageId, MoneyOverflow, Timestamp, TokenUsage};

use super::{Change, HeldHold, HoldEnd, Journal, Movement, Usage};
use crate::account::{AccountId, Book, SystemAccount};
use crate::calendar::Day;
use crate::hold::{Charge, Hold, HoldState, Split};
use crate::journal::Entry;
use crate::ports::{ReserveOutcome, SettleOutcome, Settlement, VoidOutcome};
use crate::transfer::{TransferId, TransferKind, loss_key, settle_key};

impl Journal<'_> {
    pub(super) fn reserve(
        &mut self,
        hold: &Hold,
        day_max: Option<Credits>,
    ) -> Result<ReserveOutcome, MoneyOverflow> {
        let request = &hold.request;
        if let Some(known) = self.holds.get(&request.message_id) {
            let is_repeat = known.hold.request.repeats(request);
            return Ok(if is_repeat {
                ReserveOutcome::Replayed(known.hold.clone())
            } else {
                ReserveOutcome::Conflict
            });
        }
        self.expire_lots(&request.payer, request.at)?;
        let Some(purse) = self.purses.get_mut(&request.payer) else {
            return Ok(ReserveOutcome::Insufficient { available: Credits::ZERO });
        };
        if purse.standing.frozen.is_some() {
            return Ok(ReserveOutcome::Frozen);
        }
        if purse.wallet.available < hold.amount {
            return Ok(ReserveOutcome::Insufficient { available: purse.wallet.available });
        }
        if let Some(left) = purse.left_on(Day::of(request.at), day_max)?.filter(|left| *left < hold.amount) {
            return Ok(ReserveOutcome::CapReached { left });
        }
        let parts = purse.set_aside(hold.amount)?;
        purse.touch(request.at);
        let held = HeldHold {
            hold: Hold { state: HoldState::Open, ..hold.clone() },
            parts,
            received: TokenUsage::default(),
            end: None,
            change: Change::New,
        };
        self.holds.insert(request.message_id, held);
        Ok(ReserveOutcome::Held)
    }

    pub(super) fn settle(&mut self, settlement: &Settlement) -> Result<SettleOutcome, MoneyOverflow> {
        self.charge(&settlement.charge, settlement.transfer_id, settlement.loss_transfer_id)
    }

    fn charge(
        &mut self,
        charge: &Charge,
        transfer_id: TransferId,
        loss_transfer_id: TransferId,
    ) -> Result<SettleOutcome, MoneyOverflow> {
        let Some(held) = self.holds.get_mut(&charge.message_id) else { return Ok(SettleOutcome::NoHold) };
        let is_held = match held.hold.state {
            HoldState::Open => true,
            HoldState::Expired => false,
            HoldState::Settled | HoldState::Voided => return Ok(SettleOutcome::AlreadyResolved),
        };
        let Some(purse) = self.purses.get_mut(&held.hold.request.payer) else { return Err(MoneyOverflow) };
        // An expired hold has gone back to what is available, and may be spent since.
        let limit = if is_held { held.hold.amount } else { held.hold.amount.min(purse.wallet.available) };
        let split = charge.split(held.hold.tariff, limit)?;
        let lots =
            if is_held { purse.resolve(&held.parts, split.charged)? } else { purse.take(split.charged)? };
        purse.touch(charge.at);
        let usage = Usage {
            tokens: charge.tokens,
            cost: split.charged.plus(split.lost)?,
            charged: split.charged,
            is_estimated: charge.is_estimated,
        };
        held.resolve(HoldState::Settled, HoldEnd { at: charge.at, usage: Some(usage) });
        let mut paid = None;
        if split.charged.is_positive() {
            purse.count_spent(split.charged, charge.at)?;
            paid = Some(payment(charge, transfer_id).out_of_wallet(purse, split.charged, lots)?);
        }
        let balance = purse.wallet.total()?;
        let Split { charged, lost } = split;
        if let Some(entry) = paid {
            self.post(entry);
        }
        if lost.is_positive() {
            self.post(loss(charge, loss_transfer_id, lost));
        }
        Ok(SettleOutcome::Settled { balance, charged, lost })
    }

    pub(super) fn void(&mut self, id: MessageId, at: Timestamp) -> Result<VoidOutcome, MoneyOverflow> {
        let Some(held) = self.holds.get(&id) else { return Ok(VoidOutcome::NoHold) };
        match held.hold.state {
            HoldState::Open => {}
            HoldState::Settled | HoldState::Voided | HoldState::Expired => {
                return Ok(VoidOutcome::AlreadyResolved);
            }
        }
        self.release(id, HoldState::Voided, at)?;
        Ok(VoidOutcome::Voided)
    }

    /// What a heartbeat has reported as received is charged for; a hold of which nothing is known goes back whole.
    pub(super) fn expire_hold(&mut self, id: MessageId, now: Timestamp) -> Result<bool, MoneyOverflow> {
        let Some(held) = self.holds.get(&id) else { return Ok(false) };
        if held.hold.state != HoldState::Open || held.hold.expires_at > now {
            return Ok(false);
        }
        if held.received.is_empty() {
            self.release(id, HoldState::Expired, now)?;
            return Ok(true);
        }
        let tokens = held.received;
        let credits = held.hold.tariff.cost(tokens)?.min(held.hold.amount);
        let charge = Charge { message_id: id, tokens, credits, is_estimated: true, at: now };
        let (transfer_id, loss_id) = (self.ids.next(), self.ids.next());
        self.charge(&charge, transfer_id, loss_id)?;
        Ok(true)
    }

    fn release(&mut self, id: MessageId, to: HoldState, at: Timestamp) -> Result<(), MoneyOverflow> {
        let Some(held) = self.holds.get_mut(&id) else { return Ok(()) };
        let Some(purse) = self.purses.get_mut(&held.hold.request.payer) else { return Err(MoneyOverflow) };
        purse.resolve(&held.parts, Credits::ZERO)?;
        purse.touch(at);
        held.resolve(to, HoldEnd { at, usage: None });
        Ok(())
    }
}

impl HeldHold {
    fn resolve(&mut self, to: HoldState, end: HoldEnd) {
        self.hold.state = to;
        self.end = Some(end);
        self.change.touch();
    }
}

fn payment(charge: &Charge, id: TransferId) -> Movement {
    Movement {
        id,
        other: SystemAccount::Revenue,
        kind: TransferKind::Consume,
        hold_id: Some(charge.message_id),
        ref_id: Some(charge.message_id.to_string()),
        key: settle_key(charge.message_id),
        body_hash: None,
        at: charge.at,
    }
}

fn loss(charge: &Charge, id: TransferId, lost: Credits) -> Entry {
    Entry {
        id,
        book: Book::Credit,
        debit: AccountId::System(SystemAccount::Loss),
        credit: AccountId::System(SystemAccount::Revenue),
        amount: lost.get(),
        kind: TransferKind::Consume,
        hold_id: Some(charge.message_id),
        ref_id: Some(charge.message_id.to_string()),
        key: loss_key(charge.message_id),
        body_hash: None,
        line: None,
        lots: Vec::new(),
        new_lot: None,
        at: charge.at,
    }
}
