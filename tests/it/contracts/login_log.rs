//! The login log, on SQLite and Postgres.

use adapter_sql::{SqlLoginLog, SqlStore};
use tests::contract::login_log as suite;

fn log(store: &SqlStore) -> SqlLoginLog {
    SqlLoginLog::new(store.clone())
}

on_both_databases! {
    "../../src/contract/login_log.rs", log;
    a_record_comes_back_unchanged,
    records_are_listed_newest_first,
    a_user_sees_only_their_own_records,
    old_records_are_swept,
}
