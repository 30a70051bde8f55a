//! Members of rooms, on SQLite and Postgres.

use tests::contract::room_members as suite;
use tests::contract::stored_chat::StoredChat;

on_both_databases! {
    "../../src/contract/room_members.rs", StoredChat::on;
    a_standing_is_of_any_kind,
    a_join_makes_a_member_and_an_event,
    a_member_joins_once,
    one_person_joins_once_however_often_they_come_together,
    a_room_takes_no_more_than_its_limit,
    a_smaller_limit_lets_nobody_in,
    a_private_room_asks_for_its_code,
    a_room_may_require_a_level,
    some_conversations_take_nobody,
    a_membership_ends_with_an_event,
    no_membership_ends_without_an_event,
    a_membership_ends_once,
    a_ban_keeps_out,
    a_return_keeps_counts_and_silence,
    a_membership_is_changed,
    members_are_listed,
    members_and_messages_share_one_log,
}
