//! Keeping order: announcements that nobody answers, silenced characters, levels, bans, blocks and reports.

use chat::error::{Field, Forbidden};
use chat::event::Frame;
use chat::ports::HistoryQuery;
use chat::turn::{Reason, StepState, TurnState};
use chat::{
    Actor, Author, ChatError, IdempotencyKey, NewRoom, ReportState, Role, Room, RoomEdit, RoomProfile,
    RoomSettings, Ruling, TurnStrategy,
};
use kernel::{PageRequest, UserId};
use tests::backends::Backend;
use tests::house::House;

use super::turns::{USAGE, by, over, room_of, say, speaker, turn_of};

super::on_both_databases!(
    an_announcement_is_heard_by_all_and_answered_by_nobody,
    a_silenced_character_is_not_asked_and_nobody_stands_in,
    a_room_may_require_a_level,
    operators_keep_order_in_public_rooms_and_in_no_others,
    a_ban_is_lifted_by_who_keeps_order,
    the_owner_alone_makes_admins,
    whom_one_has_blocked_is_known_at_once,
    a_report_is_made_once_and_decided,
    a_used_up_rate_refuses_reports_and_no_repeats,
);

fn page() -> PageRequest {
    PageRequest::new(1, 20, 100)
}

fn operator(user_id: UserId) -> Actor {
    Actor { user_id, is_operator: true }
}

async fn join(house: &House, room: &Room, guest: UserId) {
    let code = house.chat.invite(house.user, room.id.as_str()).await.unwrap();
    house.chat.join_room(guest, room.id.as_str(), Some(code)).await.unwrap();
}

async fn an_announcement_is_heard_by_all_and_answered_by_nobody(backend: &Backend) {
    let mut house = House::on(backend);
    let room = room_of(&house, &["classics_kongzi", "classics_mengzi"], by(TurnStrategy::List)).await;
    let (id, runs_it) = (room.id.as_str(), house.person(9));
    let mut frames = house.listen(&room.id).await;
    // Rates are nothing to it, and names in it call nobody.
    house.turnstile.close();
    let key = || Some(IdempotencyKey::parse("k-1").unwrap());
    let said = house.chat.announce_in_room(runs_it, id, " 请孔子说说好学 ", key()).await.unwrap();
    assert_eq!((said.seq, said.duplicate), (1, false));
    let frame = frames.frame().await;
    let Frame::Committed { events } = frame else { panic!("{frame:?}") };
    let message = events[0].message.as_ref().unwrap();
    assert_eq!((&message.author, message.content.as_str()), (&Author::System, "请孔子说说好学"));
    let again = house.chat.announce_in_room(runs_it, id, "请孔子说说好学", key()).await.unwrap();
    assert_eq!((again.message_id, again.duplicate), (said.message_id, true));
    let other = house.chat.announce_in_room(runs_it, id, "别的", key()).await;
    assert!(matches!(other, Err(ChatError::ClientMsgIdConflict)));
    let of_another = house.chat.announce_in_room(house.person(8), id, "别的", key()).await.unwrap();
    assert_eq!(of_another.seq, 2, "a key is one operator's own");
    let history = house.chat.history(house.user, id, HistoryQuery::Newest { limit: 9 }).await.unwrap();
    assert_eq!(history.messages.len(), 2);
    assert!(house.chat.turns(&room.id, page()).await.unwrap().items.is_empty());
    assert!(house.calls.try_recv().is_err());
    assert_eq!(house.chat.message_count(runs_it).await.unwrap(), 0);
    // The room's owner keeps order among people; the house takes its own word back.
    let owners = house.chat.recall(house.user, false, said.message_id).await;
    assert!(matches!(owners, Err(ChatError::Forbidden(Forbidden::NotAuthor))), "{owners:?}");
    house.chat.recall(runs_it, true, said.message_id).await.unwrap();
    house.chat.close_room(house.user, id).await.unwrap();
    let late = house.chat.announce_in_room(runs_it, id, "晚了", None).await;
    assert!(matches!(late, Err(ChatError::Forbidden(Forbidden::Closed))), "{late:?}");
    let nowhere = house.chat.announce_in_room(runs_it, "nowhere", "喂", None).await;
    assert!(matches!(nowhere, Err(ChatError::NotFound)));
}

async fn a_silenced_character_is_not_asked_and_nobody_stands_in(backend: &Backend) {
    let mut house = House::on(backend);
    let muted =
        RoomSettings { muted_characters: vec!["classics_kongzi".parse().unwrap()], ..by(TurnStrategy::List) };
    let room = room_of(&house, &["classics_kongzi", "classics_mengzi"], muted.clone()).await;
    let mut frames = house.listen(&room.id).await;
    let alone = say(&house, house.user, &room, "孔子怎么看？").await;
    let turn = turn_of(backend, alone.message_id).await;
    assert_eq!(turn.state, TurnState::Done);
    let steps: Vec<_> = turn.steps.iter().map(|step| (step.reason, step.state)).collect();
    assert_eq!(steps, [(Reason::Muted, StepState::Skipped)]);
    let both = say(&house, house.user, &room, "孔子、孟子怎么看？").await;
    let call = house.call().await;
    assert_eq!(speaker(&call), "孟子");
    call.say("善。");
    call.finish(USAGE);
    over(&mut frames, both.message_id).await;
    let steps = turn_of(backend, both.message_id).await.steps;
    let steps: Vec<_> = steps.iter().map(|step| (step.reason, step.state)).collect();
    let expected = [(Reason::MentionedByName, StepState::Begun), (Reason::Muted, StepState::Skipped)];
    assert_eq!(steps, expected);
    // Unmuted it is heard again.
    let settings = RoomSettings { muted_characters: Vec::new(), ..muted };
    let edit = RoomEdit { settings: Some(settings), ..RoomEdit::default() };
    house.chat.edit_room(house.user, false, room.id.as_str(), edit).await.unwrap();
    let heard = say(&house, house.user, &room, "孔子怎么看？").await;
    let call = house.call().await;
    assert_eq!(speaker(&call), "孔子");
    call.finish(USAGE);
    over(&mut frames, heard.message_id).await;
}

async fn a_room_may_require_a_level(backend: &Backend) {
    let house = House::on(backend);
    let (chat, early, late) = (&house.chat, house.person(1), house.person(2));
    let room = house.public_room(RoomSettings { allow_guest_join: true, ..RoomSettings::default() }).await;
    let id = room.id.as_str();
    chat.join_room(early, id, None).await.unwrap();
    let edit = || RoomEdit { require_level: Some(3), ..RoomEdit::default() };
    let edited = chat.edit_room(house.person(9), true, id, edit()).await.unwrap();
    assert_eq!(edited.profile.require_level, 3);
    let is_refused = |answer: Result<(), ChatError>| {
        assert!(
            matches!(answer, Err(ChatError::Forbidden(Forbidden::LevelRequired { level: 3 }))),
            "{answer:?}"
        );
    };
    is_refused(chat.join_room(late, id, None).await.map(|_| ()));
    is_refused(chat.enter(late, &room.id).await.map(|_| ()));
    assert!(chat.enter(early, &room.id).await.is_ok(), "who is in stays");
    house.level.rise_to(3);
    assert!(chat.enter(late, &room.id).await.is_ok());
    let own = house.room(NewRoom::default()).await;
    let answer = chat.edit_room(house.user, false, own.id.as_str(), edit()).await;
    assert!(matches!(answer, Err(ChatError::Invalid { field: Field::RequireLevel, .. })), "{answer:?}");
}

async fn operators_keep_order_in_public_rooms_and_in_no_others(backend: &Backend) {
    let house = House::on(backend);
    let (chat, runs_it, guest) = (&house.chat, operator(house.person(9)), house.person(1));
    let room = house.public_room(RoomSettings::default()).await;
    let id = room.id.as_str();
    chat.join_room(guest, id, None).await.unwrap();
    let not_theirs = chat.mute_member(house.user, id, guest, 60).await;
    assert!(matches!(not_theirs, Err(ChatError::Forbidden(Forbidden::NotManager))));
    chat.mute_member(runs_it, id, guest, 60).await.unwrap();
    assert_eq!(chat.set_role(runs_it, id, guest, Role::Admin).await.unwrap().role, Role::Admin);
    chat.remove_member(runs_it, id, guest, true).await.unwrap();
    assert_eq!(chat.banned(runs_it, id, page()).await.unwrap().total, 1);
    chat.lift_ban(runs_it, id, guest).await.unwrap();
    assert_eq!(chat.join_room(guest, id, None).await.unwrap().member.role, Role::Member);

    let private = house.room(NewRoom { profile: RoomProfile::default(), ..NewRoom::default() }).await;
    let hidden = chat.banned(runs_it, private.id.as_str(), page()).await;
    assert!(matches!(hidden, Err(ChatError::NotFound)), "{hidden:?}");
}

async fn a_ban_is_lifted_by_who_keeps_order(backend: &Backend) {
    let house = House::on(backend);
    let (chat, owner, guest, member) = (&house.chat, house.user, house.person(1), house.person(2));
    let room = house.room(NewRoom::default()).await;
    let id = room.id.as_str();
    join(&house, &room, guest).await;
    join(&house, &room, member).await;
    chat.remove_member(owner, id, guest, true).await.unwrap();
    for answer in [chat.banned(member, id, page()).await.map(|_| ()), chat.lift_ban(member, id, guest).await]
    {
        assert!(matches!(answer, Err(ChatError::Forbidden(Forbidden::NotManager))), "{answer:?}");
    }
    let banned = chat.banned(owner, id, page()).await.unwrap();
    assert_eq!((banned.items[0].user_id, banned.total), (guest, 1));
    chat.lift_ban(owner, id, guest).await.unwrap();
    chat.lift_ban(owner, id, guest).await.unwrap();
    assert_eq!(chat.banned(owner, id, page()).await.unwrap().total, 0);
    let again = chat.join_room(guest, id, None).await;
    assert!(matches!(again, Err(ChatError::NotFound)), "an invitation is needed as ever");
    join(&house, &room, guest).await;
    let code = chat.invitation(owner, id).await.unwrap();
    assert_eq!(code, chat.invitation(owner, id).await.unwrap(), "looking at it makes no other");
    assert!(chat.invitation(guest, id).await.is_err());
}

async fn the_owner_alone_makes_admins(backend: &Backend) {
    let house = House::on(backend);
    let (chat, owner, admin, other) = (&house.chat, house.user, house.person(1), house.person(2));
    let room = house.room(NewRoom::default()).await;
    let id = room.id.as_str();
    join(&house, &room, admin).await;
    join(&house, &room, other).await;
    assert_eq!(chat.set_role(owner, id, admin, Role::Admin).await.unwrap().role, Role::Admin);
    chat.mute_member(admin, id, other, 60).await.unwrap();
    for answer in [
        chat.set_role(admin, id, other, Role::Admin).await.map(|_| ()),
        chat.set_role(admin, id, admin, Role::Member).await.map(|_| ()),
        chat.set_role(other, id, other, Role::Admin).await.map(|_| ()),
        chat.set_role(owner, id, owner, Role::Member).await.map(|_| ()),
        chat.set_role(owner, id, other, Role::Owner).await.map(|_| ()),
    ] {
        assert!(matches!(answer, Err(ChatError::Forbidden(Forbidden::NotManager))), "{answer:?}");
    }
    let stranger = chat.set_role(owner, id, house.person(3), Role::Admin).await;
    assert!(matches!(stranger, Err(ChatError::NotFound)), "{stranger:?}");
    assert_eq!(chat.set_role(owner, id, admin, Role::Member).await.unwrap().role, Role::Member);
    assert!(chat.mute_member(admin, id, other, 0).await.is_err());
}

async fn whom_one_has_blocked_is_known_at_once(backend: &Backend) {
    let house = House::on(backend);
    let (chat, user, other) = (&house.chat, house.user, house.person(1));
    assert!(chat.hidden_from(user).await.unwrap().is_empty());
    chat.block(user, other).await.unwrap();
    chat.block(user, other).await.unwrap();
    assert_eq!(*chat.hidden_from(user).await.unwrap(), [other]);
    assert!(chat.hidden_from(other).await.unwrap().is_empty());
    assert_eq!(chat.blocks(user, page()).await.unwrap().total, 1);
    chat.unblock(user, other).await.unwrap();
    chat.unblock(user, other).await.unwrap();
    assert!(chat.hidden_from(user).await.unwrap().is_empty());
    let oneself = chat.block(user, user).await;
    assert!(matches!(oneself, Err(ChatError::Invalid { field: Field::User, .. })));
    for n in 0..500 {
        chat.block(user, house.person(10 + n)).await.unwrap();
    }
    let full = chat.block(user, other).await;
    assert!(matches!(full, Err(ChatError::Forbidden(Forbidden::BlocksFull { limit: 500 }))), "{full:?}");
}

async fn a_report_is_made_once_and_decided(backend: &Backend) {
    let house = House::on(backend);
    let (chat, user, bad, runs_it) = (&house.chat, house.user, house.person(1), house.person(9));
    let room = house.room(NewRoom::default()).await;
    join(&house, &room, bad).await;
    let said = say(&house, bad, &room, "骂人的话").await;
    let first = chat.report_message(user, said.message_id, "辱骂").await.unwrap();
    let again = chat.report_message(user, said.message_id, "广告").await.unwrap();
    assert_eq!((first.duplicate, again.duplicate, again.id), (false, true, first.id));
    let stranger = chat.report_message(house.person(5), said.message_id, "辱骂").await;
    assert!(matches!(stranger, Err(ChatError::NotFound)), "{stranger:?}");
    for own in [chat.report_message(bad, said.message_id, "我").await, chat.report_user(bad, bad, "我").await]
    {
        assert!(matches!(own, Err(ChatError::Invalid { field: Field::User, .. })), "{own:?}");
    }
    let blank = chat.report_user(user, bad, " ").await;
    assert!(matches!(blank, Err(ChatError::Invalid { field: Field::Reason, .. })), "{blank:?}");
    let open = chat.reports(Some(ReportState::Open), page()).await.unwrap();
    assert_eq!((open.total, open.items[0].report.reason.as_str()), (1, "辱骂"));
    let case = chat.conclude_report(runs_it, first.id, Ruling::Resolved, "已请离").await.unwrap();
    assert_eq!(
        (case.report.state(), case.message.unwrap().content.as_str()),
        (ReportState::Resolved, "骂人的话")
    );
    assert_eq!(chat.reports(Some(ReportState::Open), page()).await.unwrap().total, 0);
    let unknown = chat
        .conclude_report(
            runs_it,
            "00000000-0000-7000-8000-000000000001".parse().unwrap(),
            Ruling::Resolved,
            "",
        )
        .await;
    assert!(matches!(unknown, Err(ChatError::NotFound)));
}

async fn a_used_up_rate_refuses_reports_and_no_repeats(backend: &Backend) {
    let house = House::on(backend);
    let (chat, user, bad) = (&house.chat, house.user, house.person(1));
    let first = chat.report_user(user, bad, "骚扰").await.unwrap();
    house.turnstile.close();
    assert_eq!(chat.report_user(user, bad, "骚扰").await.unwrap().id, first.id);
    let limited = chat.report_user(user, house.person(2), "骚扰").await;
    assert!(matches!(limited, Err(ChatError::RateLimited { .. })), "{limited:?}");
    assert_eq!(chat.reports(None, page()).await.unwrap().total, 1);
}
