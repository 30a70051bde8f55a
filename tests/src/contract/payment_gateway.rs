//! What every [`PaymentGateway`] must do, whoever takes the money. The other side, which takes it, is a [`Provider`] of
//! the tests.

use async_trait::async_trait;
use billing::payment::{
    CloseOutcome, NoticeEvent, NoticeRefusal, Notified, Prepay, PrepayOutcome, RefundBy, RefundOutcome,
    RefundRequest, Verdict, WechatPayer,
};
use billing::{
    Channel, Order, OrderState, PaymentGateway, PaymentParameters, PaymentStatus, ProductKind, Refund,
    RefundStatus,
};
use kernel::{Fen, Id, Timestamp};
use uuid::Uuid;

use super::people::START;
use crate::fakes::sent::Sent;

/// A gateway with the provider behind it.
#[async_trait]
pub trait Provider: Send + Sync {
    /// The gateway.
    fn gateway(&self) -> &dyn PaymentGateway;

    /// Its channel.
    fn channel(&self) -> Channel;

    /// Who pays.
    fn payer(&self) -> Option<WechatPayer>;

    /// The person pays with these parameters, at [`START`].
    fn pays(&self, order: &Order, parameters: &PaymentParameters);

    /// The message that a paid order sends, signed at that moment.
    fn message(&self, order: &Order, at: Timestamp) -> Sent;

    /// From which age in milliseconds a message is too old.
    fn oldest_ms(&self) -> i64;

    /// A refund that was taken comes to a good end.
    fn ends_refund(&self, request: &RefundRequest);

    /// How much of an order went back.
    fn paid_back(&self, order: &Order) -> i64;
}

/// An order of two packs for ten yuan, made at [`START`] and open for half an hour.
pub fn order(channel: Channel, number: u128) -> Order {
    Order {
        id: Id::from_uuid(Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0000 + number)),
        user: Id::from_uuid(Uuid::from_u128(7)),
        kind: ProductKind::Credits,
        product: "credits_5".parse().unwrap(),
        product_name: "五元点数包".to_owned(),
        virtual_id: "credits_5".to_owned(),
        quantity: 2,
        unit_price: Fen::new(500),
        discount: Fen::ZERO,
        total: Fen::new(1_000),
        contents: Vec::new(),
        coupon: None,
        channel,
        source: None,
        state: OrderState::Created,
        refunded: Fen::ZERO,
        provider_txn_id: None,
        created_at: START,
        expires_at: START.plus_seconds(1_800),
        paid_at: None,
        queries: 0,
        query_at: None,
    }
}

/// A refund of so much.
pub fn refund(provider: &dyn Provider, order: &Order, number: u128, amount: i64) -> RefundRequest {
    let refund = Refund {
        id: Id::from_uuid(Uuid::from_u128(0x0199_0000_0000_7000_9000_0000_0000_0000 + number)),
        order_id: order.id,
        amount: Fen::new(amount),
        reason: "用户申请退款".to_owned(),
        by: RefundBy::Buyer,
        status: RefundStatus::Pending,
        created_at: START,
        ended_at: None,
    };
    RefundRequest { refund, order: order.clone(), payer: provider.payer(), at: START }
}

/// Shows the order and gives the parameters.
pub async fn shown(provider: &dyn Provider, order: &Order) -> PaymentParameters {
    let prepay = Prepay { order: order.clone(), payer: provider.payer(), at: START };
    match provider.gateway().prepay(&prepay).await.unwrap() {
        PrepayOutcome::Ready(parameters) => parameters,
        other => panic!("{other:?}"),
    }
}

/// An order that is shown and paid.
pub async fn paid(provider: &dyn Provider, number: u128) -> Order {
    let order = order(provider.channel(), number);
    provider.pays(&order, &shown(provider, &order).await);
    order
}

async fn status(provider: &dyn Provider, order: &Order) -> PaymentStatus {
    provider.gateway().query(order, provider.payer().as_ref()).await.unwrap()
}

async fn read(provider: &dyn Provider, sent: &Sent, at: Timestamp) -> Notified {
    provider.gateway().read(&sent.at(at)).await.unwrap()
}

/// What is paid is found, and fits.
pub async fn a_shown_order_can_be_paid_and_is_found(provider: &dyn Provider) {
    let order = order(provider.channel(), 1);
    assert_eq!(status(provider, &order).await, PaymentStatus::Unknown);
    let parameters = shown(provider, &order).await;
    assert!(matches!(status(provider, &order).await, PaymentStatus::Pending | PaymentStatus::Unknown));
    provider.pays(&order, &parameters);
    let PaymentStatus::Paid(payment) = status(provider, &order).await else { panic!("it is paid") };
    let payer = provider.payer();
    let openid = payer.as_ref().map(|payer| secrecy::ExposeSecret::expose_secret(&payer.openid));
    assert_eq!(payment.fits(&order, provider.channel(), openid), Ok(()));
    assert_eq!((payment.paid_at, payment.total), (START, order.total));
}

/// A repeat pays the same order, and an order that is paid is not offered again where the provider would know.
pub async fn a_repeated_prepay_is_for_the_same_payment(provider: &dyn Provider) {
    let order = order(provider.channel(), 1);
    let (first, second) = (shown(provider, &order).await, shown(provider, &order).await);
    provider.pays(&order, &first);
    if !matches!(second, PaymentParameters::WechatVirtual { .. }) {
        let again = Prepay { order: order.clone(), payer: provider.payer(), at: START };
        assert_eq!(provider.gateway().prepay(&again).await.unwrap(), PrepayOutcome::AlreadyPaid);
    }
    provider.pays(&order, &second);
    let PaymentStatus::Paid(payment) = status(provider, &order).await else { panic!("it is paid") };
    assert_eq!(payment.total, order.total, "once");
}

/// An order whose time is over is not offered.
pub async fn an_order_whose_time_is_over_is_not_shown(provider: &dyn Provider) {
    let order = order(provider.channel(), 1);
    let prepay = Prepay { at: order.expires_at, order, payer: provider.payer() };
    assert_eq!(provider.gateway().prepay(&prepay).await.unwrap(), PrepayOutcome::Closed);
}

/// A message says what a question would, and a copy reads like the first.
pub async fn a_message_reads_as_the_payment_however_often(provider: &dyn Provider) {
    let order = paid(provider, 1).await;
    let sent = provider.message(&order, START);
    let Notified::Notice(notice) = read(provider, &sent, START).await else { panic!("a notice") };
    assert_eq!(notice.channel, provider.channel());
    assert!(!notice.id.is_empty());
    let NoticeEvent::Paid(payment) = &notice.event else { panic!("{notice:?}") };
    assert_eq!(payment.fits(&order, provider.channel(), payment.openid.as_deref()), Ok(()));
    assert!(!payment.provider_txn_id.is_empty());
    for later_ms in [1, 1_000, 60_000] {
        let copy = read(provider, &sent, START.plus_millis(later_ms)).await;
        assert_eq!(copy, Notified::Notice(notice.clone()));
    }
}

/// No message with a changed byte, header or parameter is believed, nor one that lost its end.
pub async fn a_changed_or_truncated_message_is_refused(provider: &dyn Provider) {
    let order = paid(provider, 1).await;
    let sent = provider.message(&order, START);
    let mut changed = Vec::new();
    for place in (0..sent.body.len()).step_by(7) {
        let mut copy = sent.clone();
        copy.body[place] ^= 1;
        changed.push(copy);
        let mut copy = sent.clone();
        copy.body.truncate(place);
        changed.push(copy);
    }
    let signed =
        |name: &str| name != "content-type" && name != "encrypt_type" && name != "wechatpay-signature-type";
    for place in (0..sent.headers.len()).filter(|place| signed(&sent.headers[*place].0)) {
        let mut copy = sent.clone();
        copy.headers[place].1.push('0');
        changed.push(copy);
        let mut copy = sent.clone();
        copy.headers.remove(place);
        changed.push(copy);
        // Twice, which nobody honest sends.
        let mut copy = sent.clone();
        copy.headers.push(sent.headers[place].clone());
        changed.push(copy);
    }
    for place in (0..sent.query.len()).filter(|place| signed(&sent.query[*place].0)) {
        let mut copy = sent.clone();
        copy.query[place].1.push('0');
        changed.push(copy);
        let mut copy = sent.clone();
        copy.query.remove(place);
        changed.push(copy);
    }
    changed.push(Sent { headers: Vec::new(), query: Vec::new(), body: sent.body.clone() });
    let original = read(provider, &sent, START).await;
    assert!(matches!(original, Notified::Notice(_)), "the one that was sent");
    for copy in changed {
        let outcome = read(provider, &copy, START).await;
        // The push has an envelope whose name of the recipient nobody signs, and nobody reads.
        let is_idle = provider.channel() == Channel::WechatVirtual && outcome == original;
        assert!(is_idle || matches!(outcome, Notified::Refused(_)), "{outcome:?}: {copy:?}");
    }
}

/// A message that is too old, or from the future, is not believed.
pub async fn a_message_of_another_time_is_refused(provider: &dyn Provider) {
    let order = paid(provider, 1).await;
    let stale = Notified::Refused(NoticeRefusal::Stale);
    let sent = provider.message(&order, START);
    let oldest_ms = provider.oldest_ms();
    assert!(matches!(read(provider, &sent, START.plus_millis(oldest_ms - 1_000)).await, Notified::Notice(_)));
    assert_eq!(read(provider, &sent, START.plus_millis(oldest_ms + 1_000)).await, stale);
    assert_eq!(read(provider, &sent, START.plus_millis(-301_000)).await, stale);
}

/// "Accepted" ends the repetition, "try again" and "refused" do not.
pub async fn an_answer_ends_or_asks_for_repetition(provider: &dyn Provider) {
    let order = paid(provider, 1).await;
    let sent = provider.message(&order, START);
    assert!(matches!(read(provider, &sent, START).await, Notified::Notice(_)));
    let status = |verdict| provider.gateway().reply(verdict).status;
    assert!((200..300).contains(&status(Verdict::Accepted)));
    assert!((200..300).contains(&status(Verdict::Advice { agree: true })));
    assert!((400..500).contains(&status(Verdict::Refused)));
    assert!((500..600).contains(&status(Verdict::TryAgain)));
}

/// A closed order can be paid no more, and a paid one is not closed, where the provider closes at all.
pub async fn closing_is_final_unless_it_is_paid(provider: &dyn Provider) {
    let open = order(provider.channel(), 1);
    shown(provider, &open).await;
    let outcome = provider.gateway().close(&open).await.unwrap();
    if outcome != CloseOutcome::BySelf {
        assert_eq!(outcome, CloseOutcome::Closed);
        assert_eq!(provider.gateway().close(&open).await.unwrap(), CloseOutcome::Closed, "again");
        assert_eq!(status(provider, &open).await, PaymentStatus::Closed);
        let prepay = Prepay { order: open, payer: provider.payer(), at: START };
        assert_eq!(provider.gateway().prepay(&prepay).await.unwrap(), PrepayOutcome::Closed);
    }
    let paid = paid(provider, 2).await;
    let outcome = provider.gateway().close(&paid).await.unwrap();
    assert!(matches!(outcome, CloseOutcome::AlreadyPaid | CloseOutcome::BySelf), "{outcome:?}");
    assert!(matches!(status(provider, &paid).await, PaymentStatus::Paid(_)));
}

/// An order that the provider never saw is as good as closed.
pub async fn an_order_that_was_never_shown_closes(provider: &dyn Provider) {
    let outcome = provider.gateway().close(&order(provider.channel(), 1)).await.unwrap();
    assert!(matches!(outcome, CloseOutcome::Closed | CloseOutcome::BySelf), "{outcome:?}");
}

/// A delivery may be confirmed again.
pub async fn a_confirmation_may_be_repeated(provider: &dyn Provider) {
    let order = paid(provider, 1).await;
    provider.gateway().confirm(&order).await.unwrap();
    provider.gateway().confirm(&order).await.unwrap();
    assert!(matches!(status(provider, &order).await, PaymentStatus::Paid(_)));
}

/// The same refund pays once, two refunds pay both, and no refund pays more than is left.
pub async fn the_same_refund_pays_once_and_no_more_than_is_left(provider: &dyn Provider) {
    let mut order = paid(provider, 1).await;
    let gateway = provider.gateway();
    let first = refund(provider, &order, 1, 300);
    assert_eq!(gateway.query_refund(&first).await.unwrap(), RefundStatus::Unknown);
    for _ in 0..3 {
        let outcome = gateway.refund(&first).await.unwrap();
        assert!(
            matches!(outcome, RefundOutcome::Taken(RefundStatus::Pending | RefundStatus::Succeeded)),
            "{outcome:?}"
        );
    }
    assert_eq!(provider.paid_back(&order), 300);
    provider.ends_refund(&first);
    assert_eq!(gateway.query_refund(&first).await.unwrap(), RefundStatus::Succeeded);
    assert_eq!(gateway.refund(&first).await.unwrap(), RefundOutcome::Taken(RefundStatus::Succeeded));
    order.refunded = Fen::new(300);
    let too_much = refund(provider, &order, 2, 701);
    assert!(matches!(gateway.refund(&too_much).await.unwrap(), RefundOutcome::Refused { .. }));
    let rest = refund(provider, &order, 3, 700);
    assert!(matches!(gateway.refund(&rest).await.unwrap(), RefundOutcome::Taken(_)));
    assert_eq!(provider.paid_back(&order), 1_000);
    assert!(matches!(status(provider, &order).await, PaymentStatus::Paid(_)), "it stays paid");
}
