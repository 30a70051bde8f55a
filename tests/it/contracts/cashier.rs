//! Money without a hold, on SQLite and Postgres.

use std::sync::Arc;

use adapter_sql::{SqlLedger, SqlStore};
use tests::contract::books::{Books, ids};
use tests::contract::cashier as suite;

fn books(store: &SqlStore) -> Books {
    Books::new(Arc::new(SqlLedger::new(store.clone(), Arc::new(ids(2)))), 1)
}

on_both_databases! {
    "../../src/contract/cashier.rs", books;
    of_parallel_credits_of_one_key_one_is_applied,
    a_wallet_made_by_a_credit_is_opened_later,
    of_200_parallel_debits_exactly_as_many_pass_as_the_balance_pays_for,
    a_repeated_debit_is_replayed_from_an_empty_and_frozen_purse,
    lots_are_spent_in_their_order,
    a_lot_ends_with_its_time,
    free_credits_come_once_a_day,
    a_days_limit_counts_what_is_held,
    a_pool_gets_what_its_member_gives,
    a_frozen_account_settles_what_it_held,
}
