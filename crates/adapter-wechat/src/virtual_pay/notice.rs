//! Events of virtual payment, put into words of the domain.

use billing::payment::{NoticeEvent, NoticeRefusal, Notified, PaymentNotice};
use billing::{Channel, Payment, RefundStatus};
use kernel::{Fen, Timestamp};
use serde::de::DeserializeOwned;

use super::Environment;
use super::bodies::{EventHead, GoodsDeliver, RefundNotify, RefundQuestion};
use crate::pay_v3::refund_id;

/// Reads a message that is believed. `now` stands in for a time of payment that the platform left out.
pub(crate) fn understand(message: &[u8], environment: Environment, now: Timestamp) -> Notified {
    let read = match parse::<EventHead>(message) {
        Ok(head) => match head.event.as_str() {
            "xpay_goods_deliver_notify" => parse(message).and_then(|body| paid(&body, environment, now)),
            "xpay_refund_notify" => parse(message).and_then(|body| refunded(&body)),
            "xpay_subscribe_ios_refund_query_notify" => parse(message).map(|body| asked(&body)),
            // The address is one for all events of the mini-program.
            _ => Ok(None),
        },
        Err(refusal) => Err(refusal),
    };
    match read {
        Ok(Some(notice)) => Notified::Notice(notice),
        Ok(None) => Notified::Ignored,
        Err(refusal) => Notified::Refused(refusal),
    }
}

fn parse<T: DeserializeOwned>(message: &[u8]) -> Result<T, NoticeRefusal> {
    serde_json::from_slice(message).map_err(|_quoted| NoticeRefusal::Malformed)
}

const fn notice(id: String, event: NoticeEvent) -> PaymentNotice {
    PaymentNotice { id, channel: Channel::WechatVirtual, event }
}

fn paid(
    body: &GoodsDeliver,
    environment: Environment,
    now: Timestamp,
) -> Result<Option<PaymentNotice>, NoticeRefusal> {
    if body.env != i64::from(environment.number()) {
        return Err(NoticeRefusal::WrongEnvironment);
    }
    let trade_no = body.out_trade_no.parse().map_err(|_not_ours| NoticeRefusal::WrongRecipient)?;
    let goods = &body.goods_info;
    let total = goods.actual_price.checked_mul(goods.quantity).filter(|total| *total > 0);
    let (Some(total), Ok(quantity)) = (total, u32::try_from(goods.quantity)) else {
        return Err(NoticeRefusal::Malformed);
    };
    let numbers = [&body.pay.transaction_id, &body.pay.mch_order_no];
    let provider = numbers.into_iter().find(|number| !number.is_empty()).cloned();
    let seconds = Some(body.pay.paid_time).filter(|seconds| *seconds > 0);
    let payment = Payment {
        trade_no,
        provider_txn_id: provider.unwrap_or_default(),
        total: Fen::new(total),
        openid: Some(body.open_id.clone()),
        goods: Some((goods.product_id.clone(), quantity)),
        paid_at: seconds.map_or(now, |seconds| Timestamp::from_millis(seconds.saturating_mul(1_000))),
    };
    Ok(Some(notice(format!("deliver:{trade_no}"), NoticeEvent::Paid(payment))))
}

fn refunded(body: &RefundNotify) -> Result<Option<PaymentNotice>, NoticeRefusal> {
    if body.refund_fee <= 0 || body.wx_refund_id.is_empty() {
        return Err(NoticeRefusal::Malformed);
    }
    let amount = Fen::new(body.refund_fee);
    let is_done = body.ret_code == 0;
    let id = format!("refund:{}:{}", body.wx_refund_id, if is_done { "done" } else { "failed" });
    if let Some(refund) = refund_id(&body.mch_refund_id) {
        // A failed refund may still be put right in the console, so that a person has to look.
        let status = if is_done { RefundStatus::Succeeded } else { RefundStatus::Abnormal };
        return Ok(Some(notice(id, NoticeEvent::RefundEnded { refund, status, amount })));
    }
    let trade_no = body.mch_order_id.parse().map_err(|_not_ours| NoticeRefusal::WrongRecipient)?;
    let provider_refund_id = body.wx_refund_id.clone();
    let event = NoticeEvent::ClawedBack { trade_no, provider_refund_id, amount };
    Ok(is_done.then(|| notice(id, event)))
}

fn asked(body: &RefundQuestion) -> Option<PaymentNotice> {
    let trade_no = body.pay_order_id.parse().ok()?;
    // Apple asks up to three times, and each time is a question of its own.
    let id = format!("ask:{trade_no}:{}", body.refund_time.chars().take(20).collect::<String>());
    Some(notice(id, NoticeEvent::RefundAsked { trade_no }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);
    const TRADE: &str = "00000000000000000000000000000abc";

    fn read(message: &str) -> Notified {
        understand(message.as_bytes(), Environment::Production, NOW)
    }

    fn deliver(env: &str, price: &str, quantity: &str) -> String {
        format!(
            r#"{{"Event":"xpay_goods_deliver_notify","MsgType":"event","OpenId":"o1","OutTradeNo":"{TRADE}",
            "Env":{env},"WeChatPayInfo":{{"MchOrderNo":"m","TransactionId":"t","PaidTime":1789999999}},
            "GoodsInfo":{{"ProductId":"p","Quantity":{quantity},"OrigPrice":9,"ActualPrice":{price},"Attach":""}}}}"#
        )
    }

    #[test]
    fn a_delivery_is_a_payment_of_price_times_quantity() {
        let Notified::Notice(PaymentNotice { id, event: NoticeEvent::Paid(payment), .. }) =
            read(&deliver("\"0\"", "600", "2"))
        else {
            panic!("a payment");
        };
        assert_eq!(id, format!("deliver:{TRADE}"));
        assert_eq!((payment.total, payment.provider_txn_id.as_str()), (Fen::new(1_200), "t"));
        assert_eq!(payment.goods, Some(("p".to_owned(), 2)));
        assert_eq!(payment.paid_at, Timestamp::from_millis(1_789_999_999_000));
    }

    #[test]
    fn the_other_environment_and_amounts_that_are_none_are_refused() {
        assert_eq!(read(&deliver("1", "600", "2")), Notified::Refused(NoticeRefusal::WrongEnvironment));
        let malformed = Notified::Refused(NoticeRefusal::Malformed);
        for (price, quantity) in [
            ("0", "1"),
            ("-6", "1"),
            ("-6", "-1"),
            ("6.5", "1"),
            ("600", "4294967296"),
            ("9223372036854775807", "2"),
            ("\"x\"", "1"),
            ("null", "1"),
        ] {
            assert_eq!(read(&deliver("0", price, quantity)), malformed, "{price} x {quantity}");
        }
    }

    #[test]
    fn a_refund_is_ours_or_was_taken_from_us() {
        let refund = |number: &str, code: i64| {
            read(&format!(
                r#"{{"Event":"xpay_refund_notify","WxRefundId":"w","MchRefundId":"{number}","MchOrderId":"{TRADE}",
                "RefundFee":5,"RetCode":{code}}}"#
            ))
        };
        let ours = refund("000000000000000000000000000000ff", 0);
        let Notified::Notice(PaymentNotice { event: NoticeEvent::RefundEnded { status, .. }, .. }) = ours
        else {
            panic!("{ours:?}");
        };
        assert_eq!(status, RefundStatus::Succeeded);
        assert!(matches!(
            refund("apple-1", 0),
            Notified::Notice(PaymentNotice { event: NoticeEvent::ClawedBack { .. }, .. })
        ));
        assert_eq!(refund("apple-1", 7), Notified::Ignored, "nothing was taken");
    }

    #[test]
    fn apple_s_question_names_the_order_and_other_events_are_ignored() {
        let question = format!(
            r#"{{"Event":"xpay_subscribe_ios_refund_query_notify","pay_order_id":"{TRADE}","refund_time":"1","p_count":"1"}}"#
        );
        assert!(matches!(
            read(&question),
            Notified::Notice(PaymentNotice { event: NoticeEvent::RefundAsked { .. }, .. })
        ));
        for other in ["{}", r#"{"Event":"wxa_media_check"}"#, r#"{"MsgType":"text","Content":"hi"}"#] {
            assert_eq!(read(other), Notified::Ignored, "{other}");
        }
        assert_eq!(read("<xml/>"), Notified::Refused(NoticeRefusal::Malformed));
    }
}
