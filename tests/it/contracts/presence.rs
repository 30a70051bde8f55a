//! Presence: in memory and in Redis, with two handles on one book.

use std::time::Duration;

use adapter_memory::MemoryPresence;
use adapter_redis::{RedisConnection, RedisLimits, RedisPresence};
use tests::backends;
use tests::contract::presence as suite;

fn memory() -> (MemoryPresence, MemoryPresence) {
    let book = MemoryPresence::default();
    (book.clone(), book)
}

fn redis() -> (RedisPresence, RedisPresence) {
    let place = backends::redis();
    // A machine that runs all tests at once may be slow.
    let limits = RedisLimits { command_deadline: Duration::from_secs(5), ..RedisLimits::default() };
    let connection = RedisConnection::connect(&place.url, &place.prefix, limits).expect("a Redis URL");
    (RedisPresence::new(&connection), RedisPresence::new(&connection))
}

macro_rules! contract {
    ($($must:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $must() {
                let (near, far) = super::memory();
                super::suite::$must(&near, &far).await;
            })*
        }
        mod redis {
            $(#[tokio::test]
            async fn $must() {
                let (near, far) = super::redis();
                super::suite::$must(&near, &far).await;
            })*
        }
    };
}

contract! {
    a_person_counts_once_on_however_many_instances,
    a_full_room_takes_only_those_who_are_in_it,
    of_two_only_one_takes_the_last_place,
    who_comes_back_within_the_grace_was_never_away,
    a_departure_is_of_one_instance,
    each_gone_person_is_answered_once,
    a_renewal_keeps_people_and_brings_lost_ones_back,
}

#[tokio::test]
async fn nothing_is_left_of_a_conversation_that_everybody_has_left() {
    let (near, far) = memory();
    suite::each_gone_person_is_answered_once(&near, &far).await;
    assert_eq!(near.conversation_count(), 0);
}
