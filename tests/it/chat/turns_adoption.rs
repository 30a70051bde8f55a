//! A turn survives its process: others go on where it stopped, and say nothing twice.

use std::sync::Arc;

use adapter_sql::SqlEventLog;
use chat::ports::{AppendOutcome, EventLog, NewMessage};
use chat::turn::{Reason, Step, StepState, Turn, TurnState};
use chat::{EndReason, Room, TurnStrategy};
use kernel::{Ids, MessageId, SeededEntropy};
use tests::backends::Backend;
use tests::house::House;

use super::turns::{USAGE, books_are_right, by, idle, over, room_of, say, speaker, states, turn_of};

super::on_both_databases!(
    a_process_that_ends_between_steps_leaves_the_rest_to_another,
    a_dead_owner_s_turn_is_adopted_after_its_reply_was_closed,
    a_turn_that_no_task_is_at_work_on_is_taken_up_by_the_next_sweep,
    two_processes_keep_one_order,
);

const MASTERS: [&str; 2] = ["classics_kongzi", "classics_mengzi"];

async fn a_process_that_ends_between_steps_leaves_the_rest_to_another(backend: &Backend) {
    let mut ending = House::on(backend);
    let mut heir = ending.second(backend);
    ending.chat.renew_lease().await.unwrap();
    let room = room_of(&ending, &MASTERS, by(TurnStrategy::Manual)).await;
    let mut frames = heir.listen(&room.id).await;
    let posted = say(&ending, ending.user, &room, "孔子、孟子都说说").await;
    let call = ending.call().await;
    call.say("学而");
    ending.chat.hand_over();
    idle(&ending).await;
    let left = turn_of(backend, posted.message_id).await;
    assert_eq!((left.state, states(&left)), (TurnState::Open, vec![StepState::Begun, StepState::Waiting]));
    assert!(ending.calls.try_recv().is_err(), "an ending process begins nothing");
    assert_eq!(heir.chat.sweep(10).await.unwrap(), 0, "a lease that lives is respected");
    ending.chat.release_lease().await.unwrap();
    heir.clock.advance_millis(20_000);
    assert_eq!(heir.chat.sweep(10).await.unwrap(), 1);
    let second = heir.call().await;
    assert_eq!(speaker(&second), "孟子");
    assert!(second.request.prompt.turns.last().unwrap().text.contains("孔子：学而"));
    second.finish(USAGE);
    over(&mut frames, posted.message_id).await;
    let done = turn_of(backend, posted.message_id).await;
    assert_eq!((done.state, done.owner), (TurnState::Done, heir.instance));
    idle(&heir).await;
    books_are_right(&heir).await;
}

async fn a_dead_owner_s_turn_is_adopted_after_its_reply_was_closed(backend: &Backend) {
    let mut dead = House::on(backend);
    let mut heir = dead.second(backend);
    dead.chat.renew_lease().await.unwrap();
    let room = room_of(&dead, &MASTERS, by(TurnStrategy::Manual)).await;
    let mut frames = heir.listen(&room.id).await;
    let posted = say(&dead, dead.user, &room, "孔子、孟子都说说").await;
    // The dead process's reply hangs: nothing is heard of it any more.
    let hanging = dead.call().await;
    heir.clock.advance_millis(20_000);
    assert_eq!(heir.chat.sweep(10).await.unwrap(), 2, "its reply and its turn");
    let second = heir.call().await;
    assert_eq!(speaker(&second), "孟子");
    second.finish(USAGE);
    over(&mut frames, posted.message_id).await;
    let turn = turn_of(backend, posted.message_id).await;
    assert_eq!((turn.state, states(&turn)), (TurnState::Done, vec![StepState::Begun; 2]));
    let lost = heir.chat.message(heir.user, turn.steps[0].reply).await.unwrap();
    assert_eq!((lost.why, lost.generation), (Some(EndReason::Lost), 2));
    hanging.say("迟到");
    idle(&dead).await;
    assert!(dead.calls.try_recv().is_err(), "what was adopted is not gone on with");
    idle(&heir).await;
    books_are_right(&heir).await;
}

async fn a_turn_that_no_task_is_at_work_on_is_taken_up_by_the_next_sweep(backend: &Backend) {
    let mut house = House::on(backend);
    house.chat.renew_lease().await.unwrap();
    let room = room_of(&house, &MASTERS, by(TurnStrategy::Manual)).await;
    let mut frames = house.listen(&room.id).await;
    // What a process leaves that ended between the append and the turn's task.
    let ids = Ids::new(house.clock.clone(), Arc::new(SeededEntropy::new(99)));
    let question: MessageId = ids.next();
    let message = left_behind(&house, &room, question, &ids);
    let log = SqlEventLog::new(backend.store.clone());
    assert!(matches!(log.append(&message).await.unwrap(), AppendOutcome::Appended { .. }));
    assert_eq!(house.chat.sweep(10).await.unwrap(), 0, "nothing is closed or adopted; it is gone on with");
    let call = house.call().await;
    assert_eq!(speaker(&call), "孟子");
    house.chat.sweep(10).await.unwrap();
    assert!(house.calls.try_recv().is_err(), "and only once");
    call.finish(USAGE);
    over(&mut frames, question).await;
    idle(&house).await;
    books_are_right(&house).await;
}

fn left_behind(house: &House, room: &Room, question: MessageId, ids: &Ids) -> NewMessage {
    let at = kernel::Clock::now(&*house.clock);
    let step = Step {
        reply: ids.next(),
        character_id: "classics_mengzi".parse().unwrap(),
        reason: Reason::MentionedByName,
        reply_to: question,
        state: StepState::Waiting,
    };
    let turn = Turn {
        id: ids.next(),
        conversation_id: room.id.clone(),
        question,
        asker: house.user,
        payer: house.user,
        strategy: TurnStrategy::Manual,
        seed: 1,
        candidates: Vec::new(),
        steps: vec![step],
        follow_ups_left: 0,
        state: TurnState::Open,
        owner: house.instance,
        created_at: at,
    };
    NewMessage {
        conversation_id: room.id.clone(),
        id: question,
        author: house.user,
        content: "孟子说说".to_owned(),
        client_msg_id: None,
        body_hash: String::new(),
        mentions: Vec::new(),
        reply_to: None,
        turn: Some(turn),
        at,
    }
}

async fn two_processes_keep_one_order(backend: &Backend) {
    let mut one = House::on(backend);
    let mut other = one.second(backend);
    one.chat.renew_lease().await.unwrap();
    other.chat.renew_lease().await.unwrap();
    let room = room_of(&one, &MASTERS, by(TurnStrategy::Manual)).await;
    let mut frames = one.listen(&room.id).await;
    say(&one, one.user, &room, "孔子先说").await;
    let first = one.call().await;
    let second = say(&other, other.user, &room, "孟子再说").await;
    other.clock.advance_millis(3_000);
    assert!(other.calls.try_recv().is_err(), "the other process waits for the first turn");
    first.say("好。");
    first.finish(USAGE);
    let call = other.call().await;
    assert_eq!(speaker(&call), "孟子");
    assert!(call.request.prompt.turns.iter().any(|turn| turn.text.contains("孔子：好。")));
    call.finish(USAGE);
    over(&mut frames, second.message_id).await;
    idle(&one).await;
    idle(&other).await;
    books_are_right(&one).await;
}
