//! Turns at work: who answers, in which order, one at a time, and what ends a turn.

use adapter_sql::{SqlEventLog, SqlTurns};
use chat::event::{Frame, Notice};
use chat::ports::{EventLog, ModelError, TurnStore};
use chat::turn::{Reason, StepState, Turn, TurnState};
use chat::{ChatError, Draft, MessageStatus, NewRoom, Posted, Room, RoomSettings, StopState, TurnStrategy};
use kernel::{MessageId, PageRequest, TokenUsage, UserId};
use tests::backends::Backend;
use tests::fakes::scripted_model::Call;
use tests::house::{House, Listening};

pub(super) const USAGE: TokenUsage = TokenUsage { prompt: 20, cached: 0, completion: 10, reasoning: 0 };

super::on_both_databases!(
    who_is_named_answers_in_order_and_hears_the_earlier_ones,
    one_reply_grows_at_a_time_whoever_posts,
    a_new_message_cuts_what_nobody_asked_for,
    who_was_named_answers_though_others_have_spoken_since,
    a_payer_without_credit_is_told_and_nobody_is_called,
    a_recalled_question_is_answered_no_more,
    characters_call_one_another_three_times,
    a_stopped_question_is_answered_no_more,
    a_room_may_wait_before_it_answers,
    a_failed_reply_does_not_keep_the_next_from_speaking,
    one_greeting_gets_one_or_two_replies_and_a_manual_room_none,
);

/// A private room of the house's person.
pub(super) async fn room_of(house: &House, characters: &[&str], settings: RoomSettings) -> Room {
    let characters = characters.iter().map(|&id| id.to_owned()).collect();
    house.room(NewRoom { characters, settings, ..NewRoom::default() }).await
}

pub(super) fn by(turn_strategy: TurnStrategy) -> RoomSettings {
    RoomSettings { turn_strategy, ..RoomSettings::default() }
}

pub(super) async fn say(house: &House, user: UserId, room: &Room, content: &str) -> Posted {
    let draft = Draft { content: content.to_owned(), ..Draft::default() };
    house.chat.post(user, room.id.as_str(), draft).await.expect("the message is taken")
}

pub(super) async fn turn_of(backend: &Backend, question: MessageId) -> Turn {
    let turns = SqlTurns::new(backend.store.clone());
    turns.of_question(question).await.unwrap().expect("a turn")
}

pub(super) fn states(turn: &Turn) -> Vec<StepState> {
    turn.steps.iter().map(|step| step.state).collect()
}

pub(super) async fn over(frames: &mut Listening, of: MessageId) {
    frames.until(|frame| matches!(frame, Frame::TurnOver { question } if *question == of)).await;
}

pub(super) fn speaker(call: &Call) -> &str {
    &call.request.prompt.persona.name
}

fn last_turn(call: &Call) -> &str {
    &call.request.prompt.turns.last().expect("a prompt").text
}

pub(super) async fn books_are_right(house: &House) {
    let report = house.billing.check().await.expect("a report");
    assert!(report.ok, "{report:?}");
    assert_eq!(house.balance().await.1, 0, "nothing is held any more");
}

async fn join(house: &House, room: &Room, guest: UserId) {
    let code = house.chat.invite(house.user, room.id.as_str()).await.unwrap();
    house.chat.join_room(guest, room.id.as_str(), Some(code)).await.unwrap();
}

async fn who_is_named_answers_in_order_and_hears_the_earlier_ones(backend: &Backend) {
    let mut house = House::on(backend);
    let room =
        room_of(&house, &["classics_kongzi", "classics_mengzi", "classics_laozi"], by(TurnStrategy::Manual))
            .await;
    let mut frames = house.listen(&room.id).await;
    let posted = say(&house, house.user, &room, "請孟子、孔子說說義利").await;
    let first = house.call().await;
    assert_eq!(speaker(&first), "孟子");
    assert!(last_turn(&first).ends_with("請孟子、孔子說說義利"));
    first.say("舍生而取义。");
    first.finish(USAGE);
    let second = house.call().await;
    assert_eq!(speaker(&second), "孔子");
    assert!(last_turn(&second).contains("孟子：舍生而取义。"), "{}", last_turn(&second));
    second.say("君子喻于义。");
    second.finish(USAGE);
    over(&mut frames, posted.message_id).await;
    assert!(house.calls.try_recv().is_err());
    let turn = turn_of(backend, posted.message_id).await;
    assert_eq!(turn.state, TurnState::Done);
    let reasons: Vec<Reason> = turn.steps.iter().map(|step| step.reason).collect();
    assert_eq!(reasons, [Reason::MentionedByName, Reason::MentionedByName]);
    assert_eq!(turn.candidates.len(), 3);
    let events = SqlEventLog::new(backend.store.clone()).events(&room.id, 0, 100).await.unwrap();
    let seqs: Vec<u64> = events.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, [1, 2, 3, 4, 5], "message, two starts, two ends");
    let listed = house.chat.turns(&room.id, PageRequest::new(1, 10, 100)).await.unwrap();
    assert_eq!(listed.items, [turn]);
    books_are_right(&house).await;
}

async fn one_reply_grows_at_a_time_whoever_posts(backend: &Backend) {
    let mut house = House::on(backend);
    let (owner, guest) = (house.user, house.person(7));
    let room = room_of(&house, &["classics_kongzi", "classics_mengzi"], by(TurnStrategy::Manual)).await;
    join(&house, &room, guest).await;
    let mut frames = house.listen(&room.id).await;
    say(&house, owner, &room, "孔子先说").await;
    say(&house, guest, &room, "孟子再说").await;
    let last = say(&house, owner, &room, "孔子又说").await;
    let log = SqlEventLog::new(backend.store.clone());
    for expected in ["孔子", "孟子", "孔子"] {
        let call = house.call().await;
        assert_eq!(speaker(&call), expected);
        assert_eq!(log.streaming(&room.id).await.unwrap().len(), 1);
        assert!(house.calls.try_recv().is_err(), "the next one waits");
        call.say("好。");
        call.finish(USAGE);
    }
    over(&mut frames, last.message_id).await;
    // Members may watch a reply of the room.
    let turn = turn_of(backend, last.message_id).await;
    let message = house.chat.message(guest, turn.steps[0].reply).await.unwrap();
    assert_eq!((message.status, message.content.as_str()), (MessageStatus::Done, "好。"));
    assert!(house.chat.follow(guest, message.id, None, None).await.is_ok());
    assert!(house.chat.follow(house.person(8), message.id, None, None).await.is_err());
    books_are_right(&house).await;
}

async fn a_new_message_cuts_what_nobody_asked_for(backend: &Backend) {
    let mut house = House::on(backend);
    let room = room_of(&house, &["classics_kongzi", "classics_mengzi"], by(TurnStrategy::List)).await;
    let mut frames = house.listen(&room.id).await;
    let first = say(&house, house.user, &room, "大家好").await;
    let call = house.call().await;
    let second = say(&house, house.user, &room, "换个话题").await;
    call.say("你好。");
    call.finish(USAGE);
    for expected in ["孔子", "孟子"] {
        let call = house.call().await;
        assert_eq!(speaker(&call), expected);
        assert_eq!(call.request.prompt.question, "换个话题");
        call.finish(USAGE);
    }
    over(&mut frames, second.message_id).await;
    let turn = turn_of(backend, first.message_id).await;
    assert_eq!(states(&turn), [StepState::Begun, StepState::Skipped]);
    assert_eq!(turn.state, TurnState::Done);
    books_are_right(&house).await;
}

async fn who_was_named_answers_though_others_have_spoken_since(backend: &Backend) {
    let mut house = House::on(backend);
    let room = room_of(&house, &["classics_kongzi", "classics_mengzi"], by(TurnStrategy::Manual)).await;
    let mut frames = house.listen(&room.id).await;
    let posted = say(&house, house.user, &room, "孔子、孟子都说说").await;
    let call = house.call().await;
    say(&house, house.user, &room, "我先听着").await;
    call.finish(USAGE);
    let second = house.call().await;
    assert_eq!(speaker(&second), "孟子");
    assert!(last_turn(&second).contains("我先听着"), "each speaker reads what was said until now");
    second.finish(USAGE);
    over(&mut frames, posted.message_id).await;
    assert_eq!(states(&turn_of(backend, posted.message_id).await), [StepState::Begun, StepState::Begun]);
}

async fn a_payer_without_credit_is_told_and_nobody_is_called(backend: &Backend) {
    let mut house = House::on(backend);
    let room = room_of(&house, &["classics_kongzi"], by(TurnStrategy::Natural)).await;
    house.leave_only(5).await;
    let mut frames = house.listen(&room.id).await;
    let posted = say(&house, house.user, &room, "大家好").await;
    let notice = frames.until(|frame| matches!(frame, Frame::Notice { .. })).await;
    let expected = Frame::Notice {
        user_id: house.user,
        question: posted.message_id,
        notice: Notice::InsufficientBalance,
    };
    assert_eq!(notice, expected);
    over(&mut frames, posted.message_id).await;
    let turn = turn_of(backend, posted.message_id).await;
    assert_eq!((turn.state, states(&turn)), (TurnState::Refused, vec![StepState::Skipped]));
    assert!(house.calls.try_recv().is_err());
}

async fn a_recalled_question_is_answered_no_more(backend: &Backend) {
    let mut house = House::on(backend);
    let room = room_of(&house, &["classics_kongzi", "classics_mengzi"], by(TurnStrategy::Manual)).await;
    let mut frames = house.listen(&room.id).await;
    let first = say(&house, house.user, &room, "孔子先说").await;
    let call = house.call().await;
    let second = say(&house, house.user, &room, "孟子再说").await;
    house.chat.recall(house.user, false, second.message_id).await.unwrap();
    over(&mut frames, second.message_id).await;
    call.finish(USAGE);
    over(&mut frames, first.message_id).await;
    let turn = turn_of(backend, second.message_id).await;
    assert_eq!((turn.state, states(&turn)), (TurnState::Cut, vec![StepState::Skipped]));
    let third = say(&house, house.user, &room, "孔子你看").await;
    let call = house.call().await;
    assert!(!last_turn(&call).contains("孟子再说"), "what was recalled is in no prompt");
    call.finish(USAGE);
    over(&mut frames, third.message_id).await;
    assert!(house.calls.try_recv().is_err());
    books_are_right(&house).await;
}

async fn characters_call_one_another_three_times(backend: &Backend) {
    let mut house = House::on(backend);
    let room = room_of(&house, &["classics_kongzi", "classics_mengzi"], by(TurnStrategy::Natural)).await;
    let mut frames = house.listen(&room.id).await;
    let posted = say(&house, house.user, &room, "孔子说说吧").await;
    for (name, line) in [
        ("孔子", "孟子以为如何？"),
        ("孟子", "还请孔子再说。"),
        ("孔子", "孔子说完了，孟子呢？"),
        ("孟子", "孔子高见。"),
    ] {
        let call = house.call().await;
        assert_eq!(speaker(&call), name);
        call.say(line);
        call.finish(USAGE);
    }
    over(&mut frames, posted.message_id).await;
    assert!(house.calls.try_recv().is_err());
    let turn = turn_of(backend, posted.message_id).await;
    assert_eq!((turn.steps.len(), turn.follow_ups_left, turn.state), (4, 0, TurnState::Done));
    for pair in turn.steps.windows(2) {
        assert_eq!((pair[1].reason, pair[1].reply_to), (Reason::NamedByCharacter, pair[0].reply));
    }
    assert!(turn.asker == house.user && turn.payer == house.user);
    books_are_right(&house).await;
}

async fn a_stopped_question_is_answered_no_more(backend: &Backend) {
    let mut house = House::on(backend);
    let (owner, guest) = (house.user, house.person(7));
    let settings = RoomSettings { ai_response_delay: 5_000, ..by(TurnStrategy::Manual) };
    let room = room_of(&house, &["classics_kongzi", "classics_mengzi"], settings).await;
    join(&house, &room, guest).await;
    let early = say(&house, owner, &room, "孔子、孟子都说说").await;
    let refused = house.chat.stop(guest, early.message_id).await;
    assert!(matches!(refused, Err(ChatError::Forbidden(_))), "{refused:?}");
    // Before a reply began, the turn is cut.
    assert_eq!(house.chat.stop(owner, early.message_id).await.unwrap(), StopState::Stopped);
    let turn = turn_of(backend, early.message_id).await;
    assert_eq!((turn.state, states(&turn)), (TurnState::Cut, vec![StepState::Skipped; 2]));
    // While one grows, it is stopped and the rest is cut. The guest asks, and who keeps order may stop it.
    let late = say(&house, guest, &room, "孔子、孟子都说说").await;
    let call = house.call().await;
    call.say("学而时习之");
    let stopped = tests::house::driven(&house.clock, house.chat.stop(owner, late.message_id)).await.unwrap();
    assert_eq!(stopped, StopState::Stopped);
    let turn = turn_of(backend, late.message_id).await;
    assert_eq!((turn.state, states(&turn)), (TurnState::Cut, vec![StepState::Begun, StepState::Skipped]));
    let reply = house.chat.message(guest, turn.steps[0].reply).await.unwrap();
    assert_eq!((reply.status, reply.content.as_str()), (MessageStatus::Stopped, "学而时习之"));
    assert!(call.is_cancelled() && house.calls.try_recv().is_err());
    idle(&house).await;
    books_are_right(&house).await;
}

/// Nothing is at work any more.
pub(super) async fn idle(house: &House) {
    let chat = house.chat.clone();
    tests::house::driven(&house.clock, async move {
        while chat.running_count() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn a_room_may_wait_before_it_answers(backend: &Backend) {
    let mut house = House::on(backend);
    let settings = RoomSettings { ai_response_delay: 3_000, ..by(TurnStrategy::Natural) };
    let room = room_of(&house, &["classics_kongzi"], settings).await;
    let posted = say(&house, house.user, &room, "大家好").await;
    house.call().await.finish(USAGE);
    let waited = kernel::Clock::now(&*house.clock).millis_since(posted.at);
    assert!((3_000..10_000).contains(&waited), "{waited}");
    idle(&house).await;
}

async fn a_failed_reply_does_not_keep_the_next_from_speaking(backend: &Backend) {
    let mut house = House::on(backend);
    let room = room_of(&house, &["classics_kongzi", "nobody_else"], by(TurnStrategy::List)).await;
    let mut frames = house.listen(&room.id).await;
    let posted = say(&house, house.user, &room, "大家好").await;
    house.call().await.fail(ModelError::Timeout);
    house.call().await.finish(USAGE);
    over(&mut frames, posted.message_id).await;
    let turn = turn_of(backend, posted.message_id).await;
    assert_eq!((turn.state, states(&turn)), (TurnState::Done, vec![StepState::Begun; 2]));
    books_are_right(&house).await;
}

async fn one_greeting_gets_one_or_two_replies_and_a_manual_room_none(backend: &Backend) {
    let mut house = House::on(backend);
    let all = ["classics_kongzi", "classics_mengzi", "classics_laozi", "classics_sunzi"];
    let room = room_of(&house, &all, by(TurnStrategy::Natural)).await;
    let mut frames = house.listen(&room.id).await;
    let posted = say(&house, house.user, &room, "大家好").await;
    let turn = turn_of(backend, posted.message_id).await;
    assert!((1..=2).contains(&turn.steps.len()), "{:?}", turn.steps);
    assert!(turn.steps.iter().all(|step| step.reason == Reason::Chosen));
    for _ in &turn.steps {
        house.call().await.finish(USAGE);
    }
    over(&mut frames, posted.message_id).await;
    let quiet = room_of(&house, &all, by(TurnStrategy::Manual)).await;
    say(&house, house.user, &quiet, "大家好").await;
    let turns = house.chat.turns(&quiet.id, PageRequest::new(1, 10, 100)).await.unwrap();
    assert!(turns.items.is_empty());
    idle(&house).await;
    assert!(house.calls.try_recv().is_err());
}
