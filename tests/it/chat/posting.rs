//! Saying something in a room: who may, how often, and that it is there exactly once.

use chat::error::Forbidden;
use chat::event::{EventBody, Frame};
use chat::ports::HistoryQuery;
use chat::{Author, ChatError, Draft, Message, NewRoom, Posted, Room, RoomSettings, TurnStrategy};
use futures::future::join_all;
use kernel::{TokenUsage, UserId};
use tests::backends::Backend;
use tests::house::{House, driven};

super::on_both_databases!(
    a_message_is_there_once_however_often_it_is_sent,
    messages_of_many_people_get_seqs_without_a_hole,
    who_may_speak_is_judged_when_the_message_is_written,
    a_repeat_is_answered_also_in_a_closed_room,
    a_used_up_rate_refuses_messages_and_no_repeats,
    a_message_goes_out_with_its_author_and_also_without,
    answers_and_mentions_are_of_the_room,
    in_a_session_a_message_is_a_question,
    a_like_counts_once_and_can_be_taken_back,
    what_others_said_is_unread_until_it_is_read,
    only_those_who_are_in_tell_that_they_write,
);

fn text(content: &str) -> Draft {
    Draft { content: content.to_owned(), ..Draft::default() }
}

fn sent(content: &str, client_msg_id: &str) -> Draft {
    Draft { client_msg_id: Some(client_msg_id.to_owned()), ..text(content) }
}

async fn post(house: &House, user: UserId, room: &Room, draft: Draft) -> Result<Posted, ChatError> {
    house.chat.post(user, room.id.as_str(), draft).await
}

async fn history(house: &House, user: UserId, room: &Room) -> Vec<Message> {
    let newest = HistoryQuery::Newest { limit: 300 };
    house.chat.history(user, room.id.as_str(), newest).await.expect("a history").messages
}

/// A public room with these people in it, whose joins are its first events.
async fn room_of(house: &House, people: &[UserId]) -> Room {
    // Nobody answers, so that every event is one of these people's.
    let quiet = RoomSettings { turn_strategy: TurnStrategy::Manual, ..RoomSettings::default() };
    let room = house.public_room(quiet).await;
    for user in people {
        house.chat.join_room(*user, room.id.as_str(), None).await.expect("a member");
    }
    room
}

async fn a_message_is_there_once_however_often_it_is_sent(backend: &Backend) {
    let house = House::on(backend);
    let room = house.room(NewRoom::default()).await;
    let tries = (0..20).map(|_| post(&house, house.user, &room, sent("学而时习之", "m-1")));
    let posted: Vec<Posted> = join_all(tries).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(posted.iter().filter(|posted| !posted.duplicate).count(), 1);
    assert!(posted.iter().all(|one| (one.message_id, one.seq) == (posted[0].message_id, 1)));
    assert!(posted.iter().all(|one| one.at == posted[0].at));
    let other = post(&house, house.user, &room, sent("不亦说乎", "m-1")).await;
    assert!(matches!(other, Err(ChatError::ClientMsgIdConflict)));
    let history = history(&house, house.user, &room).await;
    assert_eq!(history.iter().map(|message| message.content.as_str()).collect::<Vec<_>>(), ["学而时习之"]);
    // Another person's id is another id.
    let public = room_of(&house, &[house.person(1), house.person(2)]).await;
    for n in [1, 2] {
        assert!(!post(&house, house.person(n), &public, sent("学", "m-1")).await.unwrap().duplicate);
    }
}

async fn messages_of_many_people_get_seqs_without_a_hole(backend: &Backend) {
    let house = House::on(backend);
    let people: Vec<UserId> = (1..=10).map(|n| house.person(n)).collect();
    let room = room_of(&house, &people).await;
    let posts = people.iter().flat_map(|user| (0..20).map(move |n| (*user, n)));
    let posts = posts.map(|(user, n)| post(&house, user, &room, sent(&format!("第{n}句"), &format!("m{n}"))));
    let mut seqs: Vec<u64> = join_all(posts).await.into_iter().map(|posted| posted.unwrap().seq).collect();
    seqs.sort_unstable();
    assert_eq!(seqs, (11..=210).collect::<Vec<u64>>());
    assert_eq!(history(&house, people[0], &room).await.len(), 200);
}

async fn who_may_speak_is_judged_when_the_message_is_written(backend: &Backend) {
    let house = House::on(backend);
    let (chat, owner, guest) = (&house.chat, house.user, house.person(1));
    let room = house.room(NewRoom::default()).await;
    let stranger = post(&house, guest, &room, text("学")).await;
    assert!(matches!(stranger, Err(ChatError::NotFound)), "{stranger:?}");
    assert!(matches!(chat.post(guest, "no_room", text("学")).await, Err(ChatError::NotFound)));
    let code = chat.invite(owner, room.id.as_str()).await.unwrap();
    chat.join_room(guest, room.id.as_str(), Some(code)).await.unwrap();
    post(&house, guest, &room, text("学")).await.unwrap();
    chat.mute_member(owner, room.id.as_str(), guest, 60).await.unwrap();
    let muted = post(&house, guest, &room, text("学")).await;
    assert!(matches!(muted, Err(ChatError::Forbidden(Forbidden::Muted { .. }))), "{muted:?}");
    house.clock.advance_millis(60_000);
    post(&house, guest, &room, text("习")).await.unwrap();
    chat.remove_member(owner, room.id.as_str(), guest, true).await.unwrap();
    let banned = post(&house, guest, &room, text("说")).await;
    assert!(matches!(banned, Err(ChatError::Forbidden(Forbidden::Banned))), "{banned:?}");
    let public = house.public_room(RoomSettings::default()).await;
    let passer_by = post(&house, owner, &public, text("学")).await;
    assert!(matches!(passer_by, Err(ChatError::MembershipRequired)), "{passer_by:?}");
    let newest = HistoryQuery::Newest { limit: 1 };
    let looked = chat.history(owner, public.id.as_str(), newest).await;
    assert!(matches!(looked, Err(ChatError::MembershipRequired)), "{looked:?}");
    let looked = chat.history(house.person(9), room.id.as_str(), newest).await;
    assert!(matches!(looked, Err(ChatError::NotFound)), "{looked:?}");
}

async fn a_repeat_is_answered_also_in_a_closed_room(backend: &Backend) {
    let house = House::on(backend);
    let room = house.room(NewRoom::default()).await;
    let first = post(&house, house.user, &room, sent("学", "m-1")).await.unwrap();
    house.chat.close_room(house.user, room.id.as_str()).await.unwrap();
    let again = post(&house, house.user, &room, sent("学", "m-1")).await.unwrap();
    assert_eq!(again, Posted { duplicate: true, ..first });
    let new = post(&house, house.user, &room, sent("习", "m-2")).await;
    assert!(matches!(new, Err(ChatError::Forbidden(Forbidden::Closed))), "{new:?}");
    assert_eq!(history(&house, house.user, &room).await.len(), 1);
}

async fn a_used_up_rate_refuses_messages_and_no_repeats(backend: &Backend) {
    let house = House::on(backend);
    let room = house.room(NewRoom::default()).await;
    let first = post(&house, house.user, &room, sent("学", "m-1")).await.unwrap();
    house.turnstile.close();
    for draft in [text("学"), sent("习", "m-2")] {
        let refused = post(&house, house.user, &room, draft).await;
        assert!(matches!(refused, Err(ChatError::RateLimited { limit: 30, .. })), "{refused:?}");
    }
    let again = post(&house, house.user, &room, sent("学", "m-1")).await.unwrap();
    assert_eq!(again, Posted { duplicate: true, ..first });
    let other = post(&house, house.user, &room, sent("习", "m-1")).await;
    assert!(matches!(other, Err(ChatError::ClientMsgIdConflict)));
    // Who may not speak there is not even counted.
    let stranger = post(&house, house.person(9), &room, text("学")).await;
    assert!(matches!(stranger, Err(ChatError::NotFound)), "{stranger:?}");
}

async fn a_message_goes_out_with_its_author_and_also_without(backend: &Backend) {
    let house = House::on(backend);
    let room = house.room(NewRoom::default()).await;
    let mut bus = house.listen(&room.id).await;
    let posted = post(&house, house.user, &room, sent("学", "m-1")).await.unwrap();
    let Frame::Committed { events } = bus.frame().await else { panic!("the others are told") };
    let [event] = events.as_slice() else { panic!("{events:?}") };
    let message = event.message.as_ref().unwrap();
    assert_eq!((event.seq, message.seq, message.content.as_str()), (1, 1, "学"));
    assert_eq!(message.client_msg_id.as_deref(), Some("m-1"));
    assert_eq!(event.author.as_ref().unwrap().user_id, house.user);
    // What is told is what is stored.
    let stored = house.chat.message(house.user, posted.message_id).await;
    assert_eq!(stored.unwrap(), *message);
    house.society.go_away();
    post(&house, house.user, &room, text("习")).await.unwrap();
    let Frame::Committed { events } = bus.frame().await else { panic!("the others are told") };
    assert_eq!(events[0].author, None);
}

async fn answers_and_mentions_are_of_the_room(backend: &Backend) {
    let house = House::on(backend);
    let room =
        house.room(NewRoom { characters: vec!["classics_kongzi".to_owned()], ..NewRoom::default() }).await;
    let elsewhere = house.room(NewRoom::default()).await;
    let other = post(&house, house.user, &elsewhere, text("学")).await.unwrap();
    let own = post(&house, house.user, &room, text("学")).await.unwrap();
    let answer = |id| Draft { reply_to: Some(id), ..text("习") };
    let foreign = post(&house, house.user, &room, answer(other.message_id)).await;
    assert!(matches!(foreign, Err(ChatError::NotFound)), "{foreign:?}");
    let answered = post(&house, house.user, &room, answer(own.message_id)).await.unwrap();
    let history = history(&house, house.user, &room).await;
    let stored = history.iter().find(|message| message.id == answered.message_id).unwrap();
    assert_eq!(stored.reply_to, Some(own.message_id));
    assert_eq!(stored.author, Author::User(house.user));
    let naming = |id: &str| Draft { mentions: vec![id.to_owned()], ..text("请教") };
    let unknown = post(&house, house.user, &room, naming("classics_laozi")).await;
    assert!(matches!(unknown, Err(ChatError::UnknownCharacter)), "{unknown:?}");
}

async fn in_a_session_a_message_is_a_question(backend: &Backend) {
    let mut house = House::on(backend);
    let session = house.session().await;
    let draft = sent("学而时习之是什么意思？", "m-1");
    let first = house.chat.post(house.user, session.id.as_str(), draft.clone()).await.unwrap();
    assert_eq!((first.seq, first.duplicate), (1, false));
    let call = house.call().await;
    call.say("学");
    call.finish(TokenUsage { prompt: 10, cached: 0, completion: 1, reasoning: 0 });
    let reply = driven(&house.clock, house.chat.finished(house.user, first.message_id)).await.unwrap();
    assert_eq!(reply.content, "学");
    let again = house.chat.post(house.user, session.id.as_str(), draft).await.unwrap();
    assert_eq!(again, Posted { duplicate: true, ..first });
    let foreign = house.chat.post(house.person(1), session.id.as_str(), text("学")).await;
    assert!(matches!(foreign, Err(ChatError::NotFound)));
}

async fn a_like_counts_once_and_can_be_taken_back(backend: &Backend) {
    let house = House::on(backend);
    let (one, two) = (house.person(1), house.person(2));
    let room = room_of(&house, &[one, two]).await;
    let message = post(&house, one, &room, text("学")).await.unwrap().message_id;
    let mut bus = house.listen(&room.id).await;
    let like = |user, liked| house.chat.like(user, message, liked);
    assert_eq!((like(one, true).await.unwrap().total, like(two, true).await.unwrap().seq), (1, Some(5)));
    let again = like(two, true).await.unwrap();
    assert_eq!((again.total, again.seq), (2, None));
    assert_eq!(like(two, false).await.unwrap().total, 1);
    let likes = |frame: &Frame| match frame {
        Frame::Committed { events } => events
            .iter()
            .any(|event| matches!(event.body, EventBody::Like { total_likes: 1, liked: false, .. })),
        _ => false,
    };
    bus.until(likes).await;
    assert!(matches!(like(house.person(3), true).await, Err(ChatError::MembershipRequired)));
    house.turnstile.close();
    assert!(matches!(like(one, false).await, Err(ChatError::RateLimited { .. })));
}

async fn what_others_said_is_unread_until_it_is_read(backend: &Backend) {
    let house = House::on(backend);
    let (one, two) = (house.person(1), house.person(2));
    let room = room_of(&house, &[one, two]).await;
    for content in ["学", "习", "说"] {
        post(&house, one, &room, text(content)).await.unwrap();
    }
    let unread = async |user| house.chat.unread(user, std::slice::from_ref(&room.id)).await.unwrap()[0].1;
    assert_eq!((unread(one).await, unread(two).await), (0, 3));
    house.chat.read(two, &room.id, 4).await.unwrap();
    assert_eq!(unread(two).await, 1);
    // It only rises, and never passes the head.
    house.chat.read(two, &room.id, 3).await.unwrap();
    assert_eq!(unread(two).await, 1);
    house.chat.read(two, &room.id, 99).await.unwrap();
    assert_eq!(unread(two).await, 0);
    post(&house, one, &room, text("乐")).await.unwrap();
    assert_eq!(house.chat.room(two, room.id.as_str()).await.unwrap().unread, 1);
    let stranger = house.chat.read(house.person(3), &room.id, 1).await;
    assert!(matches!(stranger, Err(ChatError::MembershipRequired)));
}

async fn only_those_who_are_in_tell_that_they_write(backend: &Backend) {
    let house = House::on(backend);
    let room = room_of(&house, &[house.person(1)]).await;
    let mut bus = house.listen(&room.id).await;
    house.chat.typing(house.person(2), &room.id, "c-2").await;
    house.chat.typing(house.person(1), &room.id, "c-1").await;
    let expected = Frame::Typing { user_id: house.person(1), connection: "c-1".to_owned() };
    let typing = bus.until(|frame| matches!(frame, Frame::Typing { .. })).await;
    assert_eq!(typing, expected);
}
