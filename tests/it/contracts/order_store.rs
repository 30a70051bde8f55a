//! Orders, on SQLite and Postgres.

use tests::contract::order_store as suite;
use tests::contract::shop::Shop;

on_both_databases! {
    "../../src/contract/order_store.rs", Shop::on;
    an_order_is_found_as_it_was_stored,
    one_key_makes_one_order,
    a_key_with_another_body_conflicts,
    a_stock_is_never_oversold,
    a_coupon_is_used_once_by_each_and_so_often_in_all,
    an_order_moves_only_forward,
    a_payment_is_delivered_once,
    a_late_payment_is_delivered_all_the_same,
    a_delivery_that_fails_changes_nothing,
    memberships_follow_each_other,
    due_orders_are_found,
    lists_are_newest_first,
    what_differs_from_the_books_is_named,
    a_coupon_is_found_as_it_was_put,
}
