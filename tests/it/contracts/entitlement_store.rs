//! Rights, on SQLite and Postgres.

use tests::contract::entitlement_store as suite;
use tests::contract::shop::Shop;

on_both_databases! {
    "../../src/contract/entitlement_store.rs", Shop::on;
    one_key_gives_one_right,
    rights_that_are_over_are_left_out,
    a_membership_lasts_until_the_first_gap,
}
