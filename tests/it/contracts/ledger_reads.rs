//! Reads of the ledger, on SQLite and Postgres.

use std::sync::Arc;

use adapter_sql::{SqlLedger, SqlStore};
use tests::contract::books::{Books, ids};
use tests::contract::ledger_reads as suite;

fn books(store: &SqlStore) -> Books {
    Books::new(Arc::new(SqlLedger::new(store.clone(), Arc::new(ids(2)))), 1)
}

on_both_databases! {
    "../../src/contract/ledger_reads.rs", books;
    transactions_come_newest_first_and_sum_to_the_balance,
    transactions_are_filtered_by_kind,
    a_person_without_a_wallet_has_no_transactions,
    a_report_counts_accounts_transfers_and_holds,
    a_report_is_sound_while_others_write,
}
