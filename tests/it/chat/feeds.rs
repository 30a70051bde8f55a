//! Feeds: every client of a conversation gets everything, in order, whatever its bus does.

mod joining;
mod order;
mod shared_bus;
mod telling;
mod whereabouts;

use std::sync::Arc;

use chat::event::EventBody;
use chat::feed::{ClientPlace, FeedHandle};
use chat::{ChatService, ConversationId, Draft, NewRoom, RoomProfile};
use kernel::UserId;
use tests::fakes::recorder::Recorder;
use tests::house::{House, driven};

/// A room of the house's person, without characters.
async fn room(house: &House) -> ConversationId {
    let profile = RoomProfile { name: "辩".to_owned(), ..RoomProfile::default() };
    let room = NewRoom { profile, ..NewRoom::default() };
    house.chat.create_room(house.user, room, None).await.expect("a room").room.id
}

async fn post(chat: &ChatService, user: UserId, room: &ConversationId, text: &str) -> u64 {
    let draft = Draft { content: text.to_owned(), ..Draft::default() };
    chat.post(user, room.as_str(), draft).await.expect("a post").seq
}

/// A client that has joined at this place.
async fn joined(house: &House, room: &ConversationId, since: Option<u64>) -> (FeedHandle, Arc<Recorder>) {
    let client = Recorder::new();
    let feed = house.chat.feed(room, client.clone()).await.expect("a feed");
    let place = ClientPlace { since, epoch: None };
    let recovery = house.chat.recover(&feed, &place).await.expect("a recovery");
    assert!(!recovery.reset && !recovery.more);
    client.join(&recovery);
    (feed, client)
}

/// Waits until the client has an event, while clock and regular looks go on.
async fn reaches(house: &House, client: &Recorder, seq: u64) {
    settles(house, || client.seqs().last() == Some(&seq)).await;
}

/// Waits for something, while the clock goes on and the heads are looked at as a server does.
async fn settles(house: &House, mut is_so: impl FnMut() -> bool) {
    driven(&house.clock, async {
        while !is_so() {
            house.chat.check_heads().await.expect("a look at the heads");
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    })
    .await;
}

/// Ids of the replies that the client has seen end.
fn ended(client: &Recorder) -> usize {
    let notes = client.notes();
    notes.events.iter().filter(|event| matches!(event.body, EventBody::AiEnd { .. })).count()
}
