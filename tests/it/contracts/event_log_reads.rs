//! Reads of the event log, on SQLite and Postgres.

use tests::contract::event_log_reads as suite;
use tests::contract::stored_chat::StoredChat;

on_both_databases! {
    "../../src/contract/event_log_reads.rs", StoredChat::on;
    the_newest_page_ascends_and_knows_of_older_ones,
    going_back_page_by_page_meets_every_message_once,
    a_page_before_an_unknown_message_is_empty,
    a_page_since_a_seq_holds_what_changed_after_it,
    pages_since_a_seq_ascend_by_the_latest_event,
    an_empty_history_still_has_a_head,
    a_growing_reply_shows_its_last_checkpoint,
    events_follow_a_cursor,
    events_show_their_messages_as_they_are,
    heads_are_read_at_once,
    a_question_leads_to_its_reply,
    a_senders_own_id_names_the_message,
    a_persons_messages_are_counted,
}
