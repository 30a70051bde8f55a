//! Users, on SQLite and Postgres, and behind the cache.

use std::sync::Arc;

use adapter_sql::{SqlStore, SqlUsers};
use auth::CachedUserStore;
use kernel::ManualClock;
use tests::contract::people::START;
use tests::contract::user_store as suite;

fn users(store: &SqlStore) -> SqlUsers {
    SqlUsers::new(store.clone())
}

/// The clock stands, so that nothing the cache remembers is ever too old: only invalidation helps.
fn cached(store: &SqlStore) -> CachedUserStore {
    CachedUserStore::new(Arc::new(users(store)), Arc::new(ManualClock::at(START)), 1_000)
}

macro_rules! contract {
    ($($must:ident),+ $(,)?) => {
        on_both_databases! { "../../src/contract/user_store.rs", users; $($must),+ }

        mod behind_the_cache {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $must() {
                    let backend = tests::backends::sqlite().await;
                    suite::$must(&cached(&backend.store)).await;
                }
            )+
        }
    };
}

contract! {
    a_created_user_comes_back_whole,
    an_unknown_user_is_absent,
    an_account_is_found_by_each_of_its_keys,
    a_taken_email_is_refused_without_regard_to_case,
    a_taken_identity_is_refused,
    many_users_may_have_no_email,
    one_of_many_at_once_gets_the_identity_and_the_email,
    a_profile_changes_where_it_is_told_to,
    a_password_is_replaced_once_against_the_old_one,
    a_sign_in_leaves_its_time_and_the_newest_session_key,
    a_ban_is_seen_at_once,
}
