//! PaymentGateway: the sandbox, virtual payment and WeChat Pay, each on its other side, which is a fake.

use tests::contract::payment_gateway as suite;
use tests::contract::payment_providers::{KnownBy, Merchant, Sandbox, Virtual};

macro_rules! contract {
    ($($must:ident),+ $(,)?) => {
        #[test]
        fn every_must_of_the_suite_runs() {
            const HELPERS: [&str; 3] = ["shown", "paid", "refund"];
            let mut declared: Vec<_> = include_str!("../../src/contract/payment_gateway.rs")
                .lines()
                .filter_map(|line| line.strip_prefix("pub async fn ")?.split('(').next())
                .filter(|name| !HELPERS.contains(name))
                .collect();
            let mut listed = vec![$(stringify!($must)),+];
            declared.sort_unstable();
            listed.sort_unstable();
            assert_eq!(declared, listed);
        }
        contract! { @on sandbox, Sandbox::start(); $($must),+ }
        contract! { @on wechat_virtual, Virtual::start(); $($must),+ }
        contract! { @on wechat_pay, Merchant::start(); $($must),+ }
        contract! { @on wechat_pay_by_certificate, Merchant::known_by(KnownBy::Certificate); $($must),+ }
        contract! { @on wechat_pay_by_downloaded_certificate, Merchant::known_by(KnownBy::Download); $($must),+ }
    };
    (@on $provider:ident, $start:expr; $($must:ident),+) => {
        mod $provider {
            use super::*;
            $(
                #[tokio::test]
                async fn $must() {
                    suite::$must(&$start).await;
                }
            )+
        }
    };
}

contract! {
    a_shown_order_can_be_paid_and_is_found,
    a_repeated_prepay_is_for_the_same_payment,
    an_order_whose_time_is_over_is_not_shown,
    a_message_reads_as_the_payment_however_often,
    a_changed_or_truncated_message_is_refused,
    a_message_of_another_time_is_refused,
    an_answer_ends_or_asks_for_repetition,
    closing_is_final_unless_it_is_paid,
    an_order_that_was_never_shown_closes,
    a_confirmation_may_be_repeated,
    the_same_refund_pays_once_and_no_more_than_is_left,
}
