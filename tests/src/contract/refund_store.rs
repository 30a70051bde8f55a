//! What every `billing::RefundStore` must do: money goes back once, and never more than came.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a suite fails by panicking")]

use billing::payment::{RefundBy, RefundStatus};
use billing::ports::{BeginRefund, ClawBack, ClawBackOutcome, EndRefund, RefundPosting, RefundWish};
use billing::{Debit, OrderState, Owner, Refund, SystemAccount, TransferKind};
use futures::future::join_all;
use kernel::{Credits, Fen, PageRequest, UserId};

use super::books::START;
use super::shop::Shop;

async fn spend(shop: &Shop, user: UserId, amount: i64) {
    let debit = Debit {
        owner: Owner::User(user),
        amount: Credits::new(amount),
        to: SystemAccount::Revenue,
        kind: TransferKind::Consume,
        key: format!("consume:{user}:{amount}"),
        body_hash: String::new(),
        ref_id: None,
        day_max: None,
        transfer_id: shop.id(),
        at: START.plus_seconds(90),
    };
    shop.cashier.debit(&debit).await.unwrap();
}

/// The credits go at once, the money when the provider says so, and each once.
pub async fn a_refund_is_booked_once(shop: &Shop) {
    let user = shop.id();
    let order = shop.paid(shop.order(user)).await;
    let posting = shop.refund(&order, 400);
    assert_eq!(shop.refunds.begin(&posting).await.unwrap(), BeginRefund::Begun);
    assert_eq!(shop.available(user).await, 6_500_000);
    let ends: Vec<_> = (0..6).map(|_| shop.refund_end(&order, &posting, RefundStatus::Succeeded)).collect();
    let outcomes = join_all(ends.iter().map(|end| shop.refunds.end(end))).await;
    let ended = outcomes.iter().filter(|outcome| matches!(outcome, Ok(EndRefund::Ended(_)))).count();
    let replayed = outcomes.iter().filter(|outcome| matches!(outcome, Ok(EndRefund::Replayed(_)))).count();
    assert_eq!((ended, replayed), (1, 5), "{outcomes:?}");
    let found = shop.orders.find(order.id).await.unwrap().unwrap();
    assert_eq!((found.state, found.refunded), (OrderState::PartlyRefunded, Fen::new(400)));
    let all = shop.refunds.of_order(order.id).await.unwrap();
    assert_eq!((all.len(), all[0].status), (1, RefundStatus::Succeeded));
    assert_eq!(shop.refunds.find(posting.refund.id).await.unwrap().as_ref(), Some(&all[0]));
    let rest = shop.refund(&found, 600);
    assert_eq!(shop.refunds.begin(&rest).await.unwrap(), BeginRefund::Begun);
    shop.refunds.end(&shop.refund_end(&found, &rest, RefundStatus::Succeeded)).await.unwrap();
    let found = shop.orders.find(order.id).await.unwrap().unwrap();
    assert_eq!((found.state, found.refunded), (OrderState::Refunded, Fen::new(1_000)));
    assert_eq!(shop.available(user).await, 500_000, "the bonus stays");
    shop.assert_sound().await;
}

/// A refund that the provider gave up MUST leave wallet and rights as they were before.
pub async fn a_refund_that_is_given_up_leaves_everything_as_before(shop: &Shop) {
    let user = shop.id();
    let order = shop.paid(shop.order(user)).await;
    spend(shop, user, 2_000_000).await;
    let posting = shop.refund(&order, 500);
    shop.refunds.begin(&posting).await.unwrap();
    assert_eq!(shop.available(user).await, 3_500_000);
    for _ in 0..2 {
        shop.refunds.end(&shop.refund_end(&order, &posting, RefundStatus::Closed)).await.unwrap();
        assert_eq!(shop.available(user).await, 8_500_000);
    }
    let member = shop.paid(shop.membership(user, 1)).await;
    let posting = shop.refund(&member, 1_000);
    shop.refunds.begin(&posting).await.unwrap();
    assert_eq!(shop.rights_at(user, START.plus_seconds(200)).await, 0, "rights end when the refund begins");
    shop.refunds.end(&shop.refund_end(&member, &posting, RefundStatus::Closed)).await.unwrap();
    assert_eq!(shop.rights_at(user, START.plus_seconds(200)).await, 1);
    let found = shop.orders.find(member.id).await.unwrap().unwrap();
    assert_eq!((found.state, found.refunded), (OrderState::Delivered, Fen::ZERO));
    shop.assert_sound().await;
}

/// MUST NOT let refunds exceed the payment, whatever the concurrency.
pub async fn refunds_never_exceed_the_payment(shop: &Shop) {
    let user = shop.id();
    let order = shop.paid(shop.order(user)).await;
    let postings: Vec<_> = (0..8).map(|_| shop.refund(&order, 700)).collect();
    let outcomes = join_all(postings.iter().map(|posting| shop.refunds.begin(posting))).await;
    let begun: Vec<_> = (0..8).filter(|n| matches!(outcomes[*n], Ok(BeginRefund::Begun))).collect();
    assert_eq!(begun.len(), 1, "{outcomes:?}");
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(BeginRefund::Begun | BeginRefund::NotNow))));
    let end = shop.refund_end(&order, &postings[begun[0]], RefundStatus::Succeeded);
    shop.refunds.end(&end).await.unwrap();
    let more = shop.refunds.begin(&shop.refund(&order, 301)).await.unwrap();
    assert!(matches!(more, BeginRefund::TooMuch { rest, .. } if rest == Fen::new(300)), "{more:?}");
    let unpaid = shop.placed(shop.order(user)).await;
    assert_eq!(shop.refunds.begin(&shop.refund(&unpaid, 1)).await.unwrap(), BeginRefund::NotNow);
    let unknown = shop.refund(&shop.order(user), 1);
    assert_eq!(shop.refunds.begin(&unknown).await.unwrap(), BeginRefund::NoOrder);
    shop.assert_sound().await;
}

/// What is spent does not go back.
pub async fn more_credits_than_are_free_are_not_taken(shop: &Shop) {
    let user = shop.id();
    let order = shop.paid(shop.order(user)).await;
    spend(shop, user, 4_500_000).await;
    let refused = shop.refunds.begin(&shop.refund(&order, 601)).await.unwrap();
    assert!(
        matches!(refused, BeginRefund::TooMuch { free, .. } if free == Credits::new(6_000_000)),
        "{refused:?}"
    );
    assert_eq!(shop.refunds.of_order(order.id).await.unwrap(), []);
    assert_eq!(shop.available(user).await, 6_000_000);
    assert_eq!(shop.refunds.begin(&shop.refund(&order, 600)).await.unwrap(), BeginRefund::Begun);
    shop.assert_sound().await;
}

/// One key begins one refund; its repeats are that refund, though it has ended.
pub async fn one_key_begins_one_refund(shop: &Shop) {
    let order = shop.paid(shop.order(shop.id())).await;
    let keyed = |fen| RefundPosting { key: Some("k".into()), ..shop.refund(&order, fen) };
    let first = keyed(100);
    assert_eq!(shop.refunds.begin(&first).await.unwrap(), BeginRefund::Begun);
    for _ in 0..2 {
        let again = shop.refunds.begin(&keyed(100)).await.unwrap();
        assert!(matches!(again, BeginRefund::Replayed(refund) if refund.id == first.refund.id));
        shop.refunds.end(&shop.refund_end(&order, &first, RefundStatus::Succeeded)).await.unwrap();
    }
    let found = shop.refunds.by_key(order.id, "k").await.unwrap().unwrap();
    assert_eq!((found.id, found.status), (first.refund.id, RefundStatus::Succeeded));
    assert_eq!(shop.refunds.by_key(order.id, "other").await.unwrap(), None);
}

/// Open ones are found, the oldest first; a stuck one stays open.
pub async fn open_refunds_are_found(shop: &Shop) {
    let (one, other) = (shop.paid(shop.order(shop.id())).await, shop.paid(shop.order(shop.id())).await);
    let (mut early, late) = (shop.refund(&one, 10), shop.refund(&other, 10));
    early.refund.created_at = START;
    for posting in [&late, &early] {
        shop.refunds.begin(posting).await.unwrap();
    }
    shop.refunds.end(&shop.refund_end(&other, &late, RefundStatus::Abnormal)).await.unwrap();
    let open = shop.refunds.open(START.plus_seconds(999), 10).await.unwrap();
    let found: Vec<_> = open.iter().map(|refund| (refund.id, refund.status)).collect();
    let expected = [(early.refund.id, RefundStatus::Pending), (late.refund.id, RefundStatus::Abnormal)];
    assert_eq!(found, expected);
    assert_eq!(shop.refunds.open(START.plus_seconds(1), 10).await.unwrap().len(), 1);
    let end = shop.refund_end(&other, &late, RefundStatus::Succeeded);
    assert!(matches!(shop.refunds.end(&end).await.unwrap(), EndRefund::Ended(_)));
    assert_eq!(shop.refunds.open(START.plus_seconds(999), 10).await.unwrap().len(), 1);
    let unknown = shop.refund_end(&one, &shop.refund(&one, 1), RefundStatus::Closed);
    assert_eq!(shop.refunds.end(&unknown).await.unwrap(), EndRefund::NoRefund);
    shop.assert_sound().await;
}

/// What the provider took is booked once: what is left of the lot, the rest as a loss, and the account is frozen.
pub async fn what_the_provider_took_is_booked_once(shop: &Shop) {
    let user = shop.id();
    let order = shop.paid(shop.order(user)).await;
    spend(shop, user, 7_500_000).await;
    let claw = || {
        let refund = Refund {
            by: RefundBy::Provider,
            status: RefundStatus::Succeeded,
            ended_at: Some(START),
            ..shop.refund(&order, 1_000).refund
        };
        let issued = SystemAccount::Issued;
        ClawBack {
            refund,
            notice_id: "clawed".to_owned(),
            take_back: Some(shop.take_back(&order, Credits::new(10_000_000), issued, "clawback:1")),
            cash: shop.house(order.channel.cash(), SystemAccount::Sales, 1_000, "clawback-cash:1"),
            freezes: true,
            at: START.plus_seconds(200),
        }
    };
    let claws: Vec<_> = (0..5).map(|_| claw()).collect();
    let outcomes = join_all(claws.iter().map(|claw| shop.refunds.claw_back(claw))).await;
    let lost = Credits::new(7_000_000);
    let booked = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Ok(ClawBackOutcome::Booked { lost: found }) if *found == lost));
    assert_eq!(booked.count(), 1, "{outcomes:?}");
    assert_eq!(shop.available(user).await, 0, "of the bonus nothing was left");
    assert!(shop.cashier.standing(&Owner::User(user)).await.unwrap().frozen.is_some());
    assert_eq!(shop.orders.find(order.id).await.unwrap().unwrap().state, OrderState::Refunded);
    let unpaid = shop.placed(shop.order(user)).await;
    let mut other = claw();
    (other.refund.order_id, other.notice_id) = (unpaid.id, "other".to_owned());
    assert_eq!(shop.refunds.claw_back(&other).await.unwrap(), ClawBackOutcome::NoOrder);
    shop.assert_sound().await;
}

/// A wish is noted once, and answered by the refund that follows.
pub async fn a_wish_is_noted_once_and_answered_by_a_refund(shop: &Shop) {
    let order = shop.paid(shop.order(shop.id())).await;
    let wish = RefundWish { order_id: order.id, user: order.user, reason: "买错了".to_owned(), at: START };
    assert!(shop.refunds.wish(&wish).await.unwrap());
    assert!(!shop.refunds.wish(&wish).await.unwrap());
    let page = PageRequest::new(1, 10, 10);
    let all = shop.refunds.wishes(page).await.unwrap();
    assert_eq!((all.items, all.total), (vec![wish], 1));
    shop.refunds.begin(&shop.refund(&order, 1)).await.unwrap();
    assert_eq!(shop.refunds.wishes(page).await.unwrap().total, 0);
}
