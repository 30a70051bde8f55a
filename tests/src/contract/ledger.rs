//! What every `billing::Ledger` must do, whoever calls it, how often, and at the same time as whom: writes. Reads
//! are in `ledger_reads.rs`.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a suite fails by panicking")]

use billing::{
    Hold, HoldState, Renewal, ReserveOutcome, SettleOutcome, TransactionKind, TransferKind, VoidOutcome,
};
use futures::future::join_all;
use kernel::Credits;

use super::books::{Books, START, TTL_MS, instance};

fn settled(balance: i64, charged: i64, lost: i64) -> SettleOutcome {
    let credits = Credits::new;
    SettleOutcome::Settled { balance: credits(balance), charged: credits(charged), lost: credits(lost) }
}

/// MUST grant once, whatever the concurrency.
pub async fn an_account_is_opened_once_with_one_grant(books: &Books) {
    let user = books.id();
    let openings: Vec<_> = (0..20).map(|_| books.opening(user, 500)).collect();
    let wallets = join_all(openings.iter().map(|opening| books.ledger.ensure_account(opening))).await;
    for wallet in wallets {
        let wallet = wallet.unwrap();
        assert_eq!((wallet.available.get(), wallet.held.get(), wallet.seq), (500, 0, 1));
    }
    let listed = books.transactions(user, None).await;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].kind, TransactionKind::Transfer(TransferKind::Grant));
    books.assert_sound().await;
}

/// An account may be opened with nothing.
pub async fn an_account_without_a_grant_has_no_transfer(books: &Books) {
    let user = books.rich(0).await;
    assert_eq!(books.wallet(user).await.seq, 0);
    assert_eq!(books.transactions(user, None).await, []);
    assert_eq!(books.purse(user).await, (0, 0));
    books.assert_sound().await;
}

/// A hold moves its amount and posts nothing.
pub async fn a_reserve_moves_its_amount_from_available_to_held(books: &Books) {
    let user = books.rich(100).await;
    books.held(user, 30).await;
    books.held(user, 0).await;
    assert_eq!(books.purse(user).await, (70, 30));
    assert_eq!(books.transactions(user, None).await.len(), 1);
    books.assert_sound().await;
}

/// MUST NOT take available below zero.
pub async fn a_reserve_beyond_what_is_available_changes_nothing(books: &Books) {
    let user = books.rich(100).await;
    books.held(user, 30).await;
    let refused = ReserveOutcome::Insufficient { available: Credits::new(70) };
    assert_eq!(books.ledger.reserve(&books.hold(user, 71), None).await.unwrap(), refused);
    assert_eq!(books.purse(user).await, (70, 30));
    let nobody = ReserveOutcome::Insufficient { available: Credits::ZERO };
    assert_eq!(books.ledger.reserve(&books.hold(books.id(), 1), None).await.unwrap(), nobody);
    books.assert_sound().await;
}

/// MUST answer `Replayed` for a known message's id, however little is available.
pub async fn a_repeated_reserve_is_replayed_from_an_empty_purse(books: &Books) {
    let user = books.rich(100).await;
    let hold = books.held(user, 100).await;
    let later = START.plus_seconds(9);
    let mut again = Hold { amount: Credits::new(40), expires_at: later, ..hold.clone() };
    again.request.at = later;
    assert_eq!(books.ledger.reserve(&again, None).await.unwrap(), ReserveOutcome::Replayed(hold.clone()));
    assert_eq!(books.purse(user).await, (0, 100));
    books.void(hold.request.message_id).await;
    let voided = Hold { state: HoldState::Voided, ..hold };
    assert_eq!(books.ledger.reserve(&again, None).await.unwrap(), ReserveOutcome::Replayed(voided));
    books.assert_sound().await;
}

/// MUST answer `Conflict` for a known message's id with other parameters, also another payer's.
pub async fn a_reserve_for_something_else_under_a_known_id_conflicts(books: &Books) {
    let (user, other) = (books.rich(100).await, books.rich(100).await);
    let hold = books.held(user, 60).await;
    let mut longer = hold.clone();
    longer.request.prompt_tokens_max += 1;
    let foreign = books.hold_of(hold.request.message_id, other, 60);
    for changed in [longer, foreign] {
        assert_eq!(books.ledger.reserve(&changed, None).await.unwrap(), ReserveOutcome::Conflict);
    }
    assert_eq!((books.purse(user).await, books.purse(other).await), ((40, 60), (100, 0)));
    books.assert_sound().await;
}

/// Of concurrent calls for one message's id exactly one holds.
pub async fn of_parallel_reserves_of_one_message_one_holds(books: &Books) {
    let user = books.rich(100).await;
    let hold = books.hold(user, 10);
    let outcomes = join_all((0..30).map(|_| books.ledger.reserve(&hold, None))).await;
    let outcomes: Vec<_> = outcomes.into_iter().map(Result::unwrap).collect();
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == ReserveOutcome::Held).count(), 1);
    let replays = outcomes.iter().filter(|outcome| **outcome == ReserveOutcome::Replayed(hold.clone()));
    assert_eq!(replays.count(), 29);
    assert_eq!(books.purse(user).await, (90, 10));
    books.assert_sound().await;
}

/// Two hundred at once against a balance that pays for fifty.
pub async fn of_200_parallel_reserves_exactly_as_many_hold_as_the_balance_pays_for(books: &Books) {
    let user = books.rich(50 * 7 + 6).await;
    let holds: Vec<_> = (0..200).map(|_| books.hold(user, 7)).collect();
    let outcomes = join_all(holds.iter().map(|hold| books.ledger.reserve(hold, None))).await;
    let held = outcomes.into_iter().filter(|outcome| *outcome.as_ref().unwrap() == ReserveOutcome::Held);
    assert_eq!(held.count(), 50);
    assert_eq!(books.purse(user).await, (6, 350));
    books.assert_sound().await;
}

/// Takes the charge from the hold and gives back the rest.
pub async fn a_settlement_takes_the_charge_and_gives_back_the_rest(books: &Books) {
    let user = books.rich(100).await;
    let hold = books.held(user, 60).await;
    assert_eq!(books.settle(hold.request.message_id, 25).await, settled(75, 25, 0));
    assert_eq!(books.purse(user).await, (75, 0));
    let newest = books.transactions(user, None).await.swap_remove(0);
    assert_eq!(newest.kind, TransactionKind::Transfer(TransferKind::Consume));
    assert_eq!((newest.amount.get(), newest.balance_after.get()), (-25, 75));
    assert_eq!(newest.ref_id, Some(hold.request.message_id.to_string()));
    books.assert_sound().await;
}

/// The payer pays at most the hold; what the tokens cost beyond it is the house's loss.
pub async fn a_charge_beyond_the_hold_is_lost_and_not_taken(books: &Books) {
    let user = books.rich(100).await;
    let hold = books.held(user, 60).await;
    assert_eq!(books.settle(hold.request.message_id, 75).await, settled(40, 60, 15));
    assert_eq!(books.purse(user).await, (40, 0));
    assert_eq!(books.transactions(user, None).await.len(), 2);
    let report = books.ledger.report().await.unwrap();
    assert_eq!((report.transfers, report.ok), (3, true), "{report:?}");
}

/// A charge of nothing resolves the hold and posts nothing.
pub async fn a_charge_of_nothing_posts_nothing(books: &Books) {
    let user = books.rich(100).await;
    let hold = books.held(user, 60).await;
    assert_eq!(books.settle(hold.request.message_id, 0).await, settled(100, 0, 0));
    assert_eq!(books.settle(hold.request.message_id, 5).await, SettleOutcome::AlreadyResolved);
    assert_eq!(books.transactions(user, None).await.len(), 1);
    books.assert_sound().await;
}

/// Every call may be repeated without harm.
pub async fn a_settled_hold_stays_as_it_is(books: &Books) {
    let user = books.rich(100).await;
    let hold = books.held(user, 60).await;
    books.settle(hold.request.message_id, 25).await;
    assert_eq!(books.settle(hold.request.message_id, 26).await, SettleOutcome::AlreadyResolved);
    assert_eq!(books.void(hold.request.message_id).await, VoidOutcome::AlreadyResolved);
    assert_eq!(books.ledger.expire(hold.expires_at, 10).await.unwrap(), 0);
    assert_eq!(books.purse(user).await, (75, 0));
    books.assert_sound().await;
}

/// A void gives all of it back, once.
pub async fn a_void_gives_the_whole_hold_back(books: &Books) {
    let user = books.rich(100).await;
    let hold = books.held(user, 60).await;
    assert_eq!(books.void(hold.request.message_id).await, VoidOutcome::Voided);
    assert_eq!(books.void(hold.request.message_id).await, VoidOutcome::AlreadyResolved);
    assert_eq!(books.settle(hold.request.message_id, 5).await, SettleOutcome::AlreadyResolved);
    assert_eq!(books.purse(user).await, (100, 0));
    books.assert_sound().await;
}

/// A hold that nobody made cannot be resolved.
pub async fn an_unknown_message_has_no_hold(books: &Books) {
    assert_eq!(books.settle(books.id(), 5).await, SettleOutcome::NoHold);
    assert_eq!(books.void(books.id()).await, VoidOutcome::NoHold);
    books.assert_sound().await;
}

/// MUST be won by one of all concurrent settlements and voids of a hold.
pub async fn of_parallel_settlements_and_voids_one_wins(books: &Books) {
    let user = books.rich(1_000).await;
    for _ in 0..10 {
        let message_id = books.held(user, 60).await.request.message_id;
        books.held(user, 60).await;
        let before = books.wallet(user).await.total().unwrap().get();
        let settlements: Vec<_> = (0..5).map(|_| books.settlement(message_id, 20, START)).collect();
        let settles = join_all(settlements.iter().map(|settlement| books.ledger.settle(settlement)));
        let voids = join_all((0..5).map(|_| books.ledger.void(message_id, START)));
        let (settles, voids) = futures::join!(settles, voids);
        let settles: Vec<_> = settles.into_iter().map(Result::unwrap).collect();
        let voids: Vec<_> = voids.into_iter().map(Result::unwrap).collect();
        let won = settles.iter().filter(|outcome| **outcome != SettleOutcome::AlreadyResolved).count();
        let voided = voids.iter().filter(|outcome| **outcome == VoidOutcome::Voided).count();
        assert_eq!(won + voided, 1);
        let charged = if won == 1 { 20 } else { 0 };
        assert_eq!(books.wallet(user).await.total().unwrap().get(), before - charged);
    }
    books.assert_sound().await;
}

/// Holds end by themselves: the oldest first, at most `limit`.
pub async fn a_hold_whose_time_is_over_is_given_back(books: &Books) {
    let user = books.rich(100).await;
    for (amount, seconds) in [(1, 30), (2, 10), (4, 20), (8, 40)] {
        let hold = Hold { expires_at: START.plus_seconds(seconds), ..books.hold(user, amount) };
        books.ledger.reserve(&hold, None).await.unwrap();
    }
    let now = START.plus_seconds(30);
    assert_eq!(books.ledger.expire(START.plus_seconds(9), 10).await.unwrap(), 0);
    assert_eq!(books.ledger.expire(now, 2).await.unwrap(), 2);
    assert_eq!(books.purse(user).await, (91, 9), "those of 10 and 20 seconds went first");
    assert_eq!(books.ledger.expire(now, 10).await.unwrap(), 1);
    assert_eq!(books.ledger.expire(now, 10).await.unwrap(), 0);
    assert_eq!(books.purse(user).await, (92, 8));
    books.assert_sound().await;
}

/// Of sweeps at the same time each hold is given back by one.
pub async fn parallel_sweeps_give_a_hold_back_once(books: &Books) {
    let user = books.rich(100).await;
    for _ in 0..10 {
        books.held(user, 5).await;
    }
    let now = START.plus_millis(TTL_MS);
    let counts = join_all((0..4).map(|_| books.ledger.expire(now, 100))).await;
    assert_eq!(counts.into_iter().map(Result::unwrap).sum::<u64>(), 10);
    assert_eq!(books.purse(user).await, (100, 0));
    books.assert_sound().await;
}

/// An expired hold is settled from what is available, at most its amount; the rest is lost.
pub async fn a_late_settlement_takes_what_is_left(books: &Books) {
    let user = books.rich(100).await;
    let (poor, rich) = (books.held(user, 60).await, books.held(user, 40).await);
    assert_eq!(books.ledger.expire(START.plus_millis(TTL_MS), 10).await.unwrap(), 2);
    assert_eq!(books.void(poor.request.message_id).await, VoidOutcome::AlreadyResolved);
    assert_eq!(books.settle(rich.request.message_id, 50).await, settled(60, 40, 10));
    books.held(user, 45).await;
    assert_eq!(books.settle(poor.request.message_id, 50).await, settled(45, 15, 35));
    assert_eq!(books.settle(poor.request.message_id, 50).await, SettleOutcome::AlreadyResolved);
    assert_eq!(books.purse(user).await, (0, 45));
    books.assert_sound().await;
}

/// MUST renew the open holds of the instance that are due, and no others.
pub async fn a_renewal_keeps_the_open_holds_of_its_instance(books: &Books) {
    let user = books.rich(100).await;
    let mine = books.held(user, 1).await;
    let theirs = Hold { instance: instance(2), ..books.hold(user, 2) };
    let not_due = Hold { expires_at: START.plus_seconds(600), ..books.hold(user, 4) };
    let mut ancient = books.hold(user, 8);
    ancient.request.at = START.plus_seconds(-3_600);
    for hold in [&theirs, &not_due, &ancient] {
        books.ledger.reserve(hold, None).await.unwrap();
    }
    let voided = books.held(user, 16).await;
    books.void(voided.request.message_id).await;
    let renewal = Renewal {
        instance: instance(1),
        due_before: START.plus_seconds(300),
        created_after: START.plus_seconds(-1_800),
        until: START.plus_seconds(400),
        received: Vec::new(),
    };
    assert_eq!(books.ledger.renew(&renewal).await.unwrap(), 1);
    assert_eq!(books.ledger.expire(START.plus_seconds(399), 10).await.unwrap(), 2);
    assert_eq!(books.purse(user).await, (95, 5));
    let renewed = Hold { expires_at: START.plus_seconds(400), ..mine.clone() };
    assert_eq!(books.ledger.reserve(&mine, None).await.unwrap(), ReserveOutcome::Replayed(renewed));
    books.assert_sound().await;
}
