//! Who gets into a room, who keeps order in it, and what becomes of it.

use adapter_sql::SqlEventLog;
use chat::error::Forbidden;
use chat::event::{EventBody, Frame};
use chat::ports::EventLog;
use chat::{
    ChatError, IdempotencyKey, MemberAction, NewRoom, NewSquad, Role, Room, RoomEdit, RoomProfile,
    RoomSettings,
};
use kernel::{PageRequest, UserId};
use tests::backends::Backend;
use tests::house::House;

super::on_both_databases!(
    a_private_room_is_unknown_to_those_who_were_not_invited,
    a_room_that_takes_guests_makes_a_member_once,
    where_guests_are_not_taken_only_a_wish_of_ones_own_makes_a_member,
    who_was_shown_out_for_good_stays_out,
    who_leaves_is_gone_and_the_owner_stays,
    a_room_takes_so_many_members,
    only_who_keeps_order_may_change_a_room,
    an_edit_keeps_the_rules,
    a_closed_room_can_be_read_and_nothing_else,
    a_key_makes_one_room,
    a_muted_member_can_be_heard_again,
);

/// Memberships in the log, in order.
async fn member_events(backend: &Backend, room: &Room) -> Vec<(UserId, MemberAction)> {
    let events = SqlEventLog::new(backend.store.clone()).events(&room.id, 0, 100).await.unwrap();
    let member = |body| match body {
        EventBody::Member { user_id, action } => Some((user_id, action)),
        _ => None,
    };
    events.into_iter().filter_map(|event| member(event.body)).collect()
}

fn page() -> PageRequest {
    PageRequest::new(1, 20, 100)
}

async fn a_private_room_is_unknown_to_those_who_were_not_invited(backend: &Backend) {
    let house = House::on(backend);
    let (chat, owner, guest) = (&house.chat, house.user, house.person(1));
    let room = house.room(NewRoom::default()).await;
    let id = room.id.as_str();
    assert!(matches!(chat.room(guest, id).await, Err(ChatError::NotFound)));
    assert!(matches!(chat.enter(guest, &room.id).await, Err(ChatError::NotFound)));
    assert!(matches!(chat.members(guest, id, page()).await, Err(ChatError::NotFound)));
    assert!(matches!(chat.leave_room(guest, id).await, Err(ChatError::NotFound)));
    let code = chat.invite(owner, id).await.unwrap();
    for wrong in [None, Some("x".to_owned()), Some(String::new())] {
        assert!(matches!(chat.join_room(guest, id, wrong).await, Err(ChatError::NotFound)));
    }
    let joined = chat.join_room(guest, id, Some(code.clone())).await.unwrap();
    assert_eq!((joined.seq, joined.member.role), (Some(1), Role::Member));
    let again = chat.join_room(guest, id, Some(code.clone())).await.unwrap();
    assert_eq!(again.seq, None);
    assert_eq!(chat.room(guest, id).await.unwrap().standing.head, 1);
    let members = chat.members(guest, id, page()).await.unwrap();
    let ids: Vec<UserId> = members.items.iter().map(|member| member.user_id).collect();
    assert_eq!(ids, [owner, guest]);
    // A fresh code ends the earlier one.
    chat.invite(owner, id).await.unwrap();
    assert!(matches!(chat.join_room(house.person(2), id, Some(code)).await, Err(ChatError::NotFound)));
}

async fn a_room_that_takes_guests_makes_a_member_once(backend: &Backend) {
    let house = House::on(backend);
    let guest = house.person(1);
    let room = house.public_room(RoomSettings { allow_guest_join: true, ..RoomSettings::default() }).await;
    let mut bus = house.listen(&room.id).await;
    for _ in 0..3 {
        let standing = house.chat.enter(guest, &room.id).await.unwrap();
        assert_eq!(standing.head, 1);
        assert!(standing.may_read(guest));
    }
    assert_eq!(member_events(backend, &room).await, [(guest, MemberAction::Joined)]);
    let Frame::Committed { events } = bus.frame().await else { panic!("the others are told") };
    assert_eq!(events[0].seq, 1);
    // The other way in is the same membership.
    assert_eq!(house.chat.join_room(guest, room.id.as_str(), None).await.unwrap().seq, None);
    // Stored once, whoever starts.
    house.chat.ensure_rooms(std::slice::from_ref(&room)).await.unwrap();
    assert_eq!(house.chat.room(guest, room.id.as_str()).await.unwrap().standing.head, 1);
}

async fn where_guests_are_not_taken_only_a_wish_of_ones_own_makes_a_member(backend: &Backend) {
    let house = House::on(backend);
    let guest = house.person(1);
    let room = house.public_room(RoomSettings { allow_guest_join: false, ..RoomSettings::default() }).await;
    let refused = house.chat.enter(guest, &room.id).await;
    assert!(matches!(refused, Err(ChatError::MembershipRequired)), "{refused:?}");
    let unknown = house.chat.enter(guest, &"no_room".parse().unwrap()).await;
    assert!(matches!(unknown, Err(ChatError::NotFound)));
    house.chat.join_room(guest, room.id.as_str(), None).await.unwrap();
    assert_eq!(house.chat.enter(guest, &room.id).await.unwrap().head, 1);
    let session = house.session().await;
    assert!(house.chat.enter(house.user, &session.id).await.is_ok());
    assert!(matches!(house.chat.enter(guest, &session.id).await, Err(ChatError::NotFound)));
}

async fn who_was_shown_out_for_good_stays_out(backend: &Backend) {
    let house = House::on(backend);
    let (chat, owner, guest) = (&house.chat, house.user, house.person(1));
    let room = house.room(NewRoom::default()).await;
    let id = room.id.as_str();
    let code = chat.invite(owner, id).await.unwrap();
    chat.join_room(guest, id, Some(code.clone())).await.unwrap();
    let mut bus = house.listen(&room.id).await;
    chat.remove_member(owner, id, guest, false).await.unwrap();
    bus.until(|frame| *frame == Frame::Expelled { user_id: guest }).await;
    assert!(matches!(chat.enter(guest, &room.id).await, Err(ChatError::NotFound)));
    // Who was merely shown out may come back.
    chat.join_room(guest, id, Some(code.clone())).await.unwrap();
    chat.remove_member(owner, id, guest, true).await.unwrap();
    for refused in [
        chat.enter(guest, &room.id).await.map(|_| ()),
        chat.join_room(guest, id, Some(code)).await.map(|_| ()),
    ] {
        assert!(matches!(refused, Err(ChatError::Forbidden(Forbidden::Banned))), "{refused:?}");
    }
    let actions: Vec<MemberAction> =
        member_events(backend, &room).await.into_iter().map(|(_, action)| action).collect();
    let expected = [MemberAction::Joined, MemberAction::Removed, MemberAction::Joined, MemberAction::Banned];
    assert_eq!(actions, expected);
}

async fn who_leaves_is_gone_and_the_owner_stays(backend: &Backend) {
    let house = House::on(backend);
    let (chat, guest) = (&house.chat, house.person(1));
    let room = house.public_room(RoomSettings::default()).await;
    chat.join_room(guest, room.id.as_str(), None).await.unwrap();
    let mut bus = house.listen(&room.id).await;
    chat.leave_room(guest, room.id.as_str()).await.unwrap();
    chat.leave_room(guest, room.id.as_str()).await.unwrap();
    bus.until(|frame| *frame == Frame::Expelled { user_id: guest }).await;
    let expected = [(guest, MemberAction::Joined), (guest, MemberAction::Left)];
    assert_eq!(member_events(backend, &room).await, expected);
    let own = house.room(NewRoom::default()).await;
    let stays = chat.leave_room(house.user, own.id.as_str()).await;
    assert!(matches!(stays, Err(ChatError::Forbidden(Forbidden::OwnerStays))));
}

async fn a_room_takes_so_many_members(backend: &Backend) {
    let house = House::on(backend);
    let settings = RoomSettings { max_members: 2, allow_guest_join: true, ..RoomSettings::default() };
    let room = house.public_room(settings).await;
    house.chat.enter(house.person(1), &room.id).await.unwrap();
    house.chat.join_room(house.person(2), room.id.as_str(), None).await.unwrap();
    let full = house.chat.enter(house.person(3), &room.id).await;
    assert!(matches!(full, Err(ChatError::Forbidden(Forbidden::MembersFull))), "{full:?}");
}

async fn only_who_keeps_order_may_change_a_room(backend: &Backend) {
    let house = House::on(backend);
    let (chat, owner, guest) = (&house.chat, house.user, house.person(1));
    let room = house.room(NewRoom::default()).await;
    let id = room.id.as_str();
    let code = chat.invite(owner, id).await.unwrap();
    chat.join_room(guest, id, Some(code)).await.unwrap();
    for refused in [
        chat.edit_room(guest, false, id, RoomEdit::default()).await.map(|_| ()),
        // An operator's word counts in public rooms.
        chat.edit_room(guest, true, id, RoomEdit::default()).await.map(|_| ()),
        chat.close_room(guest, id).await,
        chat.invite(guest, id).await.map(|_| ()),
        chat.remove_member(guest, id, owner, true).await,
        chat.mute_member(guest, id, owner, 60).await,
        // The owner is above everybody, also above themselves.
        chat.remove_member(owner, id, owner, true).await,
    ] {
        assert!(matches!(refused, Err(ChatError::Forbidden(Forbidden::NotManager))), "{refused:?}");
    }
    let public = house.public_room(RoomSettings::default()).await;
    let edit = RoomEdit { name: Some("书院".to_owned()), ..RoomEdit::default() };
    assert!(chat.edit_room(guest, false, public.id.as_str(), edit.clone()).await.is_err());
    assert_eq!(chat.edit_room(guest, true, public.id.as_str(), edit).await.unwrap().profile.name, "书院");
}

async fn an_edit_keeps_the_rules(backend: &Backend) {
    let house = House::on(backend);
    let (chat, owner) = (&house.chat, house.user);
    let room = house.room(NewRoom::default()).await;
    let id = room.id.as_str();
    let named = |ids: &[&str]| RoomEdit {
        characters: Some(ids.iter().map(|id| (*id).to_owned()).collect()),
        ..RoomEdit::default()
    };
    let unknown = chat.edit_room(owner, false, id, named(&["nobody"])).await;
    assert!(matches!(unknown, Err(ChatError::UnknownCharacter)));
    let many = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
    assert!(matches!(chat.edit_room(owner, false, id, named(&many)).await, Err(ChatError::Invalid { .. })));
    let crowd = RoomSettings { max_members: 100_001, ..RoomSettings::default() };
    let edit = RoomEdit { settings: Some(crowd), ..RoomEdit::default() };
    assert!(matches!(chat.edit_room(owner, false, id, edit).await, Err(ChatError::Invalid { .. })));
    let edited =
        chat.edit_room(owner, false, id, named(&["classics_kongzi", "classics_laozi"])).await.unwrap();
    let found = chat.room(owner, id).await.unwrap().standing.room.unwrap();
    assert_eq!((found.characters.len(), &found.characters), (2, &edited.characters));
    assert_eq!(found.profile.name, "书房");
}

async fn a_closed_room_can_be_read_and_nothing_else(backend: &Backend) {
    let house = House::on(backend);
    let (chat, owner, guest) = (&house.chat, house.user, house.person(1));
    let room = house.room(NewRoom::default()).await;
    let id = room.id.as_str();
    let code = chat.invite(owner, id).await.unwrap();
    chat.close_room(owner, id).await.unwrap();
    chat.close_room(owner, id).await.unwrap();
    assert!(chat.enter(owner, &room.id).await.is_ok());
    assert!(chat.room(owner, id).await.unwrap().standing.room.unwrap().closed_at.is_some());
    assert!(matches!(chat.join_room(guest, id, Some(code)).await, Err(ChatError::NotFound)));
    let edited = chat.edit_room(owner, false, id, RoomEdit::default()).await;
    assert!(matches!(edited, Err(ChatError::Forbidden(Forbidden::Closed))));
}

async fn a_key_makes_one_room(backend: &Backend) {
    let house = House::on(backend);
    let (chat, owner) = (&house.chat, house.user);
    let key = || IdempotencyKey::parse("once").ok();
    let wanted = |name: &str| NewRoom {
        profile: RoomProfile { name: name.to_owned(), ..RoomProfile::default() },
        ..NewRoom::default()
    };
    let first = chat.create_room(owner, wanted("书房"), key()).await.unwrap();
    let second = chat.create_room(owner, wanted("书房"), key()).await.unwrap();
    assert_eq!((first.replayed, second.replayed), (false, true));
    assert_eq!(first.room.id, second.room.id);
    let other = chat.create_room(owner, wanted("茶室"), key()).await;
    assert!(matches!(other, Err(ChatError::IdempotencyConflict)));
    // Another route, another room.
    let squad = NewSquad {
        title: "小队".to_owned(),
        topic: "读书".to_owned(),
        characters: vec!["char_e_1".to_owned()],
    };
    assert!(!chat.create_squad(owner, squad, key()).await.unwrap().replayed);
}

async fn a_muted_member_can_be_heard_again(backend: &Backend) {
    let house = House::on(backend);
    let (chat, owner, guest) = (&house.chat, house.user, house.person(1));
    let room = house.room(NewRoom::default()).await;
    let id = room.id.as_str();
    let code = chat.invite(owner, id).await.unwrap();
    assert!(matches!(chat.mute_member(owner, id, guest, 60).await, Err(ChatError::NotFound)));
    chat.join_room(guest, id, Some(code)).await.unwrap();
    chat.mute_member(owner, id, guest, 60).await.unwrap();
    let until = |room: &chat::RoomView| room.standing.member.as_ref().unwrap().muted_until.unwrap();
    let now = kernel::Clock::now(&*house.clock);
    assert_eq!(until(&chat.room(guest, id).await.unwrap()).millis_since(now), 60_000);
    chat.mute_member(owner, id, guest, 0).await.unwrap();
    assert_eq!(until(&chat.room(guest, id).await.unwrap()).millis_since(now), 0);
}
