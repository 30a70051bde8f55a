//! Every port's contract suite on every adapter of the port.

/// Runs a suite on SQLite and on Postgres: `suite` is the module in scope under that name, `$source` its file,
/// `$stores` makes what its functions take from a `SqlStore`. A MUST that the list forgets fails a test.
macro_rules! on_both_databases {
    ($source:literal, $stores:expr; $($must:ident),+ $(,)?) => {
        #[test]
        fn every_must_of_the_suite_runs() {
            let mut declared: Vec<_> = include_str!($source)
                .lines()
                .filter_map(|line| line.strip_prefix("pub async fn ")?.split('(').next())
                .collect();
            let mut listed = vec![$(stringify!($must)),+];
            declared.sort_unstable();
            listed.sort_unstable();
            assert_eq!(declared, listed);
        }

        mod sqlite {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $must() {
                    let backend = tests::backends::sqlite().await;
                    suite::$must(&$stores(&backend.store)).await;
                }
            )+
        }

        mod postgres {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $must() {
                    let backend = tests::backends::postgres().await;
                    suite::$must(&$stores(&backend.store)).await;
                }
            )+
        }
    };
}

mod audit_log;
mod ban_list;
mod block_store;
mod broadcaster;
mod cached_user_store;
mod cashier;
mod conversation_store;
mod entitlement_store;
mod event_log;
mod event_log_announcements;
mod event_log_likes;
mod event_log_messages;
mod event_log_reads;
mod event_log_recalls;
mod event_log_starts;
mod generation_store;
mod identity_provider;
mod ledger;
mod ledger_reads;
mod local_first;
mod login_log;
mod order_store;
mod password_hasher;
mod payment_gateway;
mod rate_limiter;
mod refund_store;
mod reply_model;
mod report_store;
mod revocation_feed;
mod room_members;
mod room_reads;
mod room_store;
mod sealer;
mod session_store;
mod stream_buffer;
mod text_index;
mod token_signer;
mod turn_store;
mod user_store;
