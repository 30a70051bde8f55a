//! What every [`chat::ports::RoomStore`] must do with what people have read.

use chat::conversation::ConversationId;
use chat::ports::{Block, RoomQuery, RoomScope, RoomSort, UNREAD_MAX};
use chat::room::{MemberAction, Standing};
use futures::future::join_all;
use kernel::{PageRequest, Timestamp, UserId};

use super::stored_chat::{START, StoredChat};

const LATER: Timestamp = START.plus_seconds(60);

/// A mark rises up to the head and never falls; sessions have one too.
pub async fn a_read_mark_only_rises(chat: &StoredChat) {
    let owner = chat.id();
    let session = chat.conversation(owner).await;
    assert_eq!(chat.rooms.mark_read(&session.id, owner, 5).await.unwrap(), Some(0));
    chat.answered(&session).await;
    for (seq, holds) in [(2, 2), (1, 2), (0, 2), (u64::MAX, 3), (2, 3)] {
        assert_eq!(chat.rooms.mark_read(&session.id, owner, seq).await.unwrap(), Some(holds));
    }
    let (room, other) = (chat.room().await, chat.id());
    let user = chat.member(&room).await;
    assert_eq!(chat.rooms.mark_read(&room.id, user, 9).await.unwrap(), Some(1));
    chat.said(&room, user).await;
    assert_eq!(chat.rooms.mark_read(&room.id, user, 2).await.unwrap(), Some(2));
    assert_eq!(standing_of(chat, &room.id, user).await.member.unwrap().read_seq, 2);
    assert_eq!(chat.rooms.mark_read(&room.id, other, 1).await.unwrap(), Some(1));
    assert_eq!(standing_of(chat, &room.id, other).await.member, None);
}

/// Marks that come together leave the highest.
pub async fn read_marks_that_come_together_leave_the_highest(chat: &StoredChat) {
    let room = chat.room().await;
    let (user, other) = (chat.member(&room).await, chat.member(&room).await);
    for _ in 0..6 {
        chat.said(&room, other).await;
    }
    let marks = (3..=8).rev().map(|seq| chat.rooms.mark_read(&room.id, user, seq));
    let held = join_all(marks).await;
    assert_eq!(held.into_iter().map(Result::unwrap).max(), Some(Some(8)));
    assert_eq!(standing_of(chat, &room.id, user).await.member.unwrap().read_seq, 8);
}

/// Messages of others after the mark, in conversations of any kind that the person may read.
pub async fn what_others_said_is_unread(chat: &StoredChat) {
    let viewer = chat.id();
    let (room, foreign) = (chat.room().await, chat.room().await);
    let (session, squad) = (chat.conversation(viewer).await, chat.squad(viewer).await);
    let (other, stranger) = (chat.member(&room).await, chat.member(&foreign).await);
    chat.said(&room, other).await;
    chat.rooms.join(&chat.join_of(&room, viewer)).await.unwrap();
    chat.said(&room, other).await;
    let read = chat.rooms.standing(&room.id, viewer).await.unwrap().unwrap().head;
    chat.said(&room, other).await;
    chat.said(&room, viewer).await;
    chat.said(&foreign, stranger).await;
    chat.answered(&session).await;
    chat.said(&squad, viewer).await;

    let all = [&room.id, &foreign.id, &session.id, &squad.id].map(Clone::clone);
    let unread = async || {
        let mut counted = chat.rooms.unread(viewer, &all).await.unwrap();
        counted.sort_by_key(|(id, _)| all.iter().position(|one| one == id));
        counted.into_iter().map(|(_, unread)| unread).collect::<Vec<_>>()
    };
    assert_eq!(unread().await, [2, 0, 1, 0]);
    chat.rooms.mark_read(&room.id, viewer, read).await.unwrap();
    chat.rooms.mark_read(&session.id, viewer, 2).await.unwrap();
    assert_eq!(unread().await, [1, 0, 0, 0]);
    assert_eq!(chat.rooms.unread(viewer, &[]).await.unwrap(), []);
    chat.rooms.end_membership(&room.id, viewer, MemberAction::Left, LATER).await.unwrap();
    assert_eq!(unread().await, [0, 0, 0, 0]);
}

/// What somebody says whom the viewer has blocked is not to be read; others count it.
pub async fn what_blocked_people_say_is_not_unread(chat: &StoredChat) {
    let room = chat.room().await;
    let (viewer, other) = (chat.member(&room).await, chat.member(&room).await);
    let (blocked, neutral) = (chat.member(&room).await, chat.member(&room).await);
    for author in [blocked, other, blocked] {
        chat.said(&room, author).await;
    }
    let block = Block { user_id: blocked, created_at: START };
    chat.blocks.block(viewer, block, 9).await.unwrap();
    for (user, expected) in [(viewer, 1), (neutral, 3), (other, 2)] {
        let unread = chat.rooms.unread(user, std::slice::from_ref(&room.id)).await.unwrap();
        assert_eq!(unread, [(room.id.clone(), expected)]);
    }
    let query = RoomQuery { viewer, scope: RoomScope::Joined, category: None, sort: RoomSort::Active };
    let listed = chat.rooms.list(&query, PageRequest::new(1, 9, 9)).await.unwrap();
    assert_eq!(listed.items[0].unread, 1);
}

/// Nobody counts further than the limit.
pub async fn unread_messages_are_counted_up_to_a_limit(chat: &StoredChat) {
    let room = chat.room().await;
    let (viewer, other) = (chat.member(&room).await, chat.member(&room).await);
    join_all((0..UNREAD_MAX - 1).map(|_| chat.said(&room, other))).await;
    for expected in [UNREAD_MAX - 1, UNREAD_MAX, UNREAD_MAX] {
        let unread = chat.rooms.unread(viewer, std::slice::from_ref(&room.id)).await.unwrap();
        assert_eq!(unread, [(room.id.clone(), expected)]);
        chat.said(&room, other).await;
    }
}

async fn standing_of(chat: &StoredChat, id: &ConversationId, user: UserId) -> Standing {
    chat.rooms.standing(id, user).await.unwrap().unwrap()
}
