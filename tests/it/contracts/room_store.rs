//! Rooms and squads, on SQLite and Postgres.

use tests::contract::room_store as suite;
use tests::contract::stored_chat::StoredChat;

on_both_databases! {
    "../../src/contract/room_store.rs", StoredChat::on;
    a_created_room_comes_back_unchanged,
    an_unknown_room_is_absent,
    a_session_is_no_room,
    a_rooms_id_is_taken_once,
    a_key_makes_one_room,
    a_key_is_for_one_kind,
    one_key_creates_one_room_however_many_come_together,
    rooms_are_ensured_and_not_overwritten,
    servers_that_start_together_ensure_rooms_once,
    a_change_changes_what_it_names,
    a_new_code_replaces_the_one_before,
    each_scope_shows_its_rooms,
    a_category_narrows_the_list,
    rooms_are_sorted,
    rooms_are_paged,
    a_list_shows_what_concerns_the_viewer,
    a_list_shows_messages_to_members_only,
}
