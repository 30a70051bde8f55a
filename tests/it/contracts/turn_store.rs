//! Turns, on SQLite and Postgres.

use tests::contract::stored_chat::StoredChat;
use tests::contract::turn_store as suite;

on_both_databases! {
    "../../src/contract/turn_store.rs", StoredChat::on;
    an_appended_turn_comes_back_unchanged,
    an_unknown_turn_is_absent,
    an_open_turn_is_updated,
    a_turn_that_is_over_is_not_updated,
    only_the_owner_updates_a_turn,
    a_change_of_older_steps_is_refused,
    a_turn_is_adopted_by_one,
    open_turns_are_oldest_first,
    an_instance_finds_its_own_open_turns,
    a_turn_without_a_lease_is_an_orphan,
    turns_are_listed_newest_first,
}
