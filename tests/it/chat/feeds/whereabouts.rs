//! Who is here, as the others in a room hear it.

use chat::feed::FeedItem;
use chat::ports::Arrival;
use tests::backends;
use tests::fakes::recorder::Recorder;
use tests::house::House;

use super::{joined, room, settles};

fn presences(client: &Recorder) -> Vec<(bool, u32)> {
    let notes = client.notes();
    let told = notes.others.iter().filter_map(|item| match item {
        FeedItem::Presence { on, online, .. } => Some((*on, *online)),
        _ => None,
    });
    told.collect()
}

#[tokio::test]
async fn coming_and_going_are_told_once_whatever_the_connections() {
    let backend = backends::sqlite().await;
    let house = House::on(&backend);
    let other = house.second(&backend);
    let room = room(&house).await;
    let (_feed, client) = joined(&house, &room, None).await;
    let guest = "00000000-0000-7000-8000-0000000000aa".parse().unwrap();
    let came = house.chat.arrive(&room, house.user).await.unwrap();
    assert_eq!(came, Arrival::Here { came: true, online: 1 });
    assert_eq!(house.chat.arrive(&room, house.user).await.unwrap(), Arrival::Here { came: false, online: 1 });
    assert_eq!(other.chat.arrive(&room, guest).await.unwrap(), Arrival::Here { came: true, online: 2 });
    settles(&house, || presences(&client) == [(true, 1), (true, 2)]).await;
    // One connection of two goes, the guest goes and comes back on another instance: nothing to tell.
    house.chat.depart(&room, house.user).await;
    other.chat.depart(&room, guest).await;
    house.clock.advance_millis(10_000);
    assert_eq!(house.chat.arrive(&room, guest).await.unwrap(), Arrival::Here { came: false, online: 2 });
    for _ in 0..10 {
        house.clock.advance_millis(5_000);
        house.chat.tend_presence().await.unwrap();
        other.chat.tend_presence().await.unwrap();
    }
    assert_eq!(house.chat.online(&room, 10).await.unwrap().count, 2);
    house.chat.depart(&room, guest).await;
    house.clock.advance_millis(15_000);
    other.chat.tend_presence().await.unwrap();
    house.chat.tend_presence().await.unwrap();
    settles(&house, || presences(&client) == [(true, 1), (true, 2), (false, 1)]).await;
}

#[tokio::test]
async fn a_full_room_lets_nobody_in_and_counts_nobody() {
    let backend = backends::sqlite().await;
    let house = House::on(&backend);
    let room = room(&house).await;
    for n in 0..100 {
        let user = format!("00000000-0000-7000-8000-{n:012}").parse().unwrap();
        assert!(matches!(house.chat.arrive(&room, user).await.unwrap(), Arrival::Here { came: true, .. }));
    }
    assert_eq!(house.chat.arrive(&room, house.user).await.unwrap(), Arrival::Full { online: 100 });
    assert_eq!(house.chat.online(&room, 5).await.unwrap().users.len(), 5);
    // Who was refused is not renewed.
    house.clock.advance_millis(25_000);
    house.chat.tend_presence().await.unwrap();
    assert_eq!(house.chat.online(&room, 0).await.unwrap().count, 100);
}
