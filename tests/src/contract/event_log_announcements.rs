//! What every [`chat::ports::EventLog`] must do: what the house announces.

use chat::event::EventBody;
use chat::message::{Author, Message};
use chat::ports::{AnnounceOutcome, Announcement, HistoryQuery, RoomChange};
use chat::room::Room;
use futures::future::join_all;

use super::stored_chat::{START, StoredChat};

/// It is in log and history like any message, counted for the room, and nobody's.
pub async fn an_announcement_is_a_message_of_nobody(chat: &StoredChat) {
    let room = chat.room().await;
    let member = chat.member(&room).await;
    let wish = announcement(chat, &room, Some("a-1"));
    assert_eq!(announce(chat, &wish).await, AnnounceOutcome::Appended { seq: 2 });
    let stored = chat.log.message(wish.id).await.unwrap().unwrap();
    let expected = Message {
        content: wish.content.clone(),
        client_msg_id: wish.client_msg_id.clone(),
        body_hash: Some(wish.body_hash.clone()),
        ..Message::blank(wish.id, room.id.clone(), 2, Author::System, wish.at)
    };
    assert_eq!(stored, expected);
    let events = chat.log.events(&room.id, 1, 9).await.unwrap();
    assert_eq!((events.len(), &events[0].body), (1, &EventBody::Message { message_id: wish.id }));
    assert_eq!((events[0].seq, events[0].message.as_ref()), (2, Some(&expected)));
    let history = chat.log.history(&room.id, HistoryQuery::Newest { limit: 9 }).await.unwrap();
    assert_eq!((history.messages, history.head), (vec![expected], 2));
    let counted = chat.rooms.room(&room.id).await.unwrap().unwrap();
    assert_eq!((counted.statistics.messages, counted.last_active_at), (1, wish.at));
    let unread = chat.rooms.unread(member, std::slice::from_ref(&room.id)).await.unwrap();
    assert_eq!(unread, [(room.id.clone(), 1)]);
}

/// A name is given once in a room; without one each is new.
pub async fn a_name_is_given_once_in_a_room(chat: &StoredChat) {
    let (room, other) = (chat.room().await, chat.room().await);
    let first = announcement(chat, &room, Some("a-1"));
    announce(chat, &first).await;
    let again = Announcement { content: "别的".to_owned(), ..announcement(chat, &room, Some("a-1")) };
    match announce(chat, &again).await {
        AnnounceOutcome::Repeated { message } => {
            assert_eq!((message.id, message.content), (first.id, first.content));
        }
        outcome => panic!("{outcome:?}"),
    }
    let elsewhere = announce(chat, &announcement(chat, &other, Some("a-1"))).await;
    assert_eq!(elsewhere, AnnounceOutcome::Appended { seq: 1 });
    for seq in [2, 3] {
        let nameless = announce(chat, &announcement(chat, &room, None)).await;
        assert_eq!(nameless, AnnounceOutcome::Appended { seq });
    }
}

/// Of calls that come together under one name, one is written, and no seq is missing.
pub async fn one_announcement_comes_of_many_calls(chat: &StoredChat) {
    let room = chat.room().await;
    let wishes: Vec<_> = (0..8).map(|_| announcement(chat, &room, Some("a-1"))).collect();
    let outcomes = join_all(wishes.iter().map(|wish| announce(chat, wish))).await;
    let new = outcomes.iter().filter(|outcome| matches!(outcome, AnnounceOutcome::Appended { seq: 1 }));
    let known = outcomes.iter().filter(|outcome| matches!(outcome, AnnounceOutcome::Repeated { .. }));
    assert_eq!((new.count(), known.count()), (1, 7));
    assert_eq!(chat.log.events(&room.id, 0, 9).await.unwrap().len(), 1);
}

/// Squads, sessions, closed rooms and what is not there take none, and no seq is used up.
pub async fn only_open_rooms_take_announcements(chat: &StoredChat) {
    let owner = chat.id();
    let (squad, closed, session) =
        (chat.squad(owner).await, chat.private_room(owner).await, chat.conversation(owner).await);
    let close = RoomChange { closed_at: Some(START), ..RoomChange::default() };
    assert!(chat.rooms.change(&closed.id, &close).await.unwrap());
    let room = chat.room().await;
    for id in [squad.id, closed.id, session.id, "nowhere".parse().unwrap()] {
        let wish = Announcement { conversation_id: id.clone(), ..announcement(chat, &room, Some("a-1")) };
        assert_eq!(announce(chat, &wish).await, AnnounceOutcome::NoRoom, "{id}");
        assert!(chat.log.events(&id, 0, 9).await.unwrap().is_empty());
        assert!(chat.log.heads(std::slice::from_ref(&id)).await.unwrap().iter().all(|head| head.seq == 0));
    }
}

fn announcement(chat: &StoredChat, room: &Room, name: Option<&str>) -> Announcement {
    Announcement {
        conversation_id: room.id.clone(),
        id: chat.id(),
        content: "今晚共读《论语》𠀀 ' \" %".to_owned(),
        client_msg_id: name.map(str::to_owned),
        body_hash: "h1".to_owned(),
        at: START.plus_seconds(3),
    }
}

async fn announce(chat: &StoredChat, wish: &Announcement) -> AnnounceOutcome {
    chat.log.append_announcement(wish).await.unwrap()
}
