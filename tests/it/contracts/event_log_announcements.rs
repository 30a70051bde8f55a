//! What the house announces, on SQLite and Postgres.

use tests::contract::event_log_announcements as suite;
use tests::contract::stored_chat::StoredChat;

on_both_databases! {
    "../../src/contract/event_log_announcements.rs", StoredChat::on;
    an_announcement_is_a_message_of_nobody,
    a_name_is_given_once_in_a_room,
    one_announcement_comes_of_many_calls,
    only_open_rooms_take_announcements,
}
