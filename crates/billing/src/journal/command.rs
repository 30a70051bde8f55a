//! What the books are asked to do, and what became of it.

use std::collections::BTreeSet;

use kernel::{Credits, MessageId, Timestamp};

use crate::account::{Owner, Wallet};
use crate::hold::Hold;
use crate::ports::{Opening, ReserveOutcome, SettleOutcome, Settlement, VoidOutcome};
use crate::posting::{
    Credit, CreditOutcome, Debit, DebitOutcome, Funding, GiveBack, StandingChange, TakeBack, TakeBackOutcome,
};

/// One change of the books.
#[derive(Debug, Clone)]
pub enum Command {
    /// Opens a person's wallet and gives what is due.
    Open(Opening),
    /// Sets a hold aside.
    Reserve {
        /// The hold, open.
        hold: Box<Hold>,
        /// The most that may leave the wallet on one day, if the house has a limit.
        day_max: Option<Credits>,
    },
    /// Charges for a hold.
    Settle(Box<Settlement>),
    /// Gives a hold back.
    Void {
        /// Which.
        message_id: MessageId,
        /// When.
        at: Timestamp,
    },
    /// Gives a hold back whose time is over, or charges what is known to have been received.
    ExpireHold {
        /// Which.
        message_id: MessageId,
        /// When.
        now: Timestamp,
    },
    /// Adds a lot.
    Credit(Box<Credit>),
    /// Takes credits at once.
    Debit(Box<Debit>),
    /// Fills a pool.
    Fund(Box<Funding>),
    /// Takes back for a refund.
    TakeBack(Box<TakeBack>),
    /// Undoes that.
    GiveBack(Box<GiveBack>),
    /// Freezes, unfreezes, or limits.
    Stand {
        /// Whose wallet.
        owner: Owner,
        /// The change.
        change: StandingChange,
        /// When.
        at: Timestamp,
    },
    /// Ends lots whose time is over.
    ExpireLots {
        /// Whose.
        owner: Owner,
        /// When.
        now: Timestamp,
    },
}

/// What became of a [`Command`]; the variant is that of the command.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// The wallet, opened now or before.
    Opened(Wallet),
    /// Of a hold.
    Reserved(ReserveOutcome),
    /// Of a charge.
    Settled(SettleOutcome),
    /// Of a void.
    Voided(VoidOutcome),
    /// Whether something ended: a hold, or the lots of a wallet.
    Expired(bool),
    /// Of a lot.
    Credited(CreditOutcome),
    /// Of a debit or a funding.
    Debited(DebitOutcome),
    /// Of taking back.
    TakenBack(TakeBackOutcome),
    /// Whether it was new.
    GivenBack(bool),
    /// Whether the wallet is there.
    Stood(bool),
}

/// What must be read, and locked, before commands can be decided.
#[derive(Debug, Default)]
pub struct Needs {
    /// Wallets that are made where they are not there.
    pub makes: BTreeSet<Owner>,
    /// Wallets that are changed if they are there; holds name further ones.
    pub owners: BTreeSet<Owner>,
    /// Holds, with their wallets.
    pub holds: BTreeSet<MessageId>,
    /// Keys that may have been used.
    pub keys: BTreeSet<String>,
    /// References of lots that are needed though they may be spent.
    pub spent_lots: BTreeSet<String>,
}

impl Needs {
    /// What these commands need together.
    pub fn of<'a>(commands: impl IntoIterator<Item = &'a Command>) -> Self {
        let mut needs = Self::default();
        for command in commands {
            needs.add(command);
        }
        needs
    }

    fn add(&mut self, command: &Command) {
        match command {
            Command::Open(opening) => {
                self.makes.insert(Owner::User(opening.user));
            }
            Command::Reserve { hold, .. } => {
                self.owners.insert(hold.request.payer.clone());
                self.holds.insert(hold.request.message_id);
            }
            Command::Settle(settlement) => {
                self.holds.insert(settlement.charge.message_id);
            }
            Command::Void { message_id, .. } | Command::ExpireHold { message_id, .. } => {
                self.holds.insert(*message_id);
            }
            Command::Credit(credit) => {
                self.makes.insert(credit.owner.clone());
                self.keys.insert(credit.key.clone());
            }
            Command::Debit(debit) => {
                self.owners.insert(debit.owner.clone());
                self.keys.insert(debit.key.clone());
            }
            Command::Fund(funding) => {
                self.makes.insert(Owner::Pool(funding.pool.clone()));
                self.owners.insert(Owner::User(funding.user));
                self.keys.insert(funding.key.clone());
            }
            Command::TakeBack(take) => {
                self.owners.insert(take.owner.clone());
                self.keys.extend([take.key.clone(), loss_key(&take.key)]);
            }
            Command::GiveBack(give) => {
                self.owners.insert(give.owner.clone());
                self.keys.insert(give.key.clone());
                self.spent_lots.insert(give.ref_id.clone());
            }
            Command::Stand { owner, .. } | Command::ExpireLots { owner, .. } => {
                self.owners.insert(owner.clone());
            }
        }
    }
}

/// The key of the part of a refund that the house bears.
pub(super) fn loss_key(key: &str) -> String {
    format!("{key}:loss")
}
