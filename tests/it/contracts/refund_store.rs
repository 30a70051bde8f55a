//! Refunds, on SQLite and Postgres.

use tests::contract::refund_store as suite;
use tests::contract::shop::Shop;

on_both_databases! {
    "../../src/contract/refund_store.rs", Shop::on;
    a_refund_is_booked_once,
    a_refund_that_is_given_up_leaves_everything_as_before,
    refunds_never_exceed_the_payment,
    more_credits_than_are_free_are_not_taken,
    one_key_begins_one_refund,
    open_refunds_are_found,
    what_the_provider_took_is_booked_once,
    a_wish_is_noted_once_and_answered_by_a_refund,
}
