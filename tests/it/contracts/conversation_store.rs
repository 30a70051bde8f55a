//! Conversations, on SQLite and Postgres.

use tests::contract::conversation_store as suite;
use tests::contract::stored_chat::StoredChat;

on_both_databases! {
    "../../src/contract/conversation_store.rs", StoredChat::on;
    a_created_conversation_comes_back_unchanged,
    an_unknown_conversation_is_absent,
    an_id_is_taken_once,
    a_key_makes_one_conversation,
    a_key_is_for_one_request_of_one_owner,
    a_key_is_free_again_after_its_time_and_after_a_deletion,
    one_key_creates_once_however_many_come_together,
    the_list_is_ordered_by_activity_and_then_by_newest_id,
    the_list_shows_each_newest_message,
    the_list_leaves_out_deleted_ones_and_other_peoples,
    squads_and_rooms_are_not_seen,
    the_list_is_paged,
    a_title_is_given,
    a_deleted_conversation_reads_as_empty,
    a_saga_outlives_its_conversation,
    a_deletion_leaves_other_conversations_whole,
}
