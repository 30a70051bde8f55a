//! What is read and unread, on SQLite and Postgres.

use tests::contract::room_reads as suite;
use tests::contract::stored_chat::StoredChat;

on_both_databases! {
    "../../src/contract/room_reads.rs", StoredChat::on;
    a_read_mark_only_rises,
    read_marks_that_come_together_leave_the_highest,
    what_others_said_is_unread,
    what_blocked_people_say_is_not_unread,
    unread_messages_are_counted_up_to_a_limit,
}
