//! What every [`chat::ports::BanList`] must do.

use chat::conversation::ConversationId;
use chat::ports::JoinOutcome;
use chat::room::{MemberAction, MemberState};
use kernel::{PageRequest, UserId};

use super::stored_chat::{START, StoredChat};

/// Who is banned now is listed, and nobody else.
pub async fn banned_people_are_listed(chat: &StoredChat) {
    let (room, other) = (chat.room().await, chat.room().await);
    let (banned, left, _member) =
        (chat.member(&room).await, chat.member(&room).await, chat.member(&room).await);
    let stranger: UserId = chat.id();
    end(chat, &room.id, left, MemberAction::Left).await;
    for user in [banned, stranger] {
        end(chat, &room.id, user, MemberAction::Banned).await;
    }
    let list = chat.bans.banned(&room.id, PageRequest::new(1, 10, 10)).await.unwrap();
    let mut users: Vec<_> = list.items.iter().map(|member| member.user_id).collect();
    users.sort_unstable();
    let mut expected = vec![banned, stranger];
    expected.sort_unstable();
    assert_eq!((users, list.total), (expected, 2));
    assert!(list.items.iter().all(|member| member.state == MemberState::Banned));
    let second = chat.bans.banned(&room.id, PageRequest::new(2, 1, 10)).await.unwrap();
    assert_eq!((second.items.len(), second.total), (1, 2));
    let none = chat.bans.banned(&other.id, PageRequest::new(1, 10, 10)).await.unwrap();
    assert_eq!((none.items.len(), none.total), (0, 0));
}

/// Whose ban is lifted is no member, and may come back; the log is not touched.
pub async fn a_lifted_ban_lets_come_back(chat: &StoredChat) {
    let room = chat.room().await;
    let user = chat.member(&room).await;
    end(chat, &room.id, user, MemberAction::Banned).await;
    assert_eq!(chat.rooms.join(&chat.join_of(&room, user)).await.unwrap(), JoinOutcome::Banned);
    assert!(chat.bans.lift(&room.id, user).await.unwrap());
    let standing = chat.rooms.standing(&room.id, user).await.unwrap().unwrap();
    assert_eq!((standing.member.unwrap().state, standing.head), (MemberState::Left, 2));
    let back = chat.rooms.join(&chat.join_of(&room, user)).await.unwrap();
    assert!(matches!(back, JoinOutcome::Joined { seq: 3, .. }), "{back:?}");
}

/// A membership, an absence and an unknown room are left as they are.
pub async fn only_a_ban_is_lifted(chat: &StoredChat) {
    let room = chat.room().await;
    let member = chat.member(&room).await;
    assert!(!chat.bans.lift(&room.id, member).await.unwrap());
    let standing = chat.rooms.standing(&room.id, member).await.unwrap().unwrap();
    assert!(standing.member.unwrap().is_joined());
    assert!(!chat.bans.lift(&room.id, chat.id()).await.unwrap());
    assert!(!chat.bans.lift(&"nowhere".parse().unwrap(), member).await.unwrap());
}

async fn end(chat: &StoredChat, room: &ConversationId, user: UserId, action: MemberAction) {
    chat.rooms.end_membership(room, user, action, START).await.unwrap();
}
