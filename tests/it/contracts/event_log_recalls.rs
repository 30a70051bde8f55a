//! Messages that are taken back, on SQLite and Postgres.

use tests::contract::event_log_recalls as suite;
use tests::contract::stored_chat::StoredChat;

on_both_databases! {
    "../../src/contract/event_log_recalls.rs", StoredChat::on;
    a_recall_takes_the_sessions_title_with_it,
    a_recall_erases_and_is_told,
    a_recalled_reply_keeps_its_cost_alone,
    a_second_recall_is_told_of_the_first,
    parallel_recalls_append_one,
    an_unknown_message_is_not_recalled,
    a_reply_recalled_while_it_grows_ends_without_text,
    a_recall_that_meets_the_end_leaves_no_text,
    a_recalled_message_keeps_its_likes,
}
