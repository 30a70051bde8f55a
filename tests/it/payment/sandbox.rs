//! The sandbox: its page's token, its till, and its signature.

use billing::payment::{NoticeRefusal, Notified, SandboxChoice};
use billing::ports::SandboxDesk;
use billing::{Channel, PaymentGateway, PaymentParameters, PaymentStatus};
use kernel::Fen;
use tests::contract::payment_gateway::{order, shown};
use tests::contract::payment_providers::Sandbox;
use tests::contract::people::START;
use tests::fakes::sent::Sent;

use super::refusal;

#[tokio::test]
async fn the_page_names_the_order_and_only_its_own_token_opens_it() {
    let sandbox = Sandbox::start();
    let order = order(Channel::Sandbox, 1);
    let parameters = shown(&sandbox, &order).await;
    let PaymentParameters::Sandbox { page } = &parameters else { panic!("a page") };
    assert!(page.starts_with("/sandbox/pay/01990000000070008000000000000001?token="), "{page}");
    let (desk, token) = (&sandbox.gateway, Sandbox::token(&parameters));
    let slip = desk.slip(order.trade_no(), &token, START).expect("a slip");
    assert_eq!((slip.total, slip.expires_at), (Fen::new(1_000), order.expires_at));
    let other = tests::contract::payment_gateway::order(Channel::Sandbox, 2);
    assert_eq!(desk.slip(other.trade_no(), &token, START), None, "another order");
    assert_eq!(desk.slip(order.trade_no(), &token, order.expires_at), None, "too late");
    for forged in ["", ".", "..", "1.2", &token.replacen("1000", "1", 1), &format!("{token}0")] {
        assert_eq!(desk.slip(order.trade_no(), forged, START), None, "{forged}");
        assert_eq!(desk.decide(order.trade_no(), forged, SandboxChoice::Pay, START), None, "{forged}");
    }
}

#[tokio::test]
async fn a_failed_payment_can_be_tried_again_and_a_paid_one_stays_paid() {
    let sandbox = Sandbox::start();
    let order = order(Channel::Sandbox, 1);
    let token = Sandbox::token(&shown(&sandbox, &order).await);
    let decide = |choice| sandbox.gateway.decide(order.trade_no(), &token, choice, START).map(Sent::from);
    let failed = decide(SandboxChoice::Fail).expect("a message");
    assert_eq!(sandbox.gateway.read(&failed.at(START)).await.unwrap(), Notified::Ignored);
    assert_eq!(sandbox.gateway.query(&order, None).await.unwrap(), PaymentStatus::Pending);
    let paid = decide(SandboxChoice::Pay).expect("a message");
    assert!(matches!(sandbox.gateway.read(&paid.at(START)).await.unwrap(), Notified::Notice(_)));
    assert_eq!(decide(SandboxChoice::Fail), Some(paid), "what is paid stays paid");
}

#[tokio::test]
async fn a_closed_order_is_not_paid_any_more() {
    let sandbox = Sandbox::start();
    let order = order(Channel::Sandbox, 1);
    let token = Sandbox::token(&shown(&sandbox, &order).await);
    sandbox.gateway.close(&order).await.unwrap();
    assert_eq!(sandbox.gateway.decide(order.trade_no(), &token, SandboxChoice::Pay, START), None);
}

#[tokio::test]
async fn another_server_s_play_money_is_worth_nothing() {
    let (sandbox, order) = (Sandbox::start(), order(Channel::Sandbox, 1));
    let foreign = adapter_memory::SandboxGateway::new(secrecy::SecretBox::new(Box::new([8; 32])));
    let token = Sandbox::token(&shown(&sandbox, &order).await);
    assert_eq!(foreign.slip(order.trade_no(), &token, START), None);
    let sent = sandbox.gateway.decide(order.trade_no(), &token, SandboxChoice::Pay, START).map(Sent::from);
    assert_eq!(refusal(&foreign, &sent.expect("a message")).await, Some(NoticeRefusal::Signature));
}
