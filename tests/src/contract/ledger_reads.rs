//! What every `billing::Ledger` must do: transactions and the report. Writes are in `ledger.rs`.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a suite fails by panicking")]

use billing::{Hold, TransactionKind, TransferKind};
use futures::future::join_all;
use kernel::PageRequest;

use super::books::Books;

/// MUST be numbered and summed so that all amounts together are available + held.
pub async fn transactions_come_newest_first_and_sum_to_the_balance(books: &Books) {
    let user = books.rich(1_000).await;
    for tokens in 1..=24 {
        let hold = books.held(user, 30).await;
        books.settle(hold.request.message_id, tokens).await;
    }
    books.held(user, 100).await;
    let mut listed = Vec::new();
    for number in 1..=4 {
        let request = PageRequest::new(number, 10, 100);
        let page = books.ledger.transactions(user, None, request).await.unwrap();
        assert_eq!((page.total, page.has_more(request)), (25, number < 3));
        listed.extend(page.items);
    }
    let amounts: Vec<_> = listed.iter().map(|line| line.amount.get()).collect();
    let expected: Vec<_> = (1..=24).rev().map(|tokens| -tokens).chain([1_000]).collect();
    assert_eq!(amounts, expected);
    assert_eq!(amounts.iter().sum::<i64>(), 700);
    assert_eq!(listed[0].balance_after.get(), 700);
    assert_eq!(books.purse(user).await, (600, 100));
}

/// A filter leaves one kind, and `hold` lists what is set aside.
pub async fn transactions_are_filtered_by_kind(books: &Books) {
    let user = books.rich(1_000).await;
    let charged = books.held(user, 30).await;
    books.settle(charged.request.message_id, 30).await;
    let (first, second) = (books.held(user, 5).await, books.held(user, 6).await);
    let grants = books.transactions(user, Some(TransactionKind::Transfer(TransferKind::Grant))).await;
    assert_eq!(grants.iter().map(|line| line.amount.get()).collect::<Vec<_>>(), [1_000]);
    let consumed = books.transactions(user, Some(TransactionKind::Transfer(TransferKind::Consume))).await;
    assert_eq!(consumed.iter().map(|line| line.amount.get()).collect::<Vec<_>>(), [-30]);
    assert_eq!(books.transactions(user, Some(TransactionKind::Transfer(TransferKind::Refund))).await, []);
    let holds = books.transactions(user, Some(TransactionKind::Hold)).await;
    let seen: Vec<_> = holds.iter().map(|l| (l.id, l.amount.get(), l.balance_after.get())).collect();
    let id = |hold: &Hold| hold.request.message_id.as_uuid();
    assert_eq!(seen, [(id(&second), -6, 970), (id(&first), -5, 970)]);
}

/// A person sees their own transactions only.
pub async fn a_person_without_a_wallet_has_no_transactions(books: &Books) {
    books.rich(1_000).await;
    let stranger = books.id();
    for filter in [None, Some(TransactionKind::Hold), Some(TransactionKind::Transfer(TransferKind::Grant))] {
        assert_eq!(books.transactions(stranger, filter).await, []);
    }
}

/// A report counts what is there.
pub async fn a_report_counts_accounts_transfers_and_holds(books: &Books) {
    let empty = books.ledger.report().await.unwrap();
    assert_eq!((empty.ok, empty.accounts, empty.transfers, empty.open_holds), (true, 0, 0, 0));
    let user = books.rich(100).await;
    books.rich(0).await;
    let hold = books.held(user, 60).await;
    books.held(user, 5).await;
    books.settle(hold.request.message_id, 80).await;
    let report = books.ledger.report().await.unwrap();
    assert_eq!((report.ok, report.imbalance), (true, 0), "{report:?}");
    // Two wallets, and promo, revenue and loss.
    assert_eq!((report.accounts, report.transfers, report.open_holds), (5, 3, 1));
}

/// A report MUST NOT take a change in flight for a breach.
pub async fn a_report_is_sound_while_others_write(books: &Books) {
    let users = [books.rich(10_000).await, books.rich(10_000).await];
    let work = join_all((0..60_usize).map(|turn| async move {
        let hold = books.held(users[turn % 2], 60).await;
        books.settle(hold.request.message_id, 25).await;
    }));
    let watch = async {
        for _ in 0..10 {
            books.assert_sound().await;
        }
    };
    futures::join!(work, watch);
    books.assert_sound().await;
}
