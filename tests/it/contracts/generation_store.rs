//! Sagas and leases, on SQLite and Postgres.

use tests::contract::generation_store as suite;
use tests::contract::stored_chat::StoredChat;

on_both_databases! {
    "../../src/contract/generation_store.rs", StoredChat::on;
    an_unknown_saga_is_absent,
    a_checkpoint_is_kept_while_streaming,
    a_checkpoint_after_the_end_is_refused,
    an_ended_saga_is_settled_once_and_for_all,
    a_saga_without_a_lease_is_an_orphan,
    a_lease_lasts_until_its_moment,
    a_lease_is_never_shortened,
    parallel_renewals_leave_the_longest_lease,
    a_released_lease_is_over,
    orphans_are_unsettled_and_oldest_first,
    an_instance_finds_its_own_open_sagas,
    open_sagas_are_counted,
}
