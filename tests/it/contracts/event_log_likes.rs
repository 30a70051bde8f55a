//! Likes, on SQLite and Postgres.

use tests::contract::event_log_likes as suite;
use tests::contract::stored_chat::StoredChat;

on_both_databases! {
    "../../src/contract/event_log_likes.rs", StoredChat::on;
    a_like_is_stored_whole,
    a_repeated_like_changes_nothing,
    parallel_likes_lose_none,
    an_ended_like_makes_room_for_an_older_one,
    ones_own_likes_are_known,
    a_message_that_is_gone_is_not_liked,
}
