//! What every [`chat::ports::RoomStore`] must do with rooms themselves. Their members are in [`super::room_members`].

use chat::conversation::ConversationId;
use chat::message::Author;
use chat::ports::{CreateOutcome, Once, RoomChange, RoomCreateOutcome, RoomQuery, RoomScope, RoomSort};
use chat::room::{MemberAction, Role, Room, RoomProfile, RoomSettings, TurnStrategy};
use futures::future::join_all;
use kernel::{Page, PageRequest, UserId};

use super::stored_chat::{START, StoredChat};

const ALL: u32 = 100;

/// What was created is what is read; its owner is in, without an event.
pub async fn a_created_room_comes_back_unchanged(chat: &StoredChat) {
    let owner = chat.id();
    for room in [chat.new_room(), chat.new_private_room(owner), chat.new_squad(owner)] {
        chat.stored(room.clone()).await;
        assert_eq!(chat.rooms.room(&room.id).await.unwrap(), Some(room.clone()));
        let members = chat.rooms.members(&room.id, whole()).await.unwrap();
        let roles: Vec<_> = members.items.iter().map(|member| (member.user_id, member.role)).collect();
        let expected: Vec<_> = room.owner.into_iter().map(|owner| (owner, Role::Owner)).collect();
        assert_eq!((roles, members.total), (expected, u64::from(room.statistics.members)));
        assert_eq!(chat.log.events(&room.id, 0, 10).await.unwrap(), []);
    }
}

/// Absence is no error.
pub async fn an_unknown_room_is_absent(chat: &StoredChat) {
    let (unknown, user) = (chat.new_room().id, chat.id());
    assert_eq!(chat.rooms.room(&unknown).await.unwrap(), None);
    assert_eq!(chat.rooms.standing(&unknown, user).await.unwrap(), None);
    assert_eq!(chat.rooms.invite_code(&unknown).await.unwrap(), None);
    assert!(!chat.rooms.change(&unknown, &RoomChange::default()).await.unwrap());
    assert_eq!(chat.rooms.members(&unknown, whole()).await.unwrap(), Page { items: vec![], total: 0 });
    assert_eq!(chat.rooms.mark_read(&unknown, user, 7).await.unwrap(), None);
    assert_eq!(chat.rooms.unread(user, &[unknown]).await.unwrap(), []);
}

/// A session is no room, though it is a conversation.
pub async fn a_session_is_no_room(chat: &StoredChat) {
    let session = chat.conversation(chat.id()).await;
    assert_eq!(chat.rooms.room(&session.id).await.unwrap(), None);
    let change = RoomChange { profile: Some(named("x")), ..RoomChange::default() };
    assert!(!chat.rooms.change(&session.id, &change).await.unwrap());
    assert_eq!(chat.conversations.get(&session.id).await.unwrap(), Some(session));
}

/// An id is taken once, and a failed creation leaves nothing behind.
pub async fn a_rooms_id_is_taken_once(chat: &StoredChat) {
    let first = chat.private_room(chat.id()).await;
    let second = Room { owner: Some(chat.id()), ..first.clone() };
    assert!(chat.rooms.create(&second, None).await.is_err());
    assert_eq!(chat.rooms.room(&first.id).await.unwrap(), Some(first.clone()));
    assert_eq!(chat.rooms.members(&first.id, whole()).await.unwrap().total, 1);
}

/// A key makes one room of its owner, shown as it is now; another request under it conflicts, and an old use does
/// not count.
pub async fn a_key_makes_one_room(chat: &StoredChat) {
    let owner = chat.id();
    let (first, again, late) =
        (chat.new_private_room(owner), chat.new_private_room(owner), chat.new_private_room(owner));
    let once = once("k-1", "h1");
    assert_eq!(chat.rooms.create(&first, Some(&once)).await.unwrap(), RoomCreateOutcome::Created);
    let change = RoomChange { profile: Some(named("杏坛")), ..RoomChange::default() };
    chat.rooms.change(&first.id, &change).await.unwrap();
    let now = Room { profile: named("杏坛"), ..first };
    let replayed = RoomCreateOutcome::Replayed(Box::new(now));
    assert_eq!(chat.rooms.create(&again, Some(&once)).await.unwrap(), replayed);
    let other = Once { body_hash: "h2".to_owned(), ..once.clone() };
    assert_eq!(chat.rooms.create(&again, Some(&other)).await.unwrap(), RoomCreateOutcome::Conflict);
    assert_eq!(chat.rooms.room(&again.id).await.unwrap(), None);
    let a_day_later = Once { since: START.plus_millis(1), ..once };
    assert_eq!(chat.rooms.create(&late, Some(&a_day_later)).await.unwrap(), RoomCreateOutcome::Created);
}

/// A key that made something of one kind makes nothing of another.
pub async fn a_key_is_for_one_kind(chat: &StoredChat) {
    let owner = chat.id();
    let once = once("k-1", "h1");
    let (session, squad) = (chat.new_conversation(owner), chat.new_squad(owner));
    assert_eq!(chat.conversations.create(&session, Some(&once)).await.unwrap(), CreateOutcome::Created);
    for room in [squad, chat.new_private_room(owner)] {
        assert_eq!(chat.rooms.create(&room, Some(&once)).await.unwrap(), RoomCreateOutcome::Conflict);
    }
}

/// However many come at once with one key, one creates and the others get what it made.
pub async fn one_key_creates_one_room_however_many_come_together(chat: &StoredChat) {
    let (owner, once) = (chat.id(), once("k-1", "h1"));
    let creations = (0..8).map(|_| {
        let (room, once) = (chat.new_squad(owner), once.clone());
        async move { chat.rooms.create(&room, Some(&once)).await.unwrap() }
    });
    let outcomes = join_all(creations).await;
    let listed = chat.rooms.list(&query(owner, RoomScope::Squads), whole()).await.unwrap();
    let [stored] = listed.items.as_slice() else { panic!("{listed:?}") };
    let replayed = RoomCreateOutcome::Replayed(Box::new(stored.room.clone()));
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == RoomCreateOutcome::Created).count(), 1);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == replayed).count(), 7);
}

/// Rooms that are not there are stored, others stay as they are.
pub async fn rooms_are_ensured_and_not_overwritten(chat: &StoredChat) {
    let there = chat.room().await;
    let user = chat.member(&there).await;
    let before = chat.rooms.room(&there.id).await.unwrap();
    let (fresh, changed) = (chat.new_room(), Room { profile: named("别的"), ..there.clone() });
    for _ in 0..2 {
        chat.rooms.ensure(&[changed.clone(), fresh.clone()]).await.unwrap();
    }
    assert_eq!(chat.rooms.room(&there.id).await.unwrap(), before);
    assert!(chat.rooms.standing(&there.id, user).await.unwrap().unwrap().may_read(user));
    assert_eq!(chat.rooms.room(&fresh.id).await.unwrap(), Some(fresh));
    chat.rooms.ensure(&[]).await.unwrap();
}

/// Servers that start together, each with its own order, make every room once.
pub async fn servers_that_start_together_ensure_rooms_once(chat: &StoredChat) {
    let rooms: Vec<_> = (0..6).map(|_| chat.new_room()).collect();
    let starts = (0..5).map(|turn| {
        let mut rooms = rooms.clone();
        rooms.rotate_left(turn);
        async move { chat.rooms.ensure(&rooms).await }
    });
    assert!(join_all(starts).await.iter().all(Result::is_ok));
    let listed = chat.rooms.list(&query(chat.id(), RoomScope::Visible), whole()).await.unwrap();
    assert_eq!(listed.total, 6);
    for room in rooms {
        assert_eq!(chat.rooms.room(&room.id).await.unwrap(), Some(room));
    }
}

/// What is named is changed, all else stays; a room is closed once.
pub async fn a_change_changes_what_it_names(chat: &StoredChat) {
    let room = chat.private_room(chat.id()).await;
    let mut expected = room.clone();
    let change = async |change: RoomChange, expected: &Room| {
        assert!(chat.rooms.change(&room.id, &change).await.unwrap());
        assert_eq!(chat.rooms.room(&room.id).await.unwrap().as_ref(), Some(expected));
    };
    change(RoomChange::default(), &expected).await;
    expected.profile = named("杏坛");
    change(RoomChange { profile: Some(expected.profile.clone()), ..RoomChange::default() }, &expected).await;
    expected.settings = RoomSettings { turn_strategy: TurnStrategy::Manual, ..RoomSettings::default() };
    change(RoomChange { settings: Some(expected.settings.clone()), ..RoomChange::default() }, &expected)
        .await;
    expected.characters = vec!["classics_laozi".parse().unwrap()];
    let characters = Some(expected.characters.clone());
    change(RoomChange { characters, ..RoomChange::default() }, &expected).await;
    expected.closed_at = Some(START.plus_seconds(5));
    change(RoomChange { closed_at: expected.closed_at, ..RoomChange::default() }, &expected).await;
    let later = Some(START.plus_seconds(9));
    change(RoomChange { closed_at: later, ..RoomChange::default() }, &expected).await;
}

/// A code is there once it was made, and the next one replaces it.
pub async fn a_new_code_replaces_the_one_before(chat: &StoredChat) {
    let room = chat.private_room(chat.id()).await;
    assert_eq!(chat.rooms.invite_code(&room.id).await.unwrap(), None);
    for code in ["qilu-7", "qilu-8"] {
        let change = RoomChange { invite_code: Some(code.to_owned()), ..RoomChange::default() };
        assert!(chat.rooms.change(&room.id, &change).await.unwrap());
        assert_eq!(chat.rooms.invite_code(&room.id).await.unwrap().as_deref(), Some(code));
    }
}

/// Public rooms and one's own are visible: no squad, none that is closed, nobody else's.
pub async fn each_scope_shows_its_rooms(chat: &StoredChat) {
    let (viewer, other) = (chat.id(), chat.id());
    let (public, closed) = (chat.room().await, chat.room().await);
    let (own, squad) = (chat.private_room(viewer).await, chat.squad(viewer).await);
    let joined = chat.room().await;
    chat.rooms.join(&chat.join_of(&joined, viewer)).await.unwrap();
    chat.private_room(other).await;
    chat.squad(other).await;
    chat.conversation(viewer).await;
    let close = RoomChange { closed_at: Some(START), ..RoomChange::default() };
    chat.rooms.change(&closed.id, &close).await.unwrap();
    for (scope, mut expected) in [
        (RoomScope::Visible, vec![&public.id, &own.id, &joined.id]),
        (RoomScope::Joined, vec![&own.id, &joined.id]),
        (RoomScope::Squads, vec![&squad.id]),
    ] {
        let page = chat.rooms.list(&query(viewer, scope), whole()).await.unwrap();
        let mut listed: Vec<_> = page.items.iter().map(|summary| &summary.room.id).collect();
        listed.sort_unstable();
        expected.sort_unstable();
        assert_eq!(listed, expected, "{scope:?}");
        assert_eq!(usize::try_from(page.total), Ok(expected.len()));
    }
}

/// A category leaves the other rooms out.
pub async fn a_category_narrows_the_list(chat: &StoredChat) {
    let classics = chat.room().await;
    let mut tea = chat.new_room();
    "tea".clone_into(&mut tea.profile.category);
    let tea = chat.stored(tea).await;
    for (category, room) in [("tea", &tea), ("classics", &classics)] {
        let query = RoomQuery { category: Some(category.to_owned()), ..query(chat.id(), RoomScope::Visible) };
        assert_eq!(ids(chat, &query).await, std::slice::from_ref(&room.id));
    }
    let moved = RoomProfile { category: "tea".to_owned(), ..classics.profile.clone() };
    let change = RoomChange { profile: Some(moved), ..RoomChange::default() };
    chat.rooms.change(&classics.id, &change).await.unwrap();
    let query = RoomQuery { category: Some("tea".to_owned()), ..query(chat.id(), RoomScope::Visible) };
    assert_eq!(ids(chat, &query).await.len(), 2);
}

/// Members before messages, activity, and age; equals stand by id.
pub async fn rooms_are_sorted(chat: &StoredChat) {
    let mut rooms = Vec::new();
    for seconds in [3, 1, 2, 0, 0] {
        let created_at = START.plus_seconds(seconds);
        let room = Room { created_at, last_active_at: created_at, ..chat.new_room() };
        rooms.push(chat.stored(room).await);
    }
    chat.member(&rooms[1]).await;
    let talkative = chat.member(&rooms[0]).await;
    chat.said(&rooms[0], talkative).await;
    for _ in 0..2 {
        chat.member(&rooms[2]).await;
    }
    for (sort, expected) in [
        (RoomSort::Popularity, [2, 0, 1, 3, 4]),
        (RoomSort::Active, [0, 1, 2, 3, 4]),
        (RoomSort::Newest, [0, 2, 1, 3, 4]),
    ] {
        let query = RoomQuery { sort, ..query(chat.id(), RoomScope::Visible) };
        assert_eq!(ids(chat, &query).await, expected.map(|place| rooms[place].id.clone()), "{sort:?}");
    }
}

/// Pages join without overlap or hole, and each knows the total.
pub async fn rooms_are_paged(chat: &StoredChat) {
    for _ in 0..5 {
        chat.room().await;
    }
    let query = query(chat.id(), RoomScope::Visible);
    let mut joined = Vec::new();
    for page in 1..=4 {
        let request = PageRequest::new(page, 2, ALL);
        let part = chat.rooms.list(&query, request).await.unwrap();
        assert_eq!((part.total, part.has_more(request)), (5, page < 3));
        joined.extend(part.items.into_iter().map(|summary| summary.room.id));
    }
    assert_eq!(joined, ids(chat, &query).await);
}

/// Each room comes with the viewer's membership, what is unread, and the newest message.
pub async fn a_list_shows_what_concerns_the_viewer(chat: &StoredChat) {
    let (room, quiet) = (chat.room().await, chat.room().await);
    let (viewer, other) = (chat.member(&room).await, chat.member(&room).await);
    chat.said(&room, other).await;
    chat.said(&room, viewer).await;
    let last = chat.said(&room, other).await;
    let page = chat.rooms.list(&query(viewer, RoomScope::Visible), whole()).await.unwrap();
    let [busy, empty] = page.items.as_slice() else { panic!("{page:?}") };
    assert_eq!(Some(&busy.room), chat.rooms.room(&room.id).await.unwrap().as_ref());
    assert_eq!((busy.room.statistics.members, busy.room.statistics.messages), (2, 3));
    let standing = chat.rooms.standing(&room.id, viewer).await.unwrap().unwrap();
    assert_eq!((&busy.member, busy.unread), (&standing.member, 2));
    let message = busy.last_message.as_ref().unwrap();
    assert_eq!((message.id, &message.author), (last.id, &Author::User(other)));
    assert_eq!((&empty.room.id, &empty.member, empty.unread), (&quiet.id, &None, 0));
    assert_eq!(empty.last_message, None);
}

/// What is said in a public room is its members' own: neither a stranger nor who was shown out reads it in a list.
pub async fn a_list_shows_messages_to_members_only(chat: &StoredChat) {
    let room = chat.room().await;
    let (author, banned, left) =
        (chat.member(&room).await, chat.member(&room).await, chat.member(&room).await);
    chat.rooms.end_membership(&room.id, banned, MemberAction::Banned, START).await.unwrap();
    chat.rooms.end_membership(&room.id, left, MemberAction::Left, START).await.unwrap();
    let said = chat.said(&room, author).await;
    for (viewer, expected) in [(author, Some(said.id)), (banned, None), (left, None), (chat.id(), None)] {
        let page = chat.rooms.list(&query(viewer, RoomScope::Visible), whole()).await.unwrap();
        let [summary] = page.items.as_slice() else { panic!("{page:?}") };
        assert_eq!(summary.last_message.as_ref().map(|message| message.id), expected);
    }
}

async fn ids(chat: &StoredChat, query: &RoomQuery) -> Vec<ConversationId> {
    let page = chat.rooms.list(query, whole()).await.unwrap();
    page.items.into_iter().map(|summary| summary.room.id).collect()
}

fn query(viewer: UserId, scope: RoomScope) -> RoomQuery {
    RoomQuery { viewer, scope, category: None, sort: RoomSort::default() }
}

fn named(name: &str) -> RoomProfile {
    RoomProfile { name: name.to_owned(), ..RoomProfile::default() }
}

fn once(key: &str, body_hash: &str) -> Once {
    Once { key: key.to_owned(), body_hash: body_hash.to_owned(), since: START.plus_seconds(-1) }
}

fn whole() -> PageRequest {
    PageRequest::new(1, ALL, ALL)
}
