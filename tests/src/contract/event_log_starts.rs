//! What every [`chat::ports::EventLog`] must do: replies in rooms and squads that begin.

use chat::event::EventBody;
use chat::generation::GenerationState;
use chat::message::{Author, Message, MessageStatus};
use chat::ports::{EndOutcome, NewMessage, NewReply, Recall, ReplyEnd, ReplyStart, RoomChange, StartOutcome};
use chat::turn::{Turn, TurnState};
use futures::future::join_all;
use kernel::{Credits, Tariff};

use super::stored_chat::{START, StoredChat, end_of};

const CALLERS: usize = 32;

/// A reply to a message, not begun yet.
pub fn start_of(chat: &StoredChat, question: &NewMessage) -> ReplyStart {
    ReplyStart {
        conversation_id: question.conversation_id.clone(),
        turn: None,
        reply_to: question.id,
        reply: NewReply {
            id: chat.id(),
            character_id: "classics_kongzi".parse().unwrap(),
            owner: chat.id(),
            payer: question.author,
            model_alias: "deepseek-flash".to_owned(),
            tariff: Tariff { miss: 1_000_000, hit: 20_000, output: 4_000_000 },
            held: Credits::new(90_000),
            prompt_tokens_estimate: 321,
        },
        at: START.plus_seconds(4),
    }
}

/// A whole end of a started reply, not appended yet.
pub fn end_of_start(chat: &StoredChat, start: &ReplyStart) -> ReplyEnd {
    let session = chat.new_conversation(start.reply.payer);
    ReplyEnd { message_id: start.reply.id, ..end_of(&chat.exchange(&session)) }
}

/// An end that is in the log.
pub(super) async fn end(chat: &StoredChat, start: &ReplyStart) -> ReplyEnd {
    let end = end_of_start(chat, start);
    assert!(matches!(chat.log.append_end(&end).await.unwrap(), EndOutcome::Ended { .. }));
    end
}

/// Message, event and saga are there at once; head and activity move, and the room counts it.
pub async fn a_start_is_stored_whole(chat: &StoredChat) {
    let room = chat.room().await;
    let question = chat.said(&room, chat.member(&room).await).await;
    let start = start_of(chat, &question);
    assert_eq!(begin(chat, &start).await, StartOutcome::Started { seq: 3 });
    let author = Author::Character(start.reply.character_id.clone());
    let growing = Message {
        status: MessageStatus::Streaming,
        reply_to: Some(question.id),
        generation: 1,
        ..Message::blank(start.reply.id, room.id.clone(), 3, author, start.at)
    };
    assert_eq!(chat.log.message(start.reply.id).await.unwrap(), Some(growing.clone()));
    let event = chat.log.events(&room.id, 2, 9).await.unwrap().remove(0);
    assert_eq!(event.body, EventBody::AiStart { message_id: start.reply.id, generation: 1 });
    assert_eq!((event.seq, event.created_at, event.message), (3, start.at, Some(growing)));
    let saga = chat.generations.get(start.reply.id).await.unwrap().unwrap();
    assert_eq!((saga.state, saga.generation, saga.owner), (GenerationState::Streaming, 1, start.reply.owner));
    assert_eq!((saga.payer, saga.held, saga.tariff), (question.author, start.reply.held, start.reply.tariff));
    let now = chat.rooms.room(&room.id).await.unwrap().unwrap();
    assert_eq!((now.head, now.last_active_at, now.statistics.messages), (3, start.at, 2));
}

/// One reply of a room at a time; the next one begins when it has ended.
pub async fn a_growing_reply_refuses_the_next(chat: &StoredChat) {
    let room = chat.room().await;
    let question = chat.said(&room, chat.member(&room).await).await;
    let (first, second) = (start_of(chat, &question), start_of(chat, &question));
    begin(chat, &first).await;
    assert_eq!(begin(chat, &second).await, StartOutcome::ReplyInProgress);
    assert_eq!(chat.log.message(second.reply.id).await.unwrap(), None);
    end(chat, &first).await;
    assert_eq!(begin(chat, &second).await, StartOutcome::Started { seq: 5 });
}

/// Of many starts at once one begins.
pub async fn parallel_starts_begin_one_reply(chat: &StoredChat) {
    let room = chat.room().await;
    let question = chat.said(&room, chat.member(&room).await).await;
    let starts: Vec<_> = (0..CALLERS).map(|_| start_of(chat, &question)).collect();
    let outcomes = join_all(starts.iter().map(|start| begin(chat, start))).await;
    let begun = outcomes.iter().filter(|outcome| **outcome == StartOutcome::Started { seq: 3 });
    let refused = outcomes.iter().filter(|outcome| **outcome == StartOutcome::ReplyInProgress);
    assert_eq!((begun.count(), refused.count()), (1, CALLERS - 1));
    assert_eq!(chat.log.streaming(&room.id).await.unwrap().len(), 1);
}

/// A step begins only while its turn is open and in the hands of the reply's owner.
pub async fn a_turn_that_is_over_or_anothers_takes_no_start(chat: &StoredChat) {
    let room = chat.room().await;
    let turn = chat.begun(&room, chat.member(&room).await, chat.id()).await;
    let start_by = |owner| {
        let question = NewMessage { id: turn.question, ..chat.new_message(&room, turn.asker) };
        let start = start_of(chat, &question);
        ReplyStart { turn: Some(turn.id), reply: NewReply { owner, ..start.reply.clone() }, ..start }
    };
    assert_eq!(begin(chat, &start_by(chat.id())).await, StartOutcome::TurnOver);
    let first = start_by(turn.owner);
    assert!(matches!(begin(chat, &first).await, StartOutcome::Started { .. }));
    end(chat, &first).await;
    let cut = Turn { state: TurnState::Cut, ..turn.clone() };
    assert!(chat.turns.update(&cut).await.unwrap());
    let late = start_by(turn.owner);
    assert_eq!(begin(chat, &late).await, StartOutcome::TurnOver);
    assert_eq!(chat.generations.get(late.reply.id).await.unwrap(), None);
    assert_eq!(begin(chat, &first).await, StartOutcome::AlreadyStarted);
}

/// Whoever did not hear the answer is told that it began, whatever happened since.
pub async fn a_repeated_start_is_told_that_it_began(chat: &StoredChat) {
    let room = chat.room().await;
    let question = chat.said(&room, chat.member(&room).await).await;
    let start = start_of(chat, &question);
    begin(chat, &start).await;
    assert_eq!(begin(chat, &start).await, StartOutcome::AlreadyStarted);
    end(chat, &start).await;
    chat.log.append_recall(&Recall { message_id: question.id, title: None, at: start.at }).await.unwrap();
    let change = RoomChange { closed_at: Some(START), ..RoomChange::default() };
    chat.rooms.change(&room.id, &change).await.unwrap();
    assert_eq!(begin(chat, &start).await, StartOutcome::AlreadyStarted);
}

/// What was recalled, is gone, or was said elsewhere, is not answered.
pub async fn a_message_that_is_gone_gets_no_reply(chat: &StoredChat) {
    let (room, elsewhere) = (chat.room().await, chat.room().await);
    let recalled = chat.said(&room, chat.member(&room).await).await;
    let other = chat.said(&elsewhere, chat.member(&elsewhere).await).await;
    chat.log.append_recall(&Recall { message_id: recalled.id, title: None, at: START }).await.unwrap();
    for reply_to in [recalled.id, other.id, chat.id()] {
        let start = ReplyStart { reply_to, ..start_of(chat, &recalled) };
        assert_eq!(begin(chat, &start).await, StartOutcome::NoQuestion);
        assert_eq!(chat.generations.get(start.reply.id).await.unwrap(), None);
    }
    assert_eq!(chat.rooms.room(&room.id).await.unwrap().unwrap().head, 3);
}

/// Nothing begins in a closed room, nor in none.
pub async fn unknown_and_closed_rooms_take_no_start(chat: &StoredChat) {
    let room = chat.room().await;
    let question = chat.said(&room, chat.member(&room).await).await;
    let change = RoomChange { closed_at: Some(START), ..RoomChange::default() };
    chat.rooms.change(&room.id, &change).await.unwrap();
    let closed = start_of(chat, &question);
    let nowhere = ReplyStart { conversation_id: chat.new_room().id, ..start_of(chat, &question) };
    for start in [closed, nowhere] {
        assert_eq!(begin(chat, &start).await, StartOutcome::NoConversation);
    }
}

/// Growing replies are found, whole ones are not; each shows its last checkpoint.
pub async fn growing_replies_are_found(chat: &StoredChat) {
    let (room, quiet) = (chat.room().await, chat.room().await);
    let question = chat.said(&room, chat.member(&room).await).await;
    let (ended, growing) = (start_of(chat, &question), start_of(chat, &question));
    begin(chat, &ended).await;
    end(chat, &ended).await;
    begin(chat, &growing).await;
    chat.generations.checkpoint(growing.reply.id, 1, "学了又").await.unwrap();
    let found = chat.log.streaming(&room.id).await.unwrap();
    let found: Vec<_> = found.iter().map(|reply| (reply.id, reply.content.as_str())).collect();
    assert_eq!(found, [(growing.reply.id, "学了又")]);
    assert_eq!(chat.log.streaming(&quiet.id).await.unwrap(), []);
}

/// A person's answer to a message is no reply to it.
pub async fn a_reply_is_a_characters(chat: &StoredChat) {
    let room = chat.room().await;
    let author = chat.member(&room).await;
    let question = chat.said(&room, author).await;
    let start = start_of(chat, &question);
    begin(chat, &start).await;
    let answer = NewMessage { reply_to: Some(question.id), ..chat.new_message(&room, author) };
    chat.log.append(&answer).await.unwrap();
    let reply = chat.log.reply_to(question.id).await.unwrap();
    assert_eq!(reply.map(|reply| reply.id), Some(start.reply.id));
}

async fn begin(chat: &StoredChat, start: &ReplyStart) -> StartOutcome {
    chat.log.append_start(start).await.unwrap()
}
