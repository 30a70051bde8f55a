//! Sessions, on SQLite and Postgres.

use adapter_sql::{SqlSessions, SqlStore};
use tests::contract::session_store as suite;

fn sessions(store: &SqlStore) -> SqlSessions {
    SqlSessions::new(store.clone())
}

on_both_databases! {
    "../../src/contract/session_store.rs", sessions;
    a_created_session_comes_back_unchanged,
    an_unknown_session_is_absent,
    a_rotation_moves_the_number_and_the_times,
    of_many_rotations_at_once_one_wins,
    an_ended_session_does_not_rotate,
    a_session_ends_once,
    all_sessions_but_one_end_together,
    open_sessions_are_listed_newest_first,
    sessions_that_are_over_are_swept,
}
