//! Reports to the operators, on SQLite and Postgres.

use tests::contract::report_store as suite;
use tests::contract::stored_chat::StoredChat;

on_both_databases! {
    "../../src/contract/report_store.rs", StoredChat::on;
    a_report_is_kept_as_it_was_filed,
    a_message_is_reported_once_by_each,
    a_person_is_reported_again_after_a_verdict,
    one_report_comes_of_many_calls,
    reports_are_listed_by_state,
    a_report_shows_its_message_as_it_stands,
    a_later_verdict_replaces_an_earlier_one,
}
