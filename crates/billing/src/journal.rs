//! The books while they are changed: what was read under the locks, and what is to be written.
//!
//! The adapter reads what [`Needs`] names, hands it in, lets commands be decided here one after the other, and writes
//! what has changed. All rules of the ledger are in this module and run without a database; many commands share one
//! transaction, and each sees what those before it did.
//!
//! A command that fails leaves the journal useless: its transaction must be given up as a whole.

mod command;
mod entry;
mod holding;
mod moving;
mod opening;
mod purse;

use std::collections::{BTreeMap, HashMap};

use kernel::{Credits, Ids, MessageId, MoneyOverflow, Timestamp, TokenUsage};

use crate::account::{AccountId, Book, Owner, SystemAccount};
use crate::hold::Hold;
use crate::lot::{Lot, LotId};
use crate::transfer::{TransferId, TransferKind};

pub use command::{Command, Needs, Outcome};
pub use entry::{Entry, Known, Line};
pub use purse::{BALANCE_MAX, Change, Parts, Purse, Slot};

/// A hold with the parts of lots that it set aside, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldHold {
    /// The hold.
    pub hold: Hold,
    /// What of which lots.
    pub parts: Parts,
    /// Tokens that a heartbeat has reported as received.
    pub received: TokenUsage,
    /// How it ended.
    pub end: Option<HoldEnd>,
    /// How it differs from what is stored.
    pub change: Change,
}

/// How a hold ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoldEnd {
    /// When.
    pub at: Timestamp,
    /// The charge, if it was settled.
    pub usage: Option<Usage>,
}

/// A settled hold's usage record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// The tokens.
    pub tokens: TokenUsage,
    /// What they cost by the hold's prices.
    pub cost: Credits,
    /// What the payer paid.
    pub charged: Credits,
    /// Whether the tokens were counted by us and not by the provider.
    pub is_estimated: bool,
}

/// The books in one transaction.
pub struct Journal<'a> {
    ids: &'a Ids,
    purses: BTreeMap<Owner, Purse>,
    holds: HashMap<MessageId, HeldHold>,
    known: HashMap<String, Known>,
    entries: Vec<Entry>,
}

impl<'a> Journal<'a> {
    /// What was read under the locks. `known` are transfers whose keys were asked for.
    pub fn new(
        ids: &'a Ids,
        purses: impl IntoIterator<Item = Purse>,
        holds: impl IntoIterator<Item = HeldHold>,
        known: impl IntoIterator<Item = (String, Known)>,
    ) -> Self {
        Self {
            ids,
            purses: purses.into_iter().map(|purse| (purse.owner.clone(), purse)).collect(),
            holds: holds.into_iter().map(|held| (held.hold.request.message_id, held)).collect(),
            known: known.into_iter().collect(),
            entries: Vec::new(),
        }
    }

    /// Decides one command, after all earlier ones.
    pub fn apply(&mut self, command: &Command) -> Result<Outcome, MoneyOverflow> {
        Ok(match command {
            Command::Open(opening) => Outcome::Opened(self.open(opening)?),
            Command::Reserve { hold, day_max } => Outcome::Reserved(self.reserve(hold, *day_max)?),
            Command::Settle(settlement) => Outcome::Settled(self.settle(settlement)?),
            Command::Void { message_id, at } => Outcome::Voided(self.void(*message_id, *at)?),
            Command::ExpireHold { message_id, now } => Outcome::Expired(self.expire_hold(*message_id, *now)?),
            Command::Credit(credit) => Outcome::Credited(self.credit(credit)?),
            Command::Debit(debit) => Outcome::Debited(self.debit(debit)?),
            Command::Fund(funding) => Outcome::Debited(self.fund(funding)?),
            Command::TakeBack(take) => Outcome::TakenBack(self.take_back(take)?),
            Command::GiveBack(give) => Outcome::GivenBack(self.give_back(give)?),
            Command::Stand { owner, change, at } => Outcome::Stood(self.stand(owner, change, *at)),
            Command::ExpireLots { owner, now } => Outcome::Expired(self.expire_lots(owner, *now)?),
        })
    }

    /// Wallets and lots that have changed.
    pub fn changed_purses(&self) -> impl Iterator<Item = &Purse> {
        self.purses.values().filter(|purse| purse.is_changed())
    }

    /// Holds that are new or have changed.
    pub fn changed_holds(&self) -> impl Iterator<Item = &HeldHold> {
        self.holds.values().filter(|held| held.change != Change::None)
    }

    /// Transfers to be posted, in their order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn post(&mut self, entry: Entry) {
        self.known.insert(entry.key.clone(), entry.known());
        self.entries.push(entry);
    }
}

/// What a wallet's transfer is about; the rest follows from the wallet.
struct Movement {
    id: TransferId,
    other: SystemAccount,
    kind: TransferKind,
    hold_id: Option<MessageId>,
    ref_id: Option<String>,
    key: String,
    body_hash: Option<String>,
    at: Timestamp,
}

impl Movement {
    /// The transfer from the house that made the lot, which the wallet has already.
    fn makes_lot(self, purse: &mut Purse, lot: LotId, amount: Credits) -> Result<Entry, MoneyOverflow> {
        let entry = self.into_wallet(purse, amount, Vec::new())?;
        Ok(Entry { new_lot: Some(lot), ..entry })
    }

    /// The transfer from the house to the wallet, which has been changed already.
    fn into_wallet(self, purse: &mut Purse, amount: Credits, lots: Parts) -> Result<Entry, MoneyOverflow> {
        self.entry(purse, amount, lots, |wallet, house| (house, wallet))
    }

    /// The transfer from the wallet, which has been changed already, to the house. `lots` are positive parts.
    fn out_of_wallet(self, purse: &mut Purse, amount: Credits, lots: Parts) -> Result<Entry, MoneyOverflow> {
        let lots = lots.into_iter().map(|(id, part)| Ok((id, Credits::ZERO.minus(part)?)));
        let lots = lots.collect::<Result<_, MoneyOverflow>>()?;
        self.entry(purse, amount, lots, |wallet, house| (wallet, house))
    }

    fn entry(
        self,
        purse: &mut Purse,
        amount: Credits,
        lots: Parts,
        sides: impl FnOnce(AccountId, AccountId) -> (AccountId, AccountId),
    ) -> Result<Entry, MoneyOverflow> {
        let wallet = AccountId::Wallet(purse.owner.clone());
        let (debit, credit) = sides(wallet, AccountId::System(self.other));
        purse.touch(self.at);
        let line =
            Line { owner: purse.owner.clone(), seq: purse.next_seq(), balance_after: purse.wallet.total()? };
        Ok(Entry {
            id: self.id,
            book: Book::Credit,
            debit,
            credit,
            amount: amount.get(),
            kind: self.kind,
            hold_id: self.hold_id,
            ref_id: self.ref_id,
            key: self.key,
            body_hash: self.body_hash,
            line: Some(line),
            lots,
            new_lot: None,
            at: self.at,
        })
    }
}

/// A new lot with nothing spent.
fn fresh_lot(lot: Lot) -> Lot {
    Lot { remaining: lot.granted, held: Credits::ZERO, ..lot }
}

#[cfg(test)]
mod tests;
