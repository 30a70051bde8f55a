//! Replies in rooms and squads that begin, on SQLite and Postgres.

use tests::contract::event_log_starts as suite;
use tests::contract::stored_chat::StoredChat;

on_both_databases! {
    "../../src/contract/event_log_starts.rs", StoredChat::on;
    a_start_is_stored_whole,
    a_growing_reply_refuses_the_next,
    parallel_starts_begin_one_reply,
    a_repeated_start_is_told_that_it_began,
    a_turn_that_is_over_or_anothers_takes_no_start,
    a_message_that_is_gone_gets_no_reply,
    unknown_and_closed_rooms_take_no_start,
    growing_replies_are_found,
    a_reply_is_a_characters,
}
