//! WeChat Pay: what is sent, and everything that must not be believed.

use billing::payment::{
    NoticeEvent, NoticeRefusal, Notified, PaymentNotice, Prepay, PrepayOutcome, RefundOutcome,
};
use billing::{Channel, PaymentGateway, PaymentParameters, PaymentStatus, RefundStatus};
use kernel::{Fen, PortError};
use serde_json::json;
use tests::contract::payment_gateway::{order, paid, refund, shown};
use tests::contract::payment_providers::{KnownBy, Merchant, payer};
use tests::contract::people::START;
use tests::fakes::wechat_pay::{MCH_ID, Seal, Signer, Trouble};

use super::{in_time, refusal, said};

fn number(order: &billing::Order) -> String {
    order.trade_no().to_string()
}

#[tokio::test]
async fn an_order_is_shown_with_its_end_and_its_payer() {
    let merchant = Merchant::start();
    let order = order(Channel::WechatPay, 1);
    let PaymentParameters::WechatPay { prepay_id, package, sign_type, time_stamp, nonce_str, .. } =
        shown(&merchant, &order).await
    else {
        panic!("parameters of WeChat Pay");
    };
    let sent = merchant.provider.order(&number(&order));
    assert_eq!(sent["time_expire"], "2026-09-21T22:43:20+08:00");
    assert_eq!(sent["payer"]["openid"], "openid-kong");
    assert_eq!(sent["amount"], json!({ "total": 1_000, "currency": "CNY" }));
    assert_eq!(sent["notify_url"], "https://chat.example.com/api/payment/callback");
    assert_eq!((package, sign_type.as_str()), (format!("prepay_id={prepay_id}"), "RSA"));
    assert_eq!((time_stamp.as_str(), nonce_str.len()), ("1790000000", 32));
}

#[tokio::test]
async fn who_has_no_wechat_identity_must_log_in() {
    let merchant = Merchant::start();
    let prepay = Prepay { order: order(Channel::WechatPay, 1), payer: None, at: START };
    assert_eq!(merchant.gateway.prepay(&prepay).await.unwrap(), PrepayOutcome::LoginNeeded);
}

#[tokio::test]
async fn what_wechat_pay_refuses_is_an_outcome_and_what_we_configured_wrong_an_error() {
    let merchant = Merchant::start();
    let prepay = Prepay { order: order(Channel::WechatPay, 1), payer: Some(payer()), at: START };
    merchant.provider.trouble(Trouble::Status(400, r#"{"code":"PARAM_ERROR","message":"x"}"#));
    let refused = PrepayOutcome::Refused { code: "PARAM_ERROR".to_owned() };
    assert_eq!(merchant.gateway.prepay(&prepay).await.unwrap(), refused);
    for body in [r#"{"code":"SIGN_ERROR"}"#, r#"{"code":"NO_AUTH"}"#, r#"{"code":"APPID_MCHID_NOT_MATCH"}"#] {
        merchant.provider.trouble(Trouble::Status(403, body));
        let error = merchant.gateway.prepay(&prepay).await.unwrap_err();
        assert!(matches!(error, PortError::Rejected { .. }), "{}", said(&error));
    }
}

#[tokio::test]
async fn a_provider_that_is_slow_broken_or_garbled_is_unavailable_in_time() {
    let merchant = Merchant::start();
    let order = paid(&merchant, 1).await;
    let request = refund(&merchant, &order, 1, 100);
    let troubles = [
        Trouble::Slow,
        Trouble::Status(500, r#"{"code":"SYSTEM_ERROR"}"#),
        Trouble::Status(502, "<html>openid-kong</html>"),
        Trouble::Status(503, ""),
        Trouble::Status(429, r#"{"code":"FREQUENCY_LIMITED"}"#),
        Trouble::Body("{"),
        Trouble::Body("[]"),
        Trouble::Body("{\"prepay_id\":7}"),
        Trouble::Huge,
    ];
    for trouble in troubles {
        merchant.provider.trouble(trouble.clone());
        let prepay = Prepay { order: order.clone(), payer: Some(payer()), at: START };
        let gateway = &merchant.gateway;
        let errors = [
            in_time(gateway.prepay(&prepay)).await.unwrap_err(),
            in_time(gateway.query(&order, None)).await.unwrap_err(),
            in_time(gateway.refund(&request)).await.unwrap_err(),
            in_time(gateway.query_refund(&request)).await.unwrap_err(),
        ];
        for error in errors {
            assert!(matches!(error, PortError::Unavailable { .. }), "{trouble:?}: {}", said(&error));
        }
    }
    merchant.provider.trouble(Trouble::None);
    assert_eq!(merchant.provider.refunded(&number(&order)), 0, "nothing went back");
    assert!(matches!(merchant.gateway.query(&order, None).await.unwrap(), PaymentStatus::Paid(_)));
}

#[tokio::test]
async fn a_success_that_wechat_pay_did_not_sign_is_not_believed() {
    let merchant = Merchant::start();
    let order = paid(&merchant, 1).await;
    for trouble in [Trouble::Unsigned, Trouble::Changed, Trouble::Late(300_000), Trouble::Late(-301_000)] {
        merchant.provider.trouble(trouble.clone());
        let error = merchant.gateway.query(&order, None).await.unwrap_err();
        assert!(matches!(error, PortError::Unavailable { .. }), "{trouble:?}: {}", said(&error));
    }
    merchant.provider.trouble(Trouble::None);
    for signer in [Signer::Foreign, Signer::Unknown, Signer::Expired] {
        merchant.provider.sign_by(signer);
        let error = merchant.gateway.query(&order, None).await.unwrap_err();
        assert!(matches!(error, PortError::Unavailable { .. }), "{signer:?}: {}", said(&error));
    }
    merchant.provider.sign_by(Signer::PublicKey);
    assert!(merchant.gateway.query(&order, None).await.is_ok());
}

#[tokio::test]
async fn an_answer_about_another_order_is_not_believed() {
    let merchant = Merchant::start();
    let order = paid(&merchant, 1).await;
    let other = r#"{"appid":"wx0123456789abcdef","mchid":"1900000109","out_trade_no":"01990000000070008000000000000002",
        "trade_state":"SUCCESS","transaction_id":"t","success_time":"2026-09-21T22:13:20+08:00","amount":{"total":1000}}"#;
    merchant.provider.trouble(Trouble::Body(other));
    let error = merchant.gateway.query(&order, None).await.unwrap_err();
    assert!(matches!(error, PortError::Corrupt { .. }), "{}", said(&error));
}

#[tokio::test]
async fn a_forged_notice_of_any_kind_is_refused_by_its_reason() {
    let merchant = Merchant::known_by(KnownBy::Both);
    let order = paid(&merchant, 1).await;
    let good = merchant.provider.seal();
    let notice = |seal: &Seal| merchant.provider.payment_notice(&number(&order), seal);
    let by = |signer| Seal { signer, ..good.clone() };
    let cases = [
        (by(Signer::Foreign), NoticeRefusal::Signature),
        (Seal { signature_prefix: "WECHATPAY/SIGNTEST/", ..good.clone() }, NoticeRefusal::Signature),
        (Seal { at: START.plus_seconds(-300), ..good.clone() }, NoticeRefusal::Stale),
        (Seal { at: START.plus_seconds(300), ..good.clone() }, NoticeRefusal::Stale),
        (Seal { api_v3_key: "x".repeat(32), ..good.clone() }, NoticeRefusal::Malformed),
        (Seal { said_aad: "refund".to_owned(), ..good.clone() }, NoticeRefusal::Malformed),
        (Seal { said_aad: String::new(), ..good.clone() }, NoticeRefusal::Malformed),
        (Seal { id: String::new(), ..good.clone() }, NoticeRefusal::Malformed),
        (by(Signer::Unknown), NoticeRefusal::UnknownKey),
        (by(Signer::Expired), NoticeRefusal::UnknownKey),
    ];
    for (seal, wanted) in cases {
        assert_eq!(refusal(&merchant.gateway, &notice(&seal)).await, Some(wanted), "{seal:?}");
    }
    // An empty associated data is documented too.
    let empty = Seal { said_aad: String::new(), sealed_aad: String::new(), ..good };
    assert_eq!(refusal(&merchant.gateway, &notice(&empty)).await, None);
}

#[tokio::test]
async fn a_certificate_that_is_over_proves_nothing() {
    let merchant = Merchant::known_by(KnownBy::Expired);
    let prepay = Prepay { order: order(Channel::WechatPay, 1), payer: Some(payer()), at: START };
    let error = merchant.gateway.prepay(&prepay).await.unwrap_err();
    assert!(said(&error).contains("Signature"), "{}", said(&error));
}

#[tokio::test]
async fn while_keys_change_both_kinds_of_notices_are_believed() {
    let merchant = Merchant::known_by(KnownBy::Both);
    let order = paid(&merchant, 1).await;
    for signer in [Signer::PublicKey, Signer::Certificate, Signer::PublicKey] {
        let seal = Seal { signer, ..merchant.provider.seal() };
        let sent = merchant.provider.payment_notice(&number(&order), &seal);
        assert_eq!(refusal(&merchant.gateway, &sent).await, None, "{signer:?}");
    }
    assert_eq!(merchant.provider.asked("GET /v3/certificates"), 0);
}

#[tokio::test]
async fn an_unknown_serial_asks_for_certificates_once_a_minute_at_most() {
    let merchant = Merchant::start();
    let order = paid(&merchant, 1).await;
    let forged = Seal { signer: Signer::Unknown, ..merchant.provider.seal() };
    let forged = merchant.provider.payment_notice(&number(&order), &forged);
    for _ in 0..20 {
        assert_eq!(refusal(&merchant.gateway, &forged).await, Some(NoticeRefusal::UnknownKey));
    }
    assert_eq!(merchant.provider.asked("GET /v3/certificates"), 1);
    // The merchant's first certificate comes with that one question.
    let new = Seal { signer: Signer::Certificate, ..merchant.provider.seal() };
    let new = merchant.provider.payment_notice(&number(&order), &new);
    assert_eq!(refusal(&merchant.gateway, &new).await, None);
    assert_eq!(merchant.provider.asked("GET /v3/certificates"), 1);
}

#[tokio::test]
async fn a_list_of_certificates_is_believed_only_if_it_opens_and_is_signed() {
    let merchant = Merchant::known_by(KnownBy::Download);
    let prepay = Prepay { order: order(Channel::WechatPay, 1), payer: Some(payer()), at: START };
    for trouble in
        [Trouble::Unsigned, Trouble::Changed, Trouble::Body("{\"data\":[{}]}"), Trouble::Status(404, "")]
    {
        merchant.provider.trouble(trouble.clone());
        let error = merchant.gateway.prepay(&prepay).await.unwrap_err();
        said(&error);
        merchant.clock.advance_millis(60_000);
    }
}

#[tokio::test]
async fn a_notice_for_another_merchant_or_app_is_refused() {
    let merchant = Merchant::start();
    let seal = merchant.provider.seal();
    let said = |app: &str, mch: &str, total: serde_json::Value, currency: &str| {
        let plain = json!({
            "appid": app, "mchid": mch, "out_trade_no": number(&order(Channel::WechatPay, 1)),
            "trade_state": "SUCCESS", "transaction_id": "t", "success_time": "2026-09-21T22:13:20+08:00",
            "amount": { "total": total, "currency": currency }, "payer": { "openid": "openid-kong" },
        });
        seal.notice("TRANSACTION.SUCCESS", &plain)
    };
    let (app, wrong) = ("wx0123456789abcdef", Some(NoticeRefusal::WrongRecipient));
    assert_eq!(refusal(&merchant.gateway, &said(app, MCH_ID, json!(1_000), "CNY")).await, None);
    assert_eq!(refusal(&merchant.gateway, &said("wx-other", MCH_ID, json!(1_000), "CNY")).await, wrong);
    assert_eq!(refusal(&merchant.gateway, &said(app, "1900000110", json!(1_000), "CNY")).await, wrong);
    let malformed = Some(NoticeRefusal::Malformed);
    for total in
        [json!(0), json!(-1), json!(1.5), json!("1000"), json!(null), json!(9_223_372_036_854_775_808_u64)]
    {
        assert_eq!(
            refusal(&merchant.gateway, &said(app, MCH_ID, total.clone(), "CNY")).await,
            malformed,
            "{total}"
        );
    }
    assert_eq!(refusal(&merchant.gateway, &said(app, MCH_ID, json!(1_000), "USD")).await, malformed);
}

#[tokio::test]
async fn a_refund_s_end_is_told_and_one_from_the_console_is_a_claw_back() {
    let merchant = Merchant::start();
    let order = paid(&merchant, 1).await;
    for (number, word, status) in [
        (1, "SUCCESS", RefundStatus::Succeeded),
        (2, "CLOSED", RefundStatus::Closed),
        (3, "ABNORMAL", RefundStatus::Abnormal),
    ] {
        let request = refund(&merchant, &order, number, 100);
        let outcome = merchant.gateway.refund(&request).await.unwrap();
        assert_eq!(outcome, RefundOutcome::Taken(RefundStatus::Pending));
        merchant.provider.end_refund(&request.refund.number(), word);
        let sent = merchant.provider.refund_notice(&request.refund.number(), &merchant.provider.seal());
        let Notified::Notice(PaymentNotice { event, .. }) =
            merchant.gateway.read(&sent.at(START)).await.unwrap()
        else {
            panic!("a notice");
        };
        assert_eq!(
            event,
            NoticeEvent::RefundEnded { refund: request.refund.id, status, amount: Fen::new(100) }
        );
        assert_eq!(merchant.gateway.query_refund(&request).await.unwrap(), status);
    }
    let console = json!({
        "mchid": MCH_ID, "out_trade_no": number(&order), "out_refund_no": "by-hand-1", "refund_id": "50000",
        "refund_status": "SUCCESS", "amount": { "total": 1_000, "refund": 5 },
    });
    let sent = merchant.provider.seal().notice("REFUND.SUCCESS", &console);
    let Notified::Notice(PaymentNotice { event, .. }) = merchant.gateway.read(&sent.at(START)).await.unwrap()
    else {
        panic!("a notice");
    };
    let NoticeEvent::ClawedBack { trade_no, provider_refund_id, amount } = event else { panic!("{event:?}") };
    assert_eq!((trade_no, provider_refund_id.as_str(), amount), (order.trade_no(), "50000", Fen::new(5)));
}

#[tokio::test]
async fn events_of_other_kinds_are_accepted_and_ignored() {
    let merchant = Merchant::start();
    let sent = merchant.provider.seal().notice("COUPON.USE", &json!({}));
    assert_eq!(merchant.gateway.read(&sent.at(START)).await.unwrap(), Notified::Ignored);
}

#[tokio::test]
async fn an_empty_merchant_account_is_no_refusal_for_good() {
    let merchant = Merchant::start();
    let order = paid(&merchant, 1).await;
    merchant.provider.trouble(Trouble::Status(403, r#"{"code":"NOT_ENOUGH"}"#));
    let error = merchant.gateway.refund(&refund(&merchant, &order, 1, 100)).await.unwrap_err();
    assert!(matches!(error, PortError::Unavailable { .. }), "{}", said(&error));
}

#[tokio::test]
async fn a_server_that_is_away_is_unavailable() {
    let clock = std::sync::Arc::new(kernel::ManualClock::at(START));
    // Port 1 of loopback: nothing listens there.
    let gateway = Merchant::gateway_of("http://127.0.0.1:1", KnownBy::PublicKey, clock);
    let error = in_time(gateway.query(&order(Channel::WechatPay, 1), None)).await.unwrap_err();
    assert!(matches!(error, PortError::Unavailable { .. }), "{}", said(&error));
}
