//! What every `billing::OrderStore` must do, whoever calls it, how often, and at the same time as whom.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a suite fails by panicking")]

use billing::ports::{CreateOrder, Move, MoveOutcome, NewOrder, OrderFilter, PayOutcome};
use billing::{
    Coupon, CouponCode, Discount, DiscrepancyKind, Order, OrderEvent, OrderState, ProductKind, Step,
};
use futures::future::join_all;
use kernel::{Fen, PageRequest, Timestamp};

use super::books::START;
use super::shop::Shop;

fn step(order: &Order, event: OrderEvent) -> Move {
    Move { order_id: order.id, event: Some(event), queries: 3, query_at: None, at: START }
}

fn page(size: u32) -> PageRequest {
    PageRequest::new(1, size, 100)
}

/// Every field comes back.
pub async fn an_order_is_found_as_it_was_stored(shop: &Shop) {
    let order = Order { coupon: Some("A-1".parse().unwrap()), ..shop.order(shop.id()) };
    let order = shop.placed(order).await;
    assert_eq!(shop.orders.find(order.id).await.unwrap(), Some(order));
    assert_eq!(shop.orders.find(shop.id()).await.unwrap(), None);
}

/// MUST store one order for a key, whatever the concurrency.
pub async fn one_key_makes_one_order(shop: &Shop) {
    let user = shop.id();
    let news: Vec<_> = (0..10)
        .map(|_| NewOrder { key: Some("k".into()), stock: Some(1), ..shop.new_order(&shop.order(user)) })
        .collect();
    let outcomes = join_all(news.iter().map(|new| shop.orders.create(new))).await;
    let made = outcomes.iter().filter(|outcome| matches!(outcome, Ok(CreateOrder::Created))).count();
    let replayed = outcomes.iter().filter(|outcome| matches!(outcome, Ok(CreateOrder::Replayed(_)))).count();
    assert_eq!((made, replayed), (1, 9), "{outcomes:?}");
    let all = shop.orders.list(OrderFilter { user: Some(user), state: None }, page(20)).await.unwrap();
    assert_eq!(all.total, 1);
}

/// A key means one wish of one person.
pub async fn a_key_with_another_body_conflicts(shop: &Shop) {
    let keyed = |user| NewOrder { key: Some("k".into()), ..shop.new_order(&shop.order(user)) };
    let user = shop.id();
    assert_eq!(shop.orders.create(&keyed(user)).await.unwrap(), CreateOrder::Created);
    let other = NewOrder { body_hash: "another body".into(), ..keyed(user) };
    assert_eq!(shop.orders.create(&other).await.unwrap(), CreateOrder::Conflict);
    assert_eq!(shop.orders.create(&keyed(shop.id())).await.unwrap(), CreateOrder::Created);
    for _ in 0..2 {
        let without = NewOrder { key: None, ..keyed(user) };
        assert_eq!(shop.orders.create(&without).await.unwrap(), CreateOrder::Created);
    }
}

/// MUST NOT sell more than there is; orders that ended unpaid do not count.
pub async fn a_stock_is_never_oversold(shop: &Shop) {
    let orders: Vec<_> = (0..20).map(|_| shop.order(shop.id())).collect();
    let news: Vec<_> =
        orders.iter().map(|order| NewOrder { stock: Some(5), ..shop.new_order(order) }).collect();
    let outcomes = join_all(news.iter().map(|new| shop.orders.create(new))).await;
    let made: Vec<_> =
        (0..20).filter(|n| matches!(outcomes[*n], Ok(CreateOrder::Created))).map(|n| &orders[n]).collect();
    assert_eq!(made.len(), 5, "{outcomes:?}");
    let more = || NewOrder { stock: Some(5), ..shop.new_order(&shop.order(shop.id())) };
    assert_eq!(shop.orders.create(&more()).await.unwrap(), CreateOrder::SoldOut);
    shop.orders.advance(&step(made[0], OrderEvent::Abandoned)).await.unwrap();
    assert_eq!(shop.orders.create(&more()).await.unwrap(), CreateOrder::Created);
    assert_eq!(shop.orders.create(&more()).await.unwrap(), CreateOrder::SoldOut);
    let several = Order { quantity: 2, ..shop.order(shop.id()) };
    let several = NewOrder { stock: Some(6), ..shop.new_order(&several) };
    assert_eq!(shop.orders.create(&several).await.unwrap(), CreateOrder::SoldOut, "pieces count, not orders");
}

/// MUST NOT take a coupon twice from one person, nor more often than it can be used.
pub async fn a_coupon_is_used_once_by_each_and_so_often_in_all(shop: &Shop) {
    let with = |user| {
        let order = Order { coupon: Some("TEN".parse().unwrap()), ..shop.order(user) };
        NewOrder { coupon_uses_max: Some(3), ..shop.new_order(&order) }
    };
    let user = shop.id();
    let own: Vec<_> = (0..5).map(|_| with(user)).collect();
    let outcomes = join_all(own.iter().map(|new| shop.orders.create(new))).await;
    let made: Vec<_> = (0..5).filter(|n| matches!(outcomes[*n], Ok(CreateOrder::Created))).collect();
    assert_eq!(made.len(), 1, "{outcomes:?}");
    let others: Vec<_> = (0..5).map(|_| with(shop.id())).collect();
    let outcomes = join_all(others.iter().map(|new| shop.orders.create(new))).await;
    let taken = outcomes.iter().filter(|outcome| matches!(outcome, Ok(CreateOrder::Created))).count();
    assert_eq!(taken, 2, "{outcomes:?}");
    shop.orders.advance(&step(&own[made[0]].order, OrderEvent::Lapsed)).await.unwrap();
    assert_eq!(shop.orders.create(&with(user)).await.unwrap(), CreateOrder::Created);
}

/// A state MUST change only as the domain says.
pub async fn an_order_moves_only_forward(shop: &Shop) {
    for first in OrderEvent::ALL {
        for second in OrderEvent::ALL {
            if matches!(first, OrderEvent::Paid | OrderEvent::RefundedPart | OrderEvent::RefundedAll)
                || matches!(second, OrderEvent::Paid)
            {
                continue;
            }
            let order = shop.placed(shop.order(shop.id())).await;
            let mut state = OrderState::Created;
            for event in [first, second] {
                let outcome = shop.orders.advance(&step(&order, event)).await.unwrap();
                let (found, is_refused) = match outcome {
                    MoveOutcome::Now(order) => (order.state, false),
                    MoveOutcome::Refused(order) => (order.state, true),
                    MoveOutcome::NoOrder => panic!("it is there"),
                };
                let expected = match state.on(event) {
                    Step::To(next) => (next, false),
                    Step::Stay => (state, false),
                    Step::Refused => (state, true),
                };
                assert_eq!((found, is_refused), expected, "{event:?} of {state:?}");
                state = found;
            }
        }
    }
    let nobody = shop.order(shop.id());
    let outcome = shop.orders.advance(&step(&nobody, OrderEvent::Offered)).await.unwrap();
    assert_eq!(outcome, MoveOutcome::NoOrder);
}

/// MUST deliver once, however often and concurrently the payment is told: the double credit of a webhook that looks
/// before it locks.
pub async fn a_payment_is_delivered_once(shop: &Shop) {
    let user = shop.id();
    let order = shop.placed(shop.order(user)).await;
    let deliveries: Vec<_> = (0..12).map(|_| shop.delivery(&order)).collect();
    let outcomes = join_all(deliveries.iter().map(|delivery| shop.orders.deliver(delivery))).await;
    let delivered =
        outcomes.iter().filter(|outcome| matches!(outcome, Ok(PayOutcome::Delivered { .. }))).count();
    let replayed = outcomes.iter().filter(|outcome| matches!(outcome, Ok(PayOutcome::Replayed(_)))).count();
    assert_eq!((delivered, replayed), (1, 11), "{outcomes:?}");
    assert_eq!(shop.available(user).await, 10_500_000);
    let found = shop.orders.find(order.id).await.unwrap().unwrap();
    assert_eq!((found.state, found.query_at), (OrderState::Delivered, None));
    assert_eq!(found.provider_txn_id.as_deref(), Some("txn"));
    assert_eq!(shop.orders.deliver(&shop.delivery(&shop.order(user))).await.unwrap(), PayOutcome::NoOrder);
    shop.assert_sound().await;
}

/// MUST deliver also to an order that was closed or has expired: a payment is never lost.
pub async fn a_late_payment_is_delivered_all_the_same(shop: &Shop) {
    for (event, was) in
        [(OrderEvent::Abandoned, OrderState::Closed), (OrderEvent::Lapsed, OrderState::Expired)]
    {
        let user = shop.id();
        let order = shop.placed(shop.order(user)).await;
        shop.orders.advance(&step(&order, event)).await.unwrap();
        match shop.orders.deliver(&shop.delivery(&order)).await.unwrap() {
            PayOutcome::Delivered { order, was: found } => {
                assert_eq!((order.state, found), (OrderState::Delivered, was));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(shop.available(user).await, 10_500_000);
        let back = shop.orders.advance(&step(&order, event)).await.unwrap();
        assert!(matches!(back, MoveOutcome::Refused(order) if order.state == OrderState::Delivered));
    }
    shop.assert_sound().await;
}

/// All or nothing: a key of the books that is used up leaves the order as it was.
pub async fn a_delivery_that_fails_changes_nothing(shop: &Shop) {
    let user = shop.id();
    let order = shop.placed(shop.order(user)).await;
    let used_up = shop.delivery(&order);
    shop.cashier.credit(&used_up.credits[0]).await.unwrap();
    assert!(shop.orders.deliver(&used_up).await.is_err());
    assert_eq!(shop.orders.find(order.id).await.unwrap().unwrap().state, OrderState::Created);
    let mut delivery = shop.delivery(&order);
    for credit in &mut delivery.credits {
        credit.key.push_str(":2");
    }
    assert!(matches!(shop.orders.deliver(&delivery).await, Ok(PayOutcome::Delivered { .. })));
}

/// Two memberships that are paid at the same time follow each other.
pub async fn memberships_follow_each_other(shop: &Shop) {
    let user = shop.id();
    let mut orders = Vec::new();
    for months in [1, 2, 3] {
        orders.push(shop.placed(shop.membership(user, months)).await);
    }
    let deliveries: Vec<_> = orders.iter().map(|order| shop.delivery(order)).collect();
    let outcomes = join_all(deliveries.iter().map(|delivery| shop.orders.deliver(delivery))).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(PayOutcome::Delivered { .. }))));
    let begin = deliveries[0].at;
    let end = shop.rights.member_until(user, begin).await.unwrap().unwrap();
    assert_eq!(end, begin.plus_millis(6 * billing::entitlement::MONTH_MS));
    shop.assert_sound().await;
}

/// The longest due first, and only what is pending.
pub async fn due_orders_are_found(shop: &Shop) {
    let at = |seconds| START.plus_seconds(seconds);
    let due = |seconds| Order { query_at: Some(at(seconds)), ..shop.order(shop.id()) };
    let (late, early) = (shop.placed(due(30)).await, shop.placed(due(10)).await);
    let (closed, paid) = (shop.placed(due(5)).await, shop.placed(due(5)).await);
    shop.placed(due(99)).await;
    shop.orders
        .advance(&Move { query_at: Some(at(5)), ..step(&closed, OrderEvent::Abandoned) })
        .await
        .unwrap();
    shop.orders.deliver(&shop.delivery(&paid)).await.unwrap();
    let ids = |orders: Vec<Order>| orders.into_iter().map(|order| order.id).collect::<Vec<_>>();
    assert_eq!(ids(shop.orders.due(at(30), 10).await.unwrap()), [early.id, late.id]);
    assert_eq!(ids(shop.orders.due(at(30), 1).await.unwrap()), [early.id]);
    let plan = Move { order_id: early.id, event: None, queries: 1, query_at: Some(at(60)), at: at(30) };
    let MoveOutcome::Now(planned) = shop.orders.advance(&plan).await.unwrap() else { panic!("planned") };
    assert_eq!((planned.queries, planned.query_at, planned.state), (1, Some(at(60)), OrderState::Created));
    assert_eq!(ids(shop.orders.due(at(30), 10).await.unwrap()), [late.id]);
}

/// Newest first, of one person or of all, in one state or in any.
pub async fn lists_are_newest_first(shop: &Shop) {
    let (one, other) = (shop.id(), shop.id());
    let made = |user, seconds| Order { created_at: START.plus_seconds(seconds), ..shop.order(user) };
    let first = shop.placed(made(one, 1)).await;
    let second = shop.paid(made(one, 2)).await;
    let foreign = shop.placed(made(other, 3)).await;
    let ids = async |user, state| {
        let found = shop.orders.list(OrderFilter { user, state }, page(10)).await.unwrap();
        assert_eq!(usize::try_from(found.total).unwrap(), found.items.len());
        found.items.into_iter().map(|order| order.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(Some(one), None).await, [second.id, first.id]);
    assert_eq!(ids(None, None).await, [foreign.id, second.id, first.id]);
    assert_eq!(ids(Some(one), Some(OrderState::Delivered)).await, [second.id]);
    let unpaid = shop.orders.unpaid_since(START, None, 1).await.unwrap();
    assert_eq!(unpaid[0].id, first.id);
    let rest = shop.orders.unpaid_since(START, Some(first.id), 10).await.unwrap();
    assert_eq!(rest.into_iter().map(|order| order.id).collect::<Vec<_>>(), [foreign.id]);
    assert_eq!(shop.orders.unpaid_since(START.plus_seconds(4), None, 10).await.unwrap(), []);
}

/// Orders that the books contradict are named.
pub async fn what_differs_from_the_books_is_named(shop: &Shop) {
    shop.paid(shop.order(shop.id())).await;
    shop.placed(shop.order(shop.id())).await;
    assert_eq!(shop.orders.discrepancies(10).await.unwrap(), []);
    let order = shop.placed(shop.order(shop.id())).await;
    let mut delivery = shop.delivery(&order);
    delivery.credits.clear();
    delivery.cash.amount = 999;
    shop.orders.deliver(&delivery).await.unwrap();
    let found = shop.orders.discrepancies(10).await.unwrap();
    let kinds: Vec<_> = found.iter().map(|one| (one.trade_no, one.kind)).collect();
    let number = order.trade_no();
    assert_eq!(kinds, [(number, DiscrepancyKind::Credits), (number, DiscrepancyKind::Cash)]);
    assert_eq!((found[1].expected.as_str(), found[1].found.as_str()), ("1000", "999"));
    assert_eq!(shop.orders.discrepancies(1).await.unwrap().len(), 1);
}

/// A coupon comes back as it was put, the last time.
pub async fn a_coupon_is_found_as_it_was_put(shop: &Shop) {
    let code: CouponCode = "spring-26".parse().unwrap();
    assert_eq!(shop.orders.coupon(&code).await.unwrap(), None);
    let first = Coupon {
        code: code.clone(),
        discount: Discount::Percent(15),
        total_min: Fen::new(100),
        kinds: vec![ProductKind::Vip, ProductKind::Skill],
        from: Some(Timestamp::from_millis(1)),
        until: Some(Timestamp::from_millis(2)),
        uses_max: Some(9),
    };
    let second = Coupon {
        discount: Discount::Amount(Fen::new(5)),
        kinds: Vec::new(),
        uses_max: None,
        ..first.clone()
    };
    for coupon in [first, second] {
        shop.orders.put_coupon(&coupon, START).await.unwrap();
        assert_eq!(shop.orders.coupon(&code).await.unwrap(), Some(coupon));
    }
}
