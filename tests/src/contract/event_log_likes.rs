//! What every [`chat::ports::EventLog`] must do: likes.

use chat::event::EventBody;
use chat::message::{LIKERS_MAX, Likes};
use chat::ports::{HistoryQuery, Like, LikeOutcome, NewMessage, Recall};
use chat::room::Room;
use futures::future::join_all;
use kernel::UserId;

use super::stored_chat::{START, StoredChat};

/// A like is in the log, in the message and in the member's count.
pub async fn a_like_is_stored_whole(chat: &StoredChat) {
    let (room, message) = spoken(chat).await;
    let fan = chat.member(&room).await;
    let like = like_of(&message, fan, true);
    assert_eq!(put(chat, &like).await, LikeOutcome::Changed { seq: 4, total: 1 });
    let liked = chat.log.message(message.id).await.unwrap().unwrap();
    assert_eq!(liked.likes, Likes { total: 1, users: vec![fan] });
    let event = chat.log.events(&room.id, 3, 9).await.unwrap().remove(0);
    let body = EventBody::Like { message_id: message.id, user_id: fan, liked: true, total_likes: 1 };
    assert_eq!((event.seq, event.body, event.created_at, event.message), (4, body, like.at, None));
    let page = chat.log.history(&room.id, HistoryQuery::Since { seq: 3, limit: 9 }).await.unwrap();
    assert_eq!(page.messages, [liked]);
    assert_eq!(given(chat, &room, fan).await, 1);
}

/// Once is enough, and so is never: what is so already writes nothing.
pub async fn a_repeated_like_changes_nothing(chat: &StoredChat) {
    let (room, message) = spoken(chat).await;
    let fan = chat.member(&room).await;
    let (like, end) = (like_of(&message, fan, true), like_of(&message, fan, false));
    assert_eq!(put(chat, &end).await, LikeOutcome::Unchanged { total: 0 });
    assert_eq!(put(chat, &like).await, LikeOutcome::Changed { seq: 4, total: 1 });
    assert_eq!(put(chat, &like).await, LikeOutcome::Unchanged { total: 1 });
    assert_eq!(put(chat, &end).await, LikeOutcome::Changed { seq: 5, total: 0 });
    assert_eq!(put(chat, &end).await, LikeOutcome::Unchanged { total: 0 });
    assert_eq!(chat.log.message(message.id).await.unwrap().unwrap().likes, Likes::default());
    assert_eq!((given(chat, &room, fan).await, chat.log.events(&room.id, 3, 9).await.unwrap().len()), (0, 2));
}

/// Likes at once lose none; the latest are shown in the order of the log.
pub async fn parallel_likes_lose_none(chat: &StoredChat) {
    let (room, message) = spoken(chat).await;
    let fans: Vec<UserId> = (0..30).map(|_| chat.id()).collect();
    let likes: Vec<_> = fans.iter().map(|fan| like_of(&message, *fan, true)).collect();
    join_all(likes.iter().chain(&likes).map(|like| put(chat, like))).await;
    let events = chat.log.events(&room.id, 2, 99).await.unwrap();
    let told: Vec<_> = events
        .iter()
        .filter_map(|event| match event.body {
            EventBody::Like { user_id, total_likes, .. } => Some((total_likes, user_id)),
            _ => None,
        })
        .collect();
    assert!(told.iter().map(|(total, _)| *total).eq(1..=30));
    let kept = chat.log.message(message.id).await.unwrap().unwrap().likes;
    let latest: Vec<_> = told.iter().map(|(_, user)| *user).collect();
    assert_eq!(kept, Likes { total: 30, users: latest[30 - LIKERS_MAX..].to_vec() });
    let ends: Vec<_> = fans.iter().map(|fan| like_of(&message, *fan, false)).collect();
    join_all(ends.iter().map(|end| put(chat, end))).await;
    assert_eq!(chat.log.message(message.id).await.unwrap().unwrap().likes, Likes::default());
}

/// Where one of the latest goes, the one before them is shown again.
pub async fn an_ended_like_makes_room_for_an_older_one(chat: &StoredChat) {
    let (_, message) = spoken(chat).await;
    let fans: Vec<UserId> = (0..22).map(|_| chat.id()).collect();
    for (fan, second) in fans.iter().zip(10..) {
        let at = START.plus_seconds(second);
        put(chat, &Like { at, ..like_of(&message, *fan, true) }).await;
    }
    put(chat, &like_of(&message, fans[21], false)).await;
    let kept = chat.log.message(message.id).await.unwrap().unwrap().likes;
    assert_eq!(kept, Likes { total: 21, users: fans[1..21].to_vec() });
    put(chat, &like_of(&message, fans[0], false)).await;
    let kept = chat.log.message(message.id).await.unwrap().unwrap().likes;
    assert_eq!(kept, Likes { total: 20, users: fans[1..21].to_vec() });
}

/// A person's own likes are known also where others have liked the message since.
pub async fn ones_own_likes_are_known(chat: &StoredChat) {
    let (room, crowded) = spoken(chat).await;
    let (quiet, ended) = (chat.said(&room, crowded.author).await, chat.said(&room, crowded.author).await);
    let (fan, other) = (chat.member(&room).await, chat.member(&room).await);
    for like in [like_of(&crowded, fan, true), like_of(&ended, fan, true), like_of(&ended, fan, false)] {
        put(chat, &like).await;
    }
    put(chat, &like_of(&quiet, other, true)).await;
    for _ in 0..=LIKERS_MAX {
        put(chat, &like_of(&crowded, chat.id(), true)).await;
    }
    let asked = [crowded.id, quiet.id, ended.id, chat.id()];
    assert_eq!(chat.log.liked_by(fan, &asked).await.unwrap(), [crowded.id]);
    assert_eq!(chat.log.liked_by(other, &asked).await.unwrap(), [quiet.id]);
    assert_eq!(chat.log.liked_by(other, &asked[..1]).await.unwrap(), []);
    assert_eq!(chat.log.liked_by(fan, &[]).await.unwrap(), []);
}

/// What is gone or was recalled is not liked.
pub async fn a_message_that_is_gone_is_not_liked(chat: &StoredChat) {
    let (room, recalled) = spoken(chat).await;
    chat.log.append_recall(&Recall { message_id: recalled.id, title: None, at: START }).await.unwrap();
    let unknown = NewMessage { id: chat.id(), ..recalled.clone() };
    for message in [&recalled, &unknown] {
        for liked in [true, false] {
            assert_eq!(put(chat, &like_of(message, recalled.author, liked)).await, LikeOutcome::NoMessage);
        }
    }
    assert_eq!(chat.rooms.room(&room.id).await.unwrap().unwrap().head, 3);
}

async fn spoken(chat: &StoredChat) -> (Room, NewMessage) {
    let room = chat.room().await;
    let message = chat.said(&room, chat.member(&room).await).await;
    (room, message)
}

async fn given(chat: &StoredChat, room: &Room, fan: UserId) -> u64 {
    chat.rooms.standing(&room.id, fan).await.unwrap().unwrap().member.unwrap().likes_given
}

fn like_of(message: &NewMessage, user_id: UserId, liked: bool) -> Like {
    Like { message_id: message.id, user_id, liked, at: START.plus_seconds(8) }
}

async fn put(chat: &StoredChat, like: &Like) -> LikeOutcome {
    chat.log.append_like(like).await.unwrap()
}
