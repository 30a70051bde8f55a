//! Blocks between people, on SQLite and Postgres.

use tests::contract::block_store as suite;
use tests::contract::stored_chat::StoredChat;

on_both_databases! {
    "../../src/contract/block_store.rs", StoredChat::on;
    a_block_holds_until_it_ends,
    one_block_comes_of_many_calls,
    a_full_list_takes_no_more,
    blocks_are_listed_the_latest_first,
}
