//! Bans of rooms, on SQLite and Postgres.

use tests::contract::ban_list as suite;
use tests::contract::stored_chat::StoredChat;

on_both_databases! {
    "../../src/contract/ban_list.rs", StoredChat::on;
    banned_people_are_listed,
    a_lifted_ban_lets_come_back,
    only_a_ban_is_lifted,
}
