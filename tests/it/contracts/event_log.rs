//! Appends to the event log, on SQLite and Postgres.

use tests::contract::event_log as suite;
use tests::contract::stored_chat::StoredChat;

on_both_databases! {
    "../../src/contract/event_log.rs", StoredChat::on;
    an_exchange_gets_two_neighbouring_seqs,
    an_exchange_is_stored_whole,
    an_exchange_moves_head_activity_and_empty_title,
    a_used_client_msg_id_is_repeated_before_any_other_refusal,
    a_client_msg_id_is_the_senders_own_in_one_conversation,
    questions_without_an_own_id_never_repeat,
    a_streaming_reply_refuses_the_next_question,
    an_unknown_conversation_takes_no_exchange,
    parallel_retries_store_one_question,
    parallel_questions_begin_one_reply,
    the_log_has_no_hole_while_many_append,
    an_end_is_stored_whole,
    every_reason_to_end_comes_back,
    an_end_is_won_by_one_caller,
    an_end_of_another_generation_is_refused,
    an_orphans_end_moves_the_generation_on,
    an_end_after_deletion_marks_the_saga_alone,
    a_deletion_meets_appends_without_a_trace,
}
