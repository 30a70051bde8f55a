//! What every `chat::ports::Presence` must do. `near` and `far` are two instances' handles on one book.

use chat::ConversationId;
use chat::InstanceId;
use chat::ports::{Arrival, Attendance, Presence};
use kernel::{Id, Timestamp, UserId};
use uuid::Uuid;

use super::broadcaster::conversation;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000).plus_seconds(seconds)
}

fn user(n: u128) -> UserId {
    Id::from_uuid(Uuid::from_u128(n))
}

fn instance(n: u128) -> InstanceId {
    Id::from_uuid(Uuid::from_u128(n))
}

/// A person on an instance, entered at a second for a minute.
async fn arrive(book: &dyn Presence, room: &ConversationId, person: u128, on: u128, second: i64) -> Arrival {
    limited(book, room, (person, on), second, 0).await
}

async fn limited(
    book: &dyn Presence,
    room: &ConversationId,
    (person, on): (u128, u128),
    second: i64,
    most: u32,
) -> Arrival {
    let who = Attendance { conversation: room, user: user(person), instance: instance(on) };
    book.arrive(who, at(second), at(second + 60), most).await.expect("an arrival")
}

async fn depart(book: &dyn Presence, room: &ConversationId, person: u128, on: u128, until: i64) {
    let who = Attendance { conversation: room, user: user(person), instance: instance(on) };
    book.depart(who, at(until)).await.expect("a departure");
}

async fn expire(book: &dyn Presence, room: &ConversationId, second: i64) -> Vec<UserId> {
    let mut gone = book.expire(room, at(second)).await.expect("an expiry");
    gone.sort_unstable();
    gone
}

async fn count(book: &dyn Presence, room: &ConversationId, second: i64) -> u32 {
    book.online(room, at(second), 0).await.expect("a count").count
}

fn here(came: bool, online: u32) -> Arrival {
    Arrival::Here { came, online }
}

/// People are counted, not entries, and are told of once.
pub async fn a_person_counts_once_on_however_many_instances(near: &dyn Presence, far: &dyn Presence) {
    let room = conversation("a");
    assert_eq!(arrive(near, &room, 1, 1, 0).await, here(true, 1));
    assert_eq!(arrive(near, &room, 1, 1, 1).await, here(false, 1));
    assert_eq!(arrive(far, &room, 1, 2, 2).await, here(false, 1));
    assert_eq!(arrive(far, &room, 2, 2, 3).await, here(true, 2));
    assert_eq!(count(near, &room, 4).await, 2);
    assert_eq!(count(near, &conversation("b"), 4).await, 0);
    let online = near.online(&room, at(4), 1).await.expect("who is here");
    assert_eq!((online.count, online.users.len()), (2, 1));
    let mut users = near.online(&room, at(4), 100).await.expect("who is here").users;
    users.sort_unstable();
    assert_eq!(users, [user(1), user(2)]);
}

/// MUST refuse where so many others are here and the person is not.
pub async fn a_full_room_takes_only_those_who_are_in_it(near: &dyn Presence, far: &dyn Presence) {
    let room = conversation("a");
    assert_eq!(limited(near, &room, (1, 1), 0, 2).await, here(true, 1));
    assert_eq!(limited(far, &room, (2, 2), 0, 2).await, here(true, 2));
    assert_eq!(limited(near, &room, (3, 1), 1, 2).await, Arrival::Full { online: 2 });
    assert_eq!(limited(near, &room, (2, 1), 1, 2).await, here(false, 2));
    // One in grace is here still.
    depart(near, &room, 1, 1, 16).await;
    assert_eq!(limited(near, &room, (3, 1), 15, 2).await, Arrival::Full { online: 2 });
    assert_eq!(limited(near, &room, (1, 1), 15, 2).await, here(false, 2));
    depart(near, &room, 1, 1, 20).await;
    assert_eq!(limited(near, &room, (3, 1), 20, 2).await, here(true, 2));
}

/// In one step, so that two cannot take the last place.
pub async fn of_two_only_one_takes_the_last_place(near: &dyn Presence, far: &dyn Presence) {
    for n in 0..20 {
        let room = conversation(&format!("c{n}"));
        let (one, other) =
            tokio::join!(limited(near, &room, (1, 1), 0, 1), limited(far, &room, (2, 2), 0, 1));
        let came = [one, other].iter().filter(|arrival| **arrival == here(true, 1)).count();
        assert_eq!(came, 1, "{one:?} {other:?}");
    }
}

/// Grace: who has left counts until its end, and somebody who comes back meanwhile was never away.
pub async fn who_comes_back_within_the_grace_was_never_away(near: &dyn Presence, far: &dyn Presence) {
    let room = conversation("a");
    arrive(near, &room, 1, 1, 0).await;
    depart(near, &room, 1, 1, 15).await;
    assert_eq!(count(far, &room, 14).await, 1);
    assert!(expire(far, &room, 14).await.is_empty());
    assert_eq!(arrive(far, &room, 1, 2, 14).await, here(false, 1));
    assert!(expire(near, &room, 16).await.is_empty());
    assert_eq!(count(near, &room, 16).await, 1);
}

/// A departure ends one instance's entry; the person stays while another's counts.
pub async fn a_departure_is_of_one_instance(near: &dyn Presence, far: &dyn Presence) {
    let room = conversation("a");
    arrive(near, &room, 1, 1, 0).await;
    arrive(far, &room, 1, 2, 0).await;
    depart(near, &room, 1, 1, 15).await;
    assert!(expire(near, &room, 20).await.is_empty());
    assert_eq!(count(near, &room, 20).await, 1);
    depart(far, &room, 1, 2, 30).await;
    assert_eq!(expire(near, &room, 30).await, [user(1)]);
    // What is not there stays away.
    depart(near, &room, 2, 1, 90).await;
    assert_eq!(count(near, &room, 31).await, 0);
}

/// Each person MUST be answered to one caller only.
pub async fn each_gone_person_is_answered_once(near: &dyn Presence, far: &dyn Presence) {
    let room = conversation("a");
    for person in 1..=20 {
        arrive(near, &room, person, 1, 0).await;
    }
    arrive(near, &room, 21, 1, 30).await;
    let (one, other) = tokio::join!(expire(near, &room, 60), expire(far, &room, 60));
    let mut gone = [one, other].concat();
    gone.sort_unstable();
    assert_eq!(gone, (1..=20).map(user).collect::<Vec<_>>());
    assert!(expire(near, &room, 61).await.is_empty());
    assert_eq!(expire(near, &room, 90).await, [user(21)]);
    assert!(expire(near, &conversation("b"), 90).await.is_empty());
}

/// A renewal keeps people here, and makes lost entries again.
pub async fn a_renewal_keeps_people_and_brings_lost_ones_back(near: &dyn Presence, far: &dyn Presence) {
    let (room, other) = (conversation("a"), conversation("b"));
    arrive(near, &room, 1, 1, 0).await;
    let entries = [(room.clone(), user(1)), (room.clone(), user(2)), (other.clone(), user(1))];
    near.refresh(&entries, instance(1), at(85)).await.expect("a renewal");
    near.refresh(&[], instance(1), at(85)).await.expect("a renewal of nobody");
    assert!(expire(far, &room, 61).await.is_empty());
    assert_eq!((count(far, &room, 84).await, count(far, &other, 84).await), (2, 1));
    assert_eq!(expire(far, &room, 85).await, [user(1), user(2)]);
}
