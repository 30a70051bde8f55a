//! Writes of the ledger, on SQLite and Postgres.

use std::sync::Arc;

use adapter_sql::{SqlLedger, SqlStore};
use tests::contract::books::{Books, ids};
use tests::contract::ledger as suite;

fn books(store: &SqlStore) -> Books {
    Books::new(Arc::new(SqlLedger::new(store.clone(), Arc::new(ids(2)))), 1)
}

on_both_databases! {
    "../../src/contract/ledger.rs", books;
    an_account_is_opened_once_with_one_grant,
    an_account_without_a_grant_has_no_transfer,
    a_reserve_moves_its_amount_from_available_to_held,
    a_reserve_beyond_what_is_available_changes_nothing,
    a_repeated_reserve_is_replayed_from_an_empty_purse,
    a_reserve_for_something_else_under_a_known_id_conflicts,
    of_parallel_reserves_of_one_message_one_holds,
    of_200_parallel_reserves_exactly_as_many_hold_as_the_balance_pays_for,
    a_settlement_takes_the_charge_and_gives_back_the_rest,
    a_charge_beyond_the_hold_is_lost_and_not_taken,
    a_charge_of_nothing_posts_nothing,
    a_settled_hold_stays_as_it_is,
    a_void_gives_the_whole_hold_back,
    an_unknown_message_has_no_hold,
    of_parallel_settlements_and_voids_one_wins,
    a_hold_whose_time_is_over_is_given_back,
    parallel_sweeps_give_a_hold_back_once,
    a_late_settlement_takes_what_is_left,
    a_renewal_keeps_the_open_holds_of_its_instance,
}
