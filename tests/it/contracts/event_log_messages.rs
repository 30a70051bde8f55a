//! What people say in rooms and squads, on SQLite and Postgres.

use tests::contract::event_log_messages as suite;
use tests::contract::stored_chat::StoredChat;

on_both_databases! {
    "../../src/contract/event_log_messages.rs", StoredChat::on;
    a_message_is_stored_whole,
    a_text_comes_back_as_it_was,
    a_late_message_leaves_the_later_activity,
    a_squad_hears_its_owner_alone,
    sessions_unknown_and_closed_rooms_take_no_message,
    only_members_speak,
    a_muted_member_speaks_when_it_is_over,
    a_used_own_id_is_repeated_before_other_refusals,
    an_own_id_is_the_senders_in_one_room,
    parallel_retries_store_one_message,
    parallel_messages_get_seqs_without_a_hole,
    a_bad_message_refuses_nobody_else,
    a_vanished_caller_takes_nothing_back,
}
