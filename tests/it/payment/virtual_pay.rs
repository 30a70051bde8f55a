//! Virtual payment: tokens, failures, and what the push may and may not say.

use adapter_wechat::Environment;
use billing::payment::{
    CloseOutcome, NoticeEvent, NoticeRefusal, Notified, PaymentNotice, Prepay, PrepayOutcome, RefundOutcome,
    Verdict, WechatPayer,
};
use billing::ports::PushHandshake;
use billing::{Channel, PaymentGateway, PaymentParameters, RefundStatus};
use kernel::{Fen, PortError};
use secrecy::SecretString;
use tests::contract::payment_gateway::{order, paid, refund, shown};
use tests::contract::payment_providers::{NAME, Virtual, payer};
use tests::contract::people::START;
use tests::fakes::sent::Sent;
use tests::fakes::wechat::{APP_ID, Trouble, encrypted_push};

use super::{in_time, refusal, said};

#[tokio::test]
async fn what_is_signed_is_what_the_client_passes_on() {
    let shop = Virtual::start();
    let order = order(Channel::WechatVirtual, 1);
    let PaymentParameters::WechatVirtual { sign_data, .. } = shown(&shop, &order).await else {
        panic!("parameters of virtual payment");
    };
    assert_eq!(
        sign_data,
        r#"{"offerId":"1450000001","buyQuantity":2,"env":0,"currencyType":"CNY","productId":"credits_5","goodsPrice":500,"outTradeNo":"01990000000070008000000000000001","attach":"jixia"}"#
    );
}

#[tokio::test]
async fn a_session_key_of_an_earlier_login_does_not_pay() {
    let shop = Virtual::start();
    let old = WechatPayer { session_key: Some(SecretString::from("old==")), ..payer() };
    let order = order(Channel::WechatVirtual, 1);
    let prepay = |payer| Prepay { order: order.clone(), payer, at: START };
    let PrepayOutcome::Ready(parameters) = shop.gateway.prepay(&prepay(Some(old))).await.unwrap() else {
        panic!("parameters");
    };
    assert_eq!(shop.platform.client_pays(NAME, &parameters, START), Err("signature".to_owned()));
    let none = WechatPayer { session_key: None, ..payer() };
    for payer in [Some(none), None] {
        assert_eq!(shop.gateway.prepay(&prepay(payer)).await.unwrap(), PrepayOutcome::LoginNeeded);
    }
}

#[tokio::test]
async fn a_price_that_the_console_does_not_know_is_refused() {
    let shop = Virtual::start();
    let mut order = order(Channel::WechatVirtual, 1);
    order.total = Fen::new(900);
    let prepay = Prepay { order, payer: Some(payer()), at: START };
    assert!(matches!(shop.gateway.prepay(&prepay).await.unwrap(), PrepayOutcome::Refused { .. }));
}

#[tokio::test]
async fn one_token_serves_all_callers_and_a_revoked_one_is_replaced_once() {
    let shop = Virtual::start();
    let order = paid(&shop, 1).await;
    let payer = payer();
    let query = || shop.gateway.query(&order, Some(&payer));
    let answers = futures::future::join_all((0..20).map(|_| query())).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(shop.platform.tokens(), 1, "single flight");
    shop.platform.revoke_token();
    assert!(query().await.is_ok());
    assert_eq!(shop.platform.tokens(), 2);
    shop.platform.trouble(Trouble::Code(40_001));
    let error = query().await.unwrap_err();
    said(&error);
}

#[tokio::test]
async fn a_token_is_replaced_five_minutes_before_its_end_or_a_little_earlier() {
    let shop = Virtual::start();
    let order = paid(&shop, 1).await;
    let payer = payer();
    for (seconds, tokens) in [(0, 1), (6_839, 1), (62, 2), (6_838, 2), (62, 3)] {
        shop.clock.advance_millis(seconds * 1_000);
        shop.gateway.query(&order, Some(&payer)).await.unwrap();
        assert_eq!(shop.platform.tokens(), tokens, "{seconds} s later");
    }
}

#[tokio::test]
async fn a_platform_that_is_slow_broken_or_garbled_is_unavailable_in_time() {
    let shop = Virtual::start();
    let order = paid(&shop, 1).await;
    let request = refund(&shop, &order, 1, 100);
    let payer = payer();
    for has_token in [false, true] {
        if has_token {
            shop.platform.trouble(Trouble::None);
            shop.gateway.query(&order, Some(&payer)).await.unwrap();
        }
        for trouble in [
            Trouble::Slow,
            Trouble::Status(500),
            Trouble::Status(302),
            Trouble::Body("<html>openid-kong</html>"),
            Trouble::Body("{\"errcode\":0,\"access_token\":7,\"order\":{}}"),
            Trouble::Huge,
            Trouble::Code(-1),
            Trouble::Code(45_009),
        ] {
            shop.platform.trouble(trouble.clone());
            let errors = [
                in_time(shop.gateway.query(&order, Some(&payer))).await.unwrap_err(),
                in_time(shop.gateway.refund(&request)).await.unwrap_err(),
            ];
            for error in errors {
                assert!(matches!(error, PortError::Unavailable { .. }), "{trouble:?}: {}", said(&error));
            }
        }
    }
}

#[tokio::test]
async fn a_wrong_key_is_an_error_of_ours_and_says_so() {
    let shop = Virtual::start();
    let order = paid(&shop, 1).await;
    shop.gateway.query(&order, Some(&payer())).await.unwrap();
    for code in [268_490_003, 48_001, -15_006] {
        shop.platform.trouble(Trouble::Code(code));
        let error = shop.gateway.query(&order, Some(&payer())).await.unwrap_err();
        assert!(matches!(error, PortError::Rejected { .. }), "{code}");
        assert!(said(&error).contains(&code.to_string()));
    }
    let error = shop.gateway.query(&order, None).await.unwrap_err();
    said(&error);
}

#[tokio::test]
async fn documented_refusals_of_a_refund_are_outcomes() {
    let shop = Virtual::start();
    let order = paid(&shop, 1).await;
    let request = refund(&shop, &order, 1, 100);
    assert_eq!(shop.gateway.refund(&request).await.unwrap(), RefundOutcome::Taken(RefundStatus::Pending));
    shop.platform.end_refund(&request.refund.number(), false);
    assert_eq!(shop.gateway.query_refund(&request).await.unwrap(), RefundStatus::Abnormal);
    let never_paid =
        refund(&shop, &tests::contract::payment_gateway::order(Channel::WechatVirtual, 9), 2, 100);
    assert!(matches!(shop.gateway.refund(&never_paid).await.unwrap(), RefundOutcome::Refused { .. }));
}

#[tokio::test]
async fn there_is_nothing_to_close() {
    let shop = Virtual::start();
    let outcome = shop.gateway.close(&order(Channel::WechatVirtual, 1)).await.unwrap();
    assert_eq!(outcome, CloseOutcome::BySelf);
}

#[tokio::test]
async fn a_delivery_of_the_test_environment_never_counts_in_production() {
    let (shop, sandbox) = (Virtual::start(), Virtual::in_environment(Environment::Sandbox));
    let order = paid(&sandbox, 1).await;
    let sent = sandbox.platform.delivery(&order.trade_no().to_string(), START);
    assert_eq!(refusal(&sandbox.gateway, &sent).await, None);
    assert_eq!(refusal(&shop.gateway, &sent).await, Some(NoticeRefusal::WrongEnvironment));
    let order = paid(&shop, 2).await;
    let sent = shop.platform.delivery(&order.trade_no().to_string(), START);
    assert_eq!(refusal(&sandbox.gateway, &sent).await, Some(NoticeRefusal::WrongEnvironment));
}

#[tokio::test]
async fn a_push_that_is_not_in_safe_mode_or_for_another_app_is_refused() {
    let shop = Virtual::start();
    let order = paid(&shop, 1).await;
    let message = shop.platform.delivery_message(&order.trade_no().to_string());
    let other = encrypted_push(&message, "wx-other", START);
    assert_eq!(refusal(&shop.gateway, &other).await, Some(NoticeRefusal::WrongRecipient));
    // The plain mode's signature does not cover the message, and is worth nothing.
    let mut plain = encrypted_push(&message, APP_ID, START);
    plain.body = message.clone().into_bytes();
    assert_eq!(refusal(&shop.gateway, &plain).await, Some(NoticeRefusal::Malformed));
    // A signature that was taken from another message.
    let question = shop.platform.refund_question(&order.trade_no().to_string(), START);
    let stolen = Sent { query: question.query, ..encrypted_push(&message, APP_ID, START) };
    assert_eq!(refusal(&shop.gateway, &stolen).await, Some(NoticeRefusal::Signature));
    for garbage in ["", "{}", "not json", r#"{"Event":7}"#] {
        let sent = encrypted_push(garbage, APP_ID, START);
        let refused = refusal(&shop.gateway, &sent).await;
        assert_eq!(refused.is_none(), garbage == "{}", "{garbage}: {refused:?}");
    }
}

#[tokio::test]
async fn refunds_are_told_and_apple_s_question_is_answered() {
    let shop = Virtual::start();
    let order = paid(&shop, 1).await;
    let number = order.trade_no().to_string();
    let request = refund(&shop, &order, 1, 100);
    let event = |sent: Sent| async move {
        match Virtual::start().gateway.read(&sent.at(START)).await.unwrap() {
            Notified::Notice(PaymentNotice { event, .. }) => event,
            other => panic!("{other:?}"),
        }
    };
    let ours = event(shop.platform.refund_push(&request.refund.number(), &number, 100, START)).await;
    let amount = Fen::new(100);
    let status = RefundStatus::Succeeded;
    assert_eq!(ours, NoticeEvent::RefundEnded { refund: request.refund.id, status, amount });
    let apple = event(shop.platform.refund_push("apple-1", &number, 100, START)).await;
    let provider_refund_id = "wx-apple-1".to_owned();
    assert_eq!(apple, NoticeEvent::ClawedBack { trade_no: order.trade_no(), provider_refund_id, amount });
    let asked = event(shop.platform.refund_question(&number, START)).await;
    assert_eq!(asked, NoticeEvent::RefundAsked { trade_no: order.trade_no() });
    let advice = |agree| shop.gateway.reply(Verdict::Advice { agree }).body;
    let code =
        |body: Vec<u8>| serde_json::from_slice::<serde_json::Value>(&body).unwrap()["result_code"].clone();
    assert_eq!((code(advice(true)), code(advice(false))), (0.into(), 1.into()));
}

#[tokio::test]
async fn nobody_but_the_console_is_echoed() {
    let shop = Virtual::start();
    let challenge = Sent { body: Vec::new(), ..shop.platform.refund_question("x", START) };
    assert_eq!(shop.gateway.echo(&challenge.at(START)), None);
}
