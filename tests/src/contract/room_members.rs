//! What every [`chat::ports::RoomStore`] must do with who is in a room.

use chat::conversation::{ConversationId, ConversationKind};
use chat::event::{Event, EventBody};
use chat::ports::{Join, JoinOutcome, MemberChange, RoomChange};
use chat::room::{Member, MemberAction, MemberState, Role, Room, RoomProfile, RoomSettings, Standing};
use futures::future::{join, join_all};
use kernel::{PageRequest, Timestamp, UserId};

use super::stored_chat::{START, StoredChat};

const ALL: u32 = 100;
const LATER: Timestamp = START.plus_seconds(60);

/// One read tells what a person may do in a conversation of any kind.
pub async fn a_standing_is_of_any_kind(chat: &StoredChat) {
    let (owner, other) = (chat.id(), chat.id());
    let session = chat.conversation(owner).await;
    let (squad, private, public) =
        (chat.squad(owner).await, chat.private_room(owner).await, chat.room().await);
    let member = chat.member(&public).await;

    let of_session = standing_of(chat, &session.id, owner).await;
    assert_eq!((of_session.kind, of_session.owner), (ConversationKind::Session, Some(owner)));
    assert_eq!((of_session.room, of_session.member), (None, None));
    for room in [&squad, &private, &public] {
        let of_room = standing_of(chat, &room.id, other).await;
        assert_eq!((of_room.kind, of_room.owner, of_room.member), (room.kind, room.owner, None));
        assert_eq!(
            (of_room.epoch.as_str(), of_room.room.as_ref().map(|found| &found.id)),
            ("e1", Some(&room.id))
        );
    }
    for (id, user, reads, sees, manages) in [
        (&session.id, owner, true, true, true),
        (&session.id, other, false, false, false),
        (&squad.id, owner, true, true, true),
        (&squad.id, other, false, false, false),
        (&private.id, owner, true, true, true),
        (&private.id, other, false, false, false),
        (&public.id, member, true, true, false),
        (&public.id, other, false, true, false),
    ] {
        let standing = standing_of(chat, id, user).await;
        let may = (standing.may_read(user), standing.may_see(user), standing.may_manage(user));
        assert_eq!(may, (reads, sees, manages), "{standing:?}");
    }
    assert_eq!(standing_of(chat, &public.id, member).await.head, 1);
}

/// A join makes a member, counts it and is in the log, all at once; what was said before counts as read.
pub async fn a_join_makes_a_member_and_an_event(chat: &StoredChat) {
    let room = chat.room().await;
    let first = chat.member(&room).await;
    chat.said(&room, first).await;
    let user = chat.id();
    let wish = Join { at: LATER, ..chat.join_of(&room, user) };
    let outcome = chat.rooms.join(&wish).await.unwrap();
    let member = Member {
        user_id: user,
        role: Role::Member,
        state: MemberState::Joined,
        joined_at: LATER,
        muted_until: None,
        read_seq: 3,
        message_count: 0,
        likes_given: 0,
    };
    assert_eq!(outcome, JoinOutcome::Joined { seq: 3, member: member.clone() });
    let standing = standing_of(chat, &room.id, user).await;
    assert_eq!((standing.member, standing.head), (Some(member), 3));
    let stored = standing.room.unwrap();
    assert_eq!((stored.statistics.members, stored.last_active_at), (2, LATER));
    let events = chat.log.events(&room.id, 2, 10).await.unwrap();
    let body = EventBody::Member { user_id: user, action: MemberAction::Joined };
    let event = Event { seq: 3, body, created_at: LATER, message: None, author: None };
    assert_eq!(events, [event]);
}

/// Who is in already stays in, and nothing is written.
pub async fn a_member_joins_once(chat: &StoredChat) {
    let room = chat.room().await;
    let user = chat.member(&room).await;
    let before = standing_of(chat, &room.id, user).await;
    let outcome = chat.rooms.join(&Join { at: LATER, ..chat.join_of(&room, user) }).await.unwrap();
    assert_eq!(outcome, JoinOutcome::Already { member: before.member.clone().unwrap() });
    assert_eq!(standing_of(chat, &room.id, user).await, before);
}

/// However often a person comes at once, one member and one event come of it.
pub async fn one_person_joins_once_however_often_they_come_together(chat: &StoredChat) {
    let room = chat.room().await;
    let wish = chat.join_of(&room, chat.id());
    let outcomes = join_all((0..8).map(|_| chat.rooms.join(&wish))).await;
    let new = outcomes.iter().filter(|outcome| matches!(outcome, Ok(JoinOutcome::Joined { .. })));
    let known = outcomes.iter().filter(|outcome| matches!(outcome, Ok(JoinOutcome::Already { .. })));
    assert_eq!((new.count(), known.count()), (1, 7));
    assert_eq!(chat.log.events(&room.id, 0, 10).await.unwrap().len(), 1);
    assert_eq!(members_counted(chat, &room).await, 1);
}

/// Thirty people want ten places: ten get one, and a place that becomes free is given again.
pub async fn a_room_takes_no_more_than_its_limit(chat: &StoredChat) {
    let room = chat.room().await;
    let people: Vec<UserId> = (0..30).map(|_| chat.id()).collect();
    let joins = people.iter().map(|user| {
        let wish = chat.join_of(&room, *user);
        async move { chat.rooms.join(&wish).await.unwrap() }
    });
    let outcomes = join_all(joins).await;
    let in_now = |outcome: &JoinOutcome| matches!(outcome, JoinOutcome::Joined { .. });
    assert_eq!(outcomes.iter().filter(|outcome| in_now(outcome)).count(), 10);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == JoinOutcome::Full).count(), 20);
    let members = chat.rooms.members(&room.id, whole()).await.unwrap();
    assert_eq!((members.total, members_counted(chat, &room).await), (10, 10));
    let seqs: Vec<_> =
        chat.log.events(&room.id, 0, ALL).await.unwrap().iter().map(|event| event.seq).collect();
    assert_eq!(seqs, (1..=10).collect::<Vec<_>>());

    let gone = members.items[0].user_id;
    chat.rooms.end_membership(&room.id, gone, MemberAction::Left, LATER).await.unwrap();
    let late = chat.rooms.join(&chat.join_of(&room, chat.id())).await.unwrap();
    assert!(in_now(&late), "{late:?}");
    let back = chat.rooms.join(&chat.join_of(&room, gone)).await.unwrap();
    assert_eq!(back, JoinOutcome::Full);
}

/// A limit below the number of members shows nobody out and lets nobody in.
pub async fn a_smaller_limit_lets_nobody_in(chat: &StoredChat) {
    let room = chat.room().await;
    let members = [chat.member(&room).await, chat.member(&room).await];
    let settings = RoomSettings { max_members: 1, ..room.settings.clone() };
    let change = RoomChange { settings: Some(settings), ..RoomChange::default() };
    chat.rooms.change(&room.id, &change).await.unwrap();
    assert_eq!(chat.rooms.join(&chat.join_of(&room, chat.id())).await.unwrap(), JoinOutcome::Full);
    let again = chat.rooms.join(&chat.join_of(&room, members[0])).await.unwrap();
    assert!(matches!(again, JoinOutcome::Already { .. }), "{again:?}");
}

/// A room that is not public takes those who have its present code.
pub async fn a_private_room_asks_for_its_code(chat: &StoredChat) {
    let owner = chat.id();
    let room = chat.private_room(owner).await;
    let with_code = async |user, code: Option<&str>| {
        let wish = Join { invite_code: code.map(str::to_owned), ..chat.join_of(&room, user) };
        chat.rooms.join(&wish).await.unwrap()
    };
    for code in [None, Some(""), Some("guess")] {
        assert_eq!(with_code(chat.id(), code).await, JoinOutcome::NotInvited, "no code was made");
    }
    let change = |code: &str| RoomChange { invite_code: Some(code.to_owned()), ..RoomChange::default() };
    chat.rooms.change(&room.id, &change("old")).await.unwrap();
    chat.rooms.change(&room.id, &change("new")).await.unwrap();
    for code in [None, Some("old"), Some("NEW")] {
        assert_eq!(with_code(chat.id(), code).await, JoinOutcome::NotInvited);
    }
    let guest = chat.id();
    assert!(matches!(with_code(guest, Some("new")).await, JoinOutcome::Joined { .. }));
    assert!(matches!(with_code(guest, None).await, JoinOutcome::Already { .. }));
    for user in [guest, owner] {
        chat.rooms.end_membership(&room.id, user, MemberAction::Left, LATER).await.unwrap();
    }
    assert_eq!(with_code(guest, None).await, JoinOutcome::NotInvited);
    let back = with_code(owner, None).await;
    let JoinOutcome::Joined { member, .. } = back else { panic!("{back:?}") };
    assert_eq!(member.role, Role::Owner);
}

/// Who is below the required level does not come in, unless the room is theirs; who is in stays.
pub async fn a_room_may_require_a_level(chat: &StoredChat) {
    let owner = chat.id();
    let (open, own) = (chat.room().await, chat.private_room(owner).await);
    let early = chat.member(&open).await;
    for room in [&open, &own] {
        let profile = RoomProfile { require_level: 3, ..room.profile.clone() };
        let change = RoomChange { profile: Some(profile), ..RoomChange::default() };
        chat.rooms.change(&room.id, &change).await.unwrap();
    }
    let with_level = async |room: &Room, user, level| {
        chat.rooms.join(&Join { level, ..chat.join_of(room, user) }).await.unwrap()
    };
    let user = chat.id();
    assert_eq!(with_level(&open, user, 2).await, JoinOutcome::LevelRequired { level: 3 });
    assert_eq!(with_level(&own, user, 1).await, JoinOutcome::NotInvited, "who has no code is told no more");
    assert!(matches!(with_level(&open, user, 3).await, JoinOutcome::Joined { .. }));
    assert!(matches!(with_level(&open, early, 1).await, JoinOutcome::Already { .. }));
    chat.rooms.end_membership(&own.id, owner, MemberAction::Left, LATER).await.unwrap();
    assert!(matches!(with_level(&own, owner, 1).await, JoinOutcome::Joined { .. }));
}

/// There is nothing to join in a squad, a session, a closed room, or none.
pub async fn some_conversations_take_nobody(chat: &StoredChat) {
    let (owner, user) = (chat.id(), chat.id());
    let (squad, closed, unknown) = (chat.squad(owner).await, chat.room().await, chat.new_room());
    let session = chat.conversation(owner).await;
    let close = RoomChange { closed_at: Some(START), ..RoomChange::default() };
    chat.rooms.change(&closed.id, &close).await.unwrap();
    for id in [&squad.id, &closed.id, &unknown.id, &session.id] {
        let wish = Join { conversation_id: id.clone(), ..chat.join_of(&unknown, user) };
        assert_eq!(chat.rooms.join(&wish).await.unwrap(), JoinOutcome::NoRoom);
        assert_eq!(chat.log.events(id, 0, 10).await.unwrap(), []);
    }
}

/// An end is in the log with its action, and the place is free.
pub async fn a_membership_ends_with_an_event(chat: &StoredChat) {
    let room = chat.room().await;
    for (action, state) in [
        (MemberAction::Left, MemberState::Left),
        (MemberAction::Removed, MemberState::Left),
        (MemberAction::Banned, MemberState::Banned),
    ] {
        let user = chat.member(&room).await;
        let head = standing_of(chat, &room.id, user).await.head;
        let seq = chat.rooms.end_membership(&room.id, user, action, LATER).await.unwrap();
        assert_eq!(seq, Some(head + 1));
        let standing = standing_of(chat, &room.id, user).await;
        assert_eq!(
            (standing.member.as_ref().map(|member| member.state), standing.may_read(user)),
            (Some(state), false)
        );
        let events = chat.log.events(&room.id, head, 10).await.unwrap();
        let bodies: Vec<_> = events.into_iter().map(|event| event.body).collect();
        assert_eq!(bodies, [EventBody::Member { user_id: user, action }]);
        assert_eq!(members_counted(chat, &room).await, 0);
    }
}

/// Where there is no membership nothing ends and nothing is in the log.
pub async fn no_membership_ends_without_an_event(chat: &StoredChat) {
    let (room, unknown) = (chat.room().await, chat.new_room());
    let gone = chat.member(&room).await;
    chat.rooms.end_membership(&room.id, gone, MemberAction::Left, LATER).await.unwrap();
    let head = standing_of(chat, &room.id, gone).await.head;
    for user in [gone, chat.id()] {
        for action in [MemberAction::Left, MemberAction::Removed, MemberAction::Banned] {
            for id in [&room.id, &unknown.id] {
                assert_eq!(chat.rooms.end_membership(id, user, action, LATER).await.unwrap(), None);
            }
        }
    }
    assert_eq!(standing_of(chat, &room.id, gone).await.head, head);
    assert_eq!(members_counted(chat, &room).await, 0);
}

/// However many ends come at once, one wins.
pub async fn a_membership_ends_once(chat: &StoredChat) {
    let room = chat.room().await;
    let user = chat.member(&room).await;
    let ends = (0..6).map(|_| chat.rooms.end_membership(&room.id, user, MemberAction::Left, LATER));
    let seqs: Vec<_> = join_all(ends).await.into_iter().filter_map(Result::unwrap).collect();
    assert_eq!(seqs, [2]);
    assert_eq!(members_counted(chat, &room).await, 0);
}

/// A ban refuses whoever it is for, members and strangers.
pub async fn a_ban_keeps_out(chat: &StoredChat) {
    let room = chat.room().await;
    let (member, stranger) = (chat.member(&room).await, chat.id());
    for user in [member, stranger] {
        chat.rooms.end_membership(&room.id, user, MemberAction::Banned, LATER).await.unwrap();
        assert_eq!(chat.rooms.join(&chat.join_of(&room, user)).await.unwrap(), JoinOutcome::Banned);
        let standing = standing_of(chat, &room.id, user).await;
        assert_eq!(standing.member.map(|member| member.state), Some(MemberState::Banned));
        let again = chat.rooms.end_membership(&room.id, user, MemberAction::Left, LATER).await.unwrap();
        assert_eq!(again, None);
        assert_eq!(chat.rooms.join(&chat.join_of(&room, user)).await.unwrap(), JoinOutcome::Banned);
    }
}

/// Whoever comes back finds what was counted, and a silence that is not over; no office.
pub async fn a_return_keeps_counts_and_silence(chat: &StoredChat) {
    let room = chat.room().await;
    let user = chat.member(&room).await;
    chat.said(&room, user).await;
    let until = START.plus_seconds(600);
    let change = MemberChange { role: Some(Role::Admin), muted_until: Some(until) };
    assert!(chat.rooms.change_member(&room.id, user, change).await.unwrap());
    chat.rooms.end_membership(&room.id, user, MemberAction::Left, LATER).await.unwrap();
    let outcome = chat.rooms.join(&Join { at: LATER, ..chat.join_of(&room, user) }).await.unwrap();
    let JoinOutcome::Joined { member, seq } = outcome else { panic!("{outcome:?}") };
    assert_eq!(standing_of(chat, &room.id, user).await.member, Some(member.clone()));
    assert_eq!((member.message_count, member.muted_until, member.role), (1, Some(until), Role::Member));
    assert_eq!((member.joined_at, member.read_seq), (LATER, seq));
}

/// What is named is changed, all else stays.
pub async fn a_membership_is_changed(chat: &StoredChat) {
    let room = chat.room().await;
    let user = chat.member(&room).await;
    let mut expected = standing_of(chat, &room.id, user).await.member.unwrap();
    for (role, muted_until) in
        [(Some(Role::Admin), None), (None, Some(LATER)), (Some(Role::Member), Some(START)), (None, None)]
    {
        let change = MemberChange { role, muted_until };
        assert!(chat.rooms.change_member(&room.id, user, change).await.unwrap());
        expected.role = role.unwrap_or(expected.role);
        expected.muted_until = muted_until.or(expected.muted_until);
        assert_eq!(standing_of(chat, &room.id, user).await.member.as_ref(), Some(&expected));
    }
    assert!(!chat.rooms.change_member(&room.id, chat.id(), MemberChange::default()).await.unwrap());
}

/// Those who are in: the owner, admins, then the longest first; in pages.
pub async fn members_are_listed(chat: &StoredChat) {
    let owner = chat.id();
    let room = chat.stored(Room { is_public: true, ..chat.new_private_room(owner) }).await;
    let mut people = Vec::new();
    for seconds in [5, 2, 9, 4] {
        let user = chat.id();
        let wish = Join { at: START.plus_seconds(seconds), ..chat.join_of(&room, user) };
        chat.rooms.join(&wish).await.unwrap();
        people.push(user);
    }
    let admin = MemberChange { role: Some(Role::Admin), ..MemberChange::default() };
    chat.rooms.change_member(&room.id, people[2], admin).await.unwrap();
    chat.rooms.end_membership(&room.id, people[3], MemberAction::Banned, LATER).await.unwrap();
    let mut listed = Vec::new();
    for page in 1..=3 {
        let request = PageRequest::new(page, 2, ALL);
        let part = chat.rooms.members(&room.id, request).await.unwrap();
        assert_eq!(part.total, 4);
        listed.extend(part.items);
    }
    let users: Vec<_> = listed.iter().map(|member| member.user_id).collect();
    assert_eq!(users, [owner, people[2], people[1], people[0]]);
    assert_eq!(Some(&listed[2]), standing_of(chat, &room.id, people[1]).await.member.as_ref());
}

/// People who come, go and speak at once leave a log without a hole, in the order that the counts say.
pub async fn members_and_messages_share_one_log(chat: &StoredChat) {
    let room = chat.room().await;
    let speaker = chat.member(&room).await;
    let comings = join_all((0..8).map(async |_| {
        let user = chat.member(&room).await;
        chat.rooms.end_membership(&room.id, user, MemberAction::Left, LATER).await.unwrap().unwrap();
    }));
    let words = join_all((0..8).map(|_| chat.said(&room, speaker)));
    join(comings, words).await;
    let events = chat.log.events(&room.id, 0, ALL).await.unwrap();
    let seqs: Vec<_> = events.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, (1..=25).collect::<Vec<_>>());
    let stored = chat.rooms.room(&room.id).await.unwrap().unwrap();
    assert_eq!((stored.head, stored.statistics.members, stored.statistics.messages), (25, 1, 8));
}

async fn standing_of(chat: &StoredChat, id: &ConversationId, user: UserId) -> Standing {
    chat.rooms.standing(id, user).await.unwrap().unwrap()
}

async fn members_counted(chat: &StoredChat, room: &Room) -> u32 {
    chat.rooms.room(&room.id).await.unwrap().unwrap().statistics.members
}

fn whole() -> PageRequest {
    PageRequest::new(1, ALL, ALL)
}
