//! The operators' log, on SQLite and Postgres.

use adapter_sql::{SqlAuditLog, SqlStore};
use tests::contract::audit_log as suite;

fn log(store: &SqlStore) -> SqlAuditLog {
    SqlAuditLog::new(store.clone())
}

on_both_databases! {
    "../../src/contract/audit_log.rs", log;
    entries_come_back_the_newest_first,
}
