//! Random lives of a ledger against a model of it.
//!
//! Each sequence is a handful of accounts and holds, and calls of every kind in any order: repeated, racing,
//! late, and dropped at some poll with the store opened anew, which is what a crash leaves behind. Each answer,
//! and after each sequence all wallets, holds and the ledger's own check, must be the model's.
//!
//! `JIXIA_TEST_SEQUENCES` sets how many sequences run for each database, `TEST_SEED` repeats a run.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod model;

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use adapter_sql::{SqlLedger, SqlStore};
use billing::{
    Credit, Debit, Hold, HoldState, LotSource, Opening, Owner, SystemAccount, TransferKind, VoidOutcome,
};
use kernel::{Credits, MessageId, Timestamp, UserId};
use proptest::prelude::{Just, Strategy, prop_oneof};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tests::backends::{self, Backend};
use tests::contract::books::{Books, TTL_MS, ids};
use tokio::runtime::Runtime;

use self::model::{Answer, Call, Model, Purse, USERS};

const SLOTS: usize = 6;
const GRANT: i64 = 100;
const DAILY: i64 = 20;
const DAY_MS: i64 = 86_400_000;
/// Keys that credits and debits share out among themselves, so that some are used again.
const KEYS: usize = 6;
const SEQUENCES: u32 = 200;

/// One step of a life. Slots name holds, and each hold's payer.
#[derive(Debug, Clone)]
enum Step {
    Ensure {
        user: usize,
    },
    Reserve {
        slot: usize,
        amount: i64,
        is_other: bool,
    },
    Settle {
        slot: usize,
        tokens: u32,
    },
    Void {
        slot: usize,
    },
    /// A heartbeat, which says what a slot has received.
    Renew {
        slot: usize,
        received: u32,
    },
    Expire,
    /// A purchase, which may end after so many days.
    Credit {
        user: usize,
        key: usize,
        amount: i64,
        days: Option<i64>,
    },
    Debit {
        user: usize,
        key: usize,
        amount: i64,
    },
    ExpireLots,
    Advance {
        millis: i64,
    },
    /// A settlement and a void at the same time.
    Race {
        slot: usize,
        tokens: u32,
    },
}

/// A step, and at which poll its call is dropped and the store opened anew.
type Move = (Step, Option<u8>);

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let reserve = (0..SLOTS, 0..60_i64, proptest::bool::weighted(0.1));
    let credit = (0..USERS, 0..KEYS, 1..80_i64, proptest::option::of(1..3_i64));
    let step = prop_oneof![
        2 => (0..USERS).prop_map(|user| Step::Ensure { user }),
        6 => reserve.prop_map(|(slot, amount, is_other)| Step::Reserve { slot, amount, is_other }),
        4 => (0..SLOTS, 0..70_u32).prop_map(|(slot, tokens)| Step::Settle { slot, tokens }),
        2 => (0..SLOTS).prop_map(|slot| Step::Void { slot }),
        1 => (0..SLOTS, 0..50_u32).prop_map(|(slot, received)| Step::Renew { slot, received }),
        2 => Just(Step::Expire),
        3 => credit.prop_map(|(user, key, amount, days)| Step::Credit { user, key, amount, days }),
        3 => (0..USERS, 0..KEYS, 1..60_i64).prop_map(|(user, key, amount)| Step::Debit { user, key, amount }),
        1 => Just(Step::ExpireLots),
        1 => Just(Step::Advance { millis: DAY_MS }),
        2 => (0..TTL_MS).prop_map(|millis| Step::Advance { millis }),
        1 => (0..SLOTS, 0..70_u32).prop_map(|(slot, tokens)| Step::Race { slot, tokens }),
    ];
    proptest::collection::vec((step, proptest::option::weighted(0.15, 1..6_u8)), 5..40)
}

/// A ledger, the model of one sequence, and what reopens the store.
struct Life {
    url: String,
    store: SqlStore,
    books: Books,
    seed: u64,
    users: [UserId; USERS],
    messages: [MessageId; SLOTS],
    model: Model,
}

impl Life {
    async fn begin(url: &str, seed: u64) -> Self {
        let store = open(url).await;
        let books = books(&store, seed);
        // What an earlier sequence left open, had it failed, must not count in this one.
        books.ledger.expire(Timestamp::from_millis(i64::MAX), 1_000).await.unwrap();
        books.cashier.expire_lots(Timestamp::from_millis(i64::MAX), 1_000).await.unwrap();
        let users = [(); USERS].map(|()| books.id());
        let messages = [(); SLOTS].map(|()| books.id());
        Self { url: url.to_owned(), store, books, seed, users, messages, model: Model::default() }
    }

    /// Closes the store under whatever still runs and opens it anew, as a restart does.
    async fn reopen(&mut self) {
        self.store.close().await.expect("the store closes");
        self.store = open(&self.url).await;
        self.seed = self.seed.wrapping_add(1);
        self.books = books(&self.store, self.seed);
    }

    async fn take(&mut self, (step, drop_at): &Move) {
        match step {
            Step::Ensure { user } => {
                let opening = Opening {
                    daily: Credits::new(DAILY),
                    at: self.model.now,
                    ..self.books.opening(self.users[*user], GRANT)
                };
                self.call(Call::Ensure(*user, opening), *drop_at).await;
            }
            Step::Reserve { slot, amount, is_other } => {
                let hold = self.hold(*slot, *amount, *is_other);
                self.call(Call::Reserve(*slot, hold), *drop_at).await;
            }
            Step::Settle { slot, tokens } => {
                let settlement = self.books.settlement(self.messages[*slot], *tokens, self.model.now);
                self.call(Call::Settle(*slot, settlement), *drop_at).await;
            }
            Step::Void { slot } => self.call(Call::Void(*slot, self.messages[*slot]), *drop_at).await,
            Step::Renew { slot, received } => {
                let renewal = self.model.renewal(Some((self.messages[*slot], *received)));
                self.call(Call::Renew(renewal, Some(*slot)), *drop_at).await;
            }
            Step::Expire => self.call(Call::Expire, *drop_at).await,
            Step::Credit { user, key, amount, days } => {
                let credit = self.credit(*user, *key, *amount, *days);
                self.call(Call::Credit(*user, credit), *drop_at).await;
            }
            Step::Debit { user, key, amount } => {
                let debit = self.debit(*user, *key, *amount);
                self.call(Call::Debit(*user, debit), *drop_at).await;
            }
            Step::ExpireLots => self.call(Call::ExpireLots, *drop_at).await,
            Step::Advance { millis } => self.model.now = self.model.now.plus_millis(*millis),
            Step::Race { slot, tokens } => self.race(*slot, *tokens).await,
        }
    }

    /// The answer must be the model's. Nobody knows how far a dropped call came, so it is repeated: the answer is
    /// then that of the first call or that of the second, and afterwards there is no difference.
    async fn call(&mut self, call: Call, drop_at: Option<u8>) {
        let now = self.model.now;
        let first = self.model.apply(&call);
        if let Some(answer) = dropped(perform(&self.books, &call, now), drop_at).await {
            assert_eq!(answer, first, "{call:?}");
            return;
        }
        self.reopen().await;
        let second = self.model.apply(&call);
        let answer = perform(&self.books, &call, now).await;
        let is_possible = match (&first, &second, &answer) {
            (Answer::Count(most), Answer::Count(least), Answer::Count(count)) => {
                (least..=most).contains(&count)
            }
            _ => answer == first || answer == second,
        };
        assert!(is_possible, "{call:?} answered {answer:?}, not {first:?} or {second:?}");
    }

    /// Who won is told by the answers; the model follows in that order and must then agree with both.
    async fn race(&mut self, slot: usize, tokens: u32) {
        let (id, now) = (self.messages[slot], self.model.now);
        let settle = Call::Settle(slot, self.books.settlement(id, tokens, now));
        let void = Call::Void(slot, id);
        let books = &self.books;
        let (settled, voided) = futures::join!(perform(books, &settle, now), perform(books, &void, now));
        if voided == Answer::Voided(VoidOutcome::Voided) {
            assert_eq!(self.model.apply(&void), voided);
            assert_eq!(self.model.apply(&settle), settled);
        } else {
            assert_eq!(self.model.apply(&settle), settled);
            assert_eq!(self.model.apply(&void), voided);
        }
    }

    fn hold(&self, slot: usize, amount: i64, is_other: bool) -> Hold {
        let mut hold = self.books.hold_of(self.messages[slot], self.users[slot % USERS], amount);
        hold.request.prompt_tokens_max += u32::from(is_other);
        hold.request.at = self.model.now;
        hold.expires_at = self.model.now.plus_millis(TTL_MS);
        hold
    }

    fn credit(&self, user: usize, key: usize, amount: i64, days: Option<i64>) -> Credit {
        Credit {
            owner: Owner::User(self.users[user]),
            amount: Credits::new(amount),
            source: LotSource::Purchase,
            from: SystemAccount::Issued,
            kind: TransferKind::Recharge,
            expires_at: days.map(|days| self.model.now.plus_millis(days * DAY_MS)),
            key: format!("{}:{key}", self.users[0]),
            ref_id: None,
            lot_id: self.books.id(),
            transfer_id: self.books.id(),
            at: self.model.now,
        }
    }

    fn debit(&self, user: usize, key: usize, amount: i64) -> Debit {
        Debit {
            owner: Owner::User(self.users[user]),
            amount: Credits::new(amount),
            to: SystemAccount::Revenue,
            kind: TransferKind::Consume,
            key: format!("{}:spend:{key}", self.users[0]),
            body_hash: amount.to_string(),
            ref_id: None,
            day_max: None,
            transfer_id: self.books.id(),
            at: self.model.now,
        }
    }

    /// Compares, lets every open hold expire, and compares again.
    async fn end(&mut self) {
        self.assert_like_model().await;
        self.model.now = Timestamp::from_millis(i64::MAX);
        self.call(Call::Expire, None).await;
        self.call(Call::ExpireLots, None).await;
        assert!(self.model.holds.values().all(|hold| hold.state != HoldState::Open));
        self.assert_like_model().await;
        self.store.close().await.expect("the store closes");
    }

    async fn assert_like_model(&mut self) {
        self.books.assert_sound().await;
        for (slot, hold) in self.model.holds.clone() {
            self.call(Call::Reserve(slot, hold), None).await;
        }
        for (user, purse) in self.users.iter().zip(&self.model.purses) {
            let listed = self.books.transactions(*user, None).await;
            let sum: i64 = listed.iter().map(|line| line.amount.get()).sum();
            let newest = listed.first().map_or(0, |line| line.balance_after.get());
            let (available, held) = purse.as_ref().map_or((0, 0), Purse::balance);
            assert_eq!((sum, newest), (available + held, available + held));
            if purse.is_some() {
                assert_eq!(self.books.purse(*user).await, (available, held));
            }
        }
    }
}

async fn perform(books: &Books, call: &Call, now: Timestamp) -> Answer {
    let ledger = &*books.ledger;
    match call {
        Call::Ensure(_, opening) => {
            let wallet = ledger.ensure_account(opening).await.unwrap();
            Answer::Wallet(wallet.available.get(), wallet.held.get())
        }
        Call::Reserve(_, hold) => Answer::Reserved(ledger.reserve(hold, None).await.unwrap()),
        Call::Settle(_, settlement) => Answer::Settled(ledger.settle(settlement).await.unwrap()),
        Call::Void(_, message_id) => Answer::Voided(ledger.void(*message_id, now).await.unwrap()),
        Call::Credit(_, credit) => Answer::Credited(books.cashier.credit(credit).await.unwrap()),
        Call::Debit(_, debit) => Answer::Debited(books.cashier.debit(debit).await.unwrap()),
        Call::ExpireLots => Answer::Count(books.cashier.expire_lots(now, 100).await.unwrap()),
        Call::Renew(renewal, _) => Answer::Count(ledger.renew(renewal).await.unwrap()),
        Call::Expire => Answer::Count(ledger.expire(now, 100).await.unwrap()),
    }
}

/// Runs a call, or drops it at its `drop_at`th poll if it is not ready then.
async fn dropped<T>(call: impl Future<Output = T>, drop_at: Option<u8>) -> Option<T> {
    let mut call = pin!(call);
    let mut polls = 0;
    poll_fn(|context| {
        polls += 1;
        match call.as_mut().poll(context) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending if Some(polls) == drop_at => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

async fn open(url: &str) -> SqlStore {
    SqlStore::connect(url, backends::test_options()).await.expect("the store opens")
}

fn books(store: &SqlStore, seed: u64) -> Books {
    Books::new(Arc::new(SqlLedger::new(store.clone(), Arc::new(ids(!seed)))), seed)
}

fn run(make: impl AsyncFnOnce() -> Backend) {
    let seed = backends::seed();
    let wanted = number("JIXIA_TEST_SEQUENCES").map(|wanted| u32::try_from(wanted).expect("a 32-bit number"));
    let cases = wanted.unwrap_or(SEQUENCES);
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed.to_le_bytes().repeat(4));
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    let runtime = Runtime::new().expect("a runtime");
    let backend = runtime.block_on(make());
    let sequence = Cell::new(seed);
    let outcome = TestRunner::new_with_rng(config, rng).run(&moves(), |moves| {
        // Its own ids, also when a failing sequence is tried again in a shorter form.
        sequence.set(sequence.get().wrapping_add(1 << 32));
        runtime.block_on(live(&backend.url, sequence.get(), &moves));
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("TEST_SEED={seed}: {failure}");
    }
}

async fn live(url: &str, seed: u64, moves: &[Move]) {
    let mut life = Life::begin(url, seed).await;
    for next in moves {
        life.take(next).await;
    }
    life.end().await;
}

fn number(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "how long a test runs is its caller's choice")]
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is not a number")))
}

#[test]
fn random_lives_of_a_ledger_are_sound_on_sqlite() {
    run(backends::sqlite);
}

#[test]
fn random_lives_of_a_ledger_are_sound_on_postgres() {
    run(backends::postgres);
}
