//! What every `billing::Cashier` must do: money that moves without a hold, and lots.

#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use billing::posting::Funding;
use billing::{
    Credit, CreditOutcome, Debit, DebitOutcome, LotSource, Opening, Owner, ReserveOutcome, StandingChange,
    SystemAccount, TransferKind,
};
use futures::future::join_all;
use kernel::{Credits, Timestamp, UserId};

use super::books::{Books, START};

const DAY_MS: i64 = 86_400_000;

fn purchase(books: &Books, user: UserId, amount: i64, key: &str) -> Credit {
    Credit {
        owner: Owner::User(user),
        amount: Credits::new(amount),
        source: LotSource::Purchase,
        from: SystemAccount::Issued,
        kind: TransferKind::Recharge,
        expires_at: None,
        key: format!("{user}:{key}"),
        ref_id: Some(key.to_owned()),
        lot_id: books.id(),
        transfer_id: books.id(),
        at: START,
    }
}

fn spending(books: &Books, user: UserId, amount: i64, key: &str, at: Timestamp) -> Debit {
    Debit {
        owner: Owner::User(user),
        amount: Credits::new(amount),
        to: SystemAccount::Revenue,
        kind: TransferKind::Consume,
        key: format!("consume:{user}:{key}"),
        body_hash: amount.to_string(),
        ref_id: Some("test".to_owned()),
        day_max: None,
        transfer_id: books.id(),
        at,
    }
}

async fn spend(books: &Books, user: UserId, amount: i64, key: &str) -> DebitOutcome {
    books.cashier.debit(&spending(books, user, amount, key, START)).await.unwrap()
}

async fn remaining(books: &Books, user: UserId) -> Vec<(LotSource, i64)> {
    let lots = books.cashier.lots(&Owner::User(user)).await.unwrap();
    lots.iter().map(|lot| (lot.source, lot.remaining.get())).collect()
}

/// MUST apply one key once, whatever the concurrency.
pub async fn of_parallel_credits_of_one_key_one_is_applied(books: &Books) {
    let user = books.id();
    let credit = purchase(books, user, 100, "order");
    let outcomes = join_all((0..30).map(|_| books.cashier.credit(&credit))).await;
    let outcomes: Vec<_> = outcomes.into_iter().map(Result::unwrap).collect();
    let applied = outcomes.iter().filter(|outcome| matches!(outcome, CreditOutcome::Applied(_)));
    assert_eq!(applied.count(), 1);
    assert!(!outcomes.contains(&CreditOutcome::Conflict));
    let other = Credit { amount: Credits::new(101), ..credit };
    assert_eq!(books.cashier.credit(&other).await.unwrap(), CreditOutcome::Conflict);
    assert_eq!(remaining(books, user).await, [(LotSource::Purchase, 100)]);
    books.assert_sound().await;
}

/// A wallet that a credit made still gets its welcome when it is opened.
pub async fn a_wallet_made_by_a_credit_is_opened_later(books: &Books) {
    let user = books.id();
    books.cashier.credit(&purchase(books, user, 100, "order")).await.unwrap();
    for _ in 0..2 {
        books.ledger.ensure_account(&books.opening(user, 7)).await.unwrap();
    }
    assert_eq!(remaining(books, user).await, [(LotSource::Welcome, 7), (LotSource::Purchase, 100)]);
    books.assert_sound().await;
}

/// MUST NOT take available below zero, nor spend what is held.
pub async fn of_200_parallel_debits_exactly_as_many_pass_as_the_balance_pays_for(books: &Books) {
    let user = books.rich(50 * 7 + 6 + 10).await;
    books.held(user, 10).await;
    let debits: Vec<_> = (0..200).map(|n| spending(books, user, 7, &n.to_string(), START)).collect();
    let outcomes = join_all(debits.iter().map(|debit| books.cashier.debit(debit))).await;
    let applied = outcomes.into_iter().filter(|outcome| matches!(outcome, Ok(DebitOutcome::Applied(_))));
    assert_eq!(applied.count(), 50);
    assert_eq!(books.purse(user).await, (6, 10));
    books.assert_sound().await;
}

/// MUST answer `Replayed` or `Conflict` for a known key, however little is available and whether or not it is frozen.
pub async fn a_repeated_debit_is_replayed_from_an_empty_and_frozen_purse(books: &Books) {
    let user = books.rich(10).await;
    let DebitOutcome::Applied(posted) = spend(books, user, 10, "a").await else { panic!("it has left") };
    assert_eq!((posted.amount.get(), posted.balance_after.get()), (10, 0));
    let freeze = StandingChange::Freeze { reason: "test".to_owned() };
    assert!(books.cashier.set_standing(&Owner::User(user), &freeze, START).await.unwrap());
    assert_eq!(spend(books, user, 10, "a").await, DebitOutcome::Replayed(posted));
    assert_eq!(spend(books, user, 1, "a").await, DebitOutcome::Conflict);
    assert_eq!(spend(books, user, 1, "b").await, DebitOutcome::Frozen);
    let stranger = books.id();
    let nothing = DebitOutcome::Insufficient { available: Credits::ZERO };
    assert_eq!(spend(books, stranger, 1, "a").await, nothing);
    books.assert_sound().await;
}

/// What ends first is spent first, and what was paid for last; also by holds.
pub async fn lots_are_spent_in_their_order(books: &Books) {
    let user = books.id();
    let ends = |days: i64| Some(START.plus_millis(days * DAY_MS));
    let gift = Credit { source: LotSource::Promo, ..purchase(books, user, 10, "gift") };
    let soon = Credit { expires_at: ends(1), ..purchase(books, user, 10, "soon") };
    for credit in [purchase(books, user, 10, "paid"), gift, soon] {
        books.cashier.credit(&credit).await.unwrap();
    }
    spend(books, user, 12, "a").await;
    assert_eq!(remaining(books, user).await, [(LotSource::Promo, 8), (LotSource::Purchase, 10)]);
    let hold = books.held(user, 10).await;
    books.settle(hold.request.message_id, 9).await;
    assert_eq!(remaining(books, user).await, [(LotSource::Purchase, 9)]);
    books.assert_sound().await;
}

/// What nobody used in time ends, by a sweep or before the next spending, once; what is held of it may be charged.
pub async fn a_lot_ends_with_its_time(books: &Books) {
    let (swept, lazy) = (books.id(), books.id());
    for user in [swept, lazy] {
        let lot = Credit { expires_at: Some(START.plus_millis(DAY_MS)), ..purchase(books, user, 10, "day") };
        books.cashier.credit(&lot).await.unwrap();
    }
    books.held(swept, 4).await;
    let (before, then) = (START.plus_millis(DAY_MS - 1), START.plus_millis(DAY_MS));
    assert_eq!(books.cashier.expire_lots(before, 100).await.unwrap(), 0);
    let late = spending(books, lazy, 1, "late", then);
    let nothing = DebitOutcome::Insufficient { available: Credits::ZERO };
    assert_eq!(books.cashier.debit(&late).await.unwrap(), nothing);
    let sweeps = join_all((0..3).map(|_| books.cashier.expire_lots(then, 100))).await;
    assert_eq!(sweeps.into_iter().map(Result::unwrap).sum::<u64>(), 1);
    assert_eq!(remaining(books, swept).await, [(LotSource::Purchase, 4)]);
    assert_eq!(remaining(books, lazy).await, []);
    books.assert_sound().await;
}

/// MUST grant free credits once for each day, whatever the concurrency.
pub async fn free_credits_come_once_a_day(books: &Books) {
    let user = books.id();
    let open = |at| Opening { daily: Credits::new(100), at, ..books.opening(user, 5) };
    for day in 0..3 {
        let opening = open(START.plus_millis(day * DAY_MS));
        for wallet in join_all((0..10).map(|_| books.ledger.ensure_account(&opening))).await {
            assert_eq!(wallet.unwrap().available.get(), 105);
        }
    }
    books.assert_sound().await;
}

/// The smaller of two limits holds for a day in China, and open holds count.
pub async fn a_days_limit_counts_what_is_held(books: &Books) {
    let user = books.rich(1_000).await;
    let owner = Owner::User(user);
    let hold = books.hold(user, 30);
    assert_eq!(books.ledger.reserve(&hold, Some(Credits::new(100))).await.unwrap(), ReserveOutcome::Held);
    let limited = |amount, key, at| {
        let debit = spending(books, user, amount, key, at);
        Debit { day_max: Some(Credits::new(100)), ..debit }
    };
    let debit = |amount, key, at| {
        let debit = limited(amount, key, at);
        async move { books.cashier.debit(&debit).await.unwrap() }
    };
    assert!(matches!(debit(50, "a", START).await, DebitOutcome::Applied(_)));
    let left = |left| DebitOutcome::CapReached { left: Credits::new(left) };
    assert_eq!(debit(21, "b", START).await, left(20));
    let own = StandingChange::DayMax(Some(Credits::new(90)));
    books.cashier.set_standing(&owner, &own, START).await.unwrap();
    assert_eq!(books.cashier.standing(&owner).await.unwrap().day_max, Some(Credits::new(90)));
    assert_eq!(debit(11, "b", START).await, left(10));
    let tomorrow = START.plus_millis(DAY_MS);
    assert!(matches!(debit(60, "c", tomorrow).await, DebitOutcome::Applied(_)));
    let refused = books.ledger.reserve(&books.hold(user, 41), Some(Credits::new(1_000))).await.unwrap();
    assert!(matches!(refused, ReserveOutcome::CapReached { .. }), "{refused:?}");
    books.assert_sound().await;
}

/// Both sides of a funding or neither, once; and the pool pays for holds.
pub async fn a_pool_gets_what_its_member_gives(books: &Books) {
    let user = books.rich(100).await;
    let funding = Funding {
        user,
        pool: format!("room-{user}").parse().unwrap(),
        amount: Credits::new(40),
        key: format!("pool:{user}:1"),
        body_hash: "h".to_owned(),
        lot_id: books.id(),
        transfer_ids: (books.id(), books.id()),
        at: START,
    };
    let outcomes = join_all((0..10).map(|_| books.cashier.fund(&funding))).await;
    let applied = outcomes.into_iter().filter(|outcome| matches!(outcome, Ok(DebitOutcome::Applied(_))));
    assert_eq!(applied.count(), 1);
    assert_eq!(books.purse(user).await, (60, 0));
    let mut hold = books.hold(user, 30);
    hold.request.payer = Owner::Pool(funding.pool.clone());
    assert_eq!(books.ledger.reserve(&hold, None).await.unwrap(), ReserveOutcome::Held);
    books.settle(hold.request.message_id, 25).await;
    let lots = books.cashier.lots(&hold.request.payer).await.unwrap();
    assert_eq!(lots.iter().map(|lot| lot.remaining.get()).collect::<Vec<_>>(), [15]);
    books.assert_sound().await;
}

/// A frozen account reserves nothing, and settles what it held.
pub async fn a_frozen_account_settles_what_it_held(books: &Books) {
    let user = books.rich(100).await;
    let hold = books.held(user, 30).await;
    let owner = Owner::User(user);
    let freeze = StandingChange::Freeze { reason: "chargeback".to_owned() };
    books.cashier.set_standing(&owner, &freeze, START).await.unwrap();
    let refused = books.ledger.reserve(&books.hold(user, 1), None).await.unwrap();
    assert_eq!(refused, ReserveOutcome::Frozen);
    books.settle(hold.request.message_id, 10).await;
    books.cashier.set_standing(&owner, &StandingChange::Unfreeze, START).await.unwrap();
    assert!(matches!(spend(books, user, 90, "rest").await, DebitOutcome::Applied(_)));
    assert!(!books.cashier.set_standing(&Owner::User(books.id()), &freeze, START).await.unwrap());
    books.assert_sound().await;
}
