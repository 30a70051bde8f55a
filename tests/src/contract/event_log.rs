//! What every [`chat::ports::EventLog`] must do: appends. Reads are in `history.rs`.

use chat::event::{Event, EventBody, utf16_length};
use chat::generation::{Generation, GenerationState};
use chat::message::{Author, EndReason, Failure, Message, MessageStatus};
use chat::ports::{EndOutcome, Exchange, ExchangeOutcome, ReplyEnd};
use futures::future::join_all;

use super::stored_chat::{START, StoredChat, end_of};

const CALLERS: usize = 32;

/// The seqs are neighbours, and go on where the last append stopped.
pub async fn an_exchange_gets_two_neighbouring_seqs(chat: &StoredChat) {
    let conversation = chat.conversation(chat.id()).await;
    let first = chat.log.append_exchange(&chat.exchange(&conversation)).await.unwrap();
    assert_eq!(first, ExchangeOutcome::Appended { question_seq: 1, reply_seq: 2 });
    let saga = chat.newest(&conversation, 1).await.remove(0).id;
    let end = ReplyEnd { message_id: saga, ..end_of(&chat.exchange(&conversation)) };
    assert_eq!(chat.log.append_end(&end).await.unwrap(), EndOutcome::Ended { seq: 3 });
    let second = chat.log.append_exchange(&chat.exchange(&conversation)).await.unwrap();
    assert_eq!(second, ExchangeOutcome::Appended { question_seq: 4, reply_seq: 5 });
}

/// Both messages, both events and the saga are there at once.
pub async fn an_exchange_is_stored_whole(chat: &StoredChat) {
    let conversation = chat.conversation(chat.id()).await;
    let exchange = chat.appended(&conversation).await;
    let (question, reply) = (&exchange.question, &exchange.reply);
    let asked = chat.log.message(question.id).await.unwrap().unwrap();
    assert_eq!(asked, question_message(&exchange, asked.generation));
    let started = chat.log.message(reply.id).await.unwrap().unwrap();
    assert_eq!(started, reply_message(&exchange));
    let bodies = [
        EventBody::Message { message_id: question.id },
        EventBody::AiStart { message_id: reply.id, generation: 1 },
    ];
    let events = bodies.into_iter().zip([asked, started]).map(|(body, message)| Event {
        seq: message.seq,
        body,
        created_at: exchange.at,
        message: Some(message),
        author: None,
    });
    assert_eq!(chat.log.events(&conversation.id, 0, 10).await.unwrap(), events.collect::<Vec<_>>());
    let saga = chat.generations.get(reply.id).await.unwrap();
    assert_eq!(saga, Some(streaming_saga(&exchange)));
}

/// Head and activity move; an empty title is filled, a given one is kept.
pub async fn an_exchange_moves_head_activity_and_empty_title(chat: &StoredChat) {
    let untitled = chat.conversation(chat.id()).await;
    let exchange = chat.appended(&untitled).await;
    let moved = chat.conversations.get(&untitled.id).await.unwrap().unwrap();
    assert_eq!((moved.head, moved.last_active_at), (2, exchange.at));
    assert_eq!(moved.title, exchange.title_if_empty);
    let titled = chat.conversation(chat.id()).await;
    chat.conversations.rename(&titled.id, "自题").await.unwrap();
    chat.appended(&titled).await;
    assert_eq!(chat.conversations.get(&titled.id).await.unwrap().unwrap().title, "自题");
}

/// The sender's own id is answered before anything else, also while a reply streams, and nothing is written.
pub async fn a_used_client_msg_id_is_repeated_before_any_other_refusal(chat: &StoredChat) {
    let conversation = chat.conversation(chat.id()).await;
    let first = chat.appended(&conversation).await;
    let mut again = chat.exchange(&conversation);
    again.question.client_msg_id.clone_from(&first.question.client_msg_id);
    "另一句".clone_into(&mut again.question.content);
    "h2".clone_into(&mut again.question.body_hash);
    let repeated = ExchangeOutcome::Repeated { question: first.question.id };
    assert_eq!(chat.log.append_exchange(&again).await.unwrap(), repeated);
    chat.log.append_end(&end_of(&first)).await.unwrap();
    assert_eq!(chat.log.append_exchange(&again).await.unwrap(), repeated);
    assert_eq!(chat.conversations.get(&conversation.id).await.unwrap().unwrap().head, 3);
    assert_eq!(chat.log.message(again.question.id).await.unwrap(), None);
}

/// A sender's own id means nothing in another conversation, nor from another sender.
pub async fn a_client_msg_id_is_the_senders_own_in_one_conversation(chat: &StoredChat) {
    let owner = chat.id();
    let (here, there) = (chat.conversation(owner).await, chat.conversation(owner).await);
    let first = chat.answered(&here).await;
    let mut elsewhere = chat.exchange(&there);
    elsewhere.question.client_msg_id.clone_from(&first.question.client_msg_id);
    let mut other = chat.exchange(&here);
    other.question.client_msg_id.clone_from(&first.question.client_msg_id);
    other.question.author = chat.id();
    for exchange in [elsewhere, other] {
        let outcome = chat.log.append_exchange(&exchange).await.unwrap();
        assert!(matches!(outcome, ExchangeOutcome::Appended { .. }), "{outcome:?}");
    }
}

/// Without an own id nothing is a repetition.
pub async fn questions_without_an_own_id_never_repeat(chat: &StoredChat) {
    let conversation = chat.conversation(chat.id()).await;
    for _ in 0..2 {
        let mut exchange = chat.exchange(&conversation);
        exchange.question.client_msg_id = None;
        let outcome = chat.log.append_exchange(&exchange).await.unwrap();
        assert!(matches!(outcome, ExchangeOutcome::Appended { .. }), "{outcome:?}");
        chat.log.append_end(&end_of(&exchange)).await.unwrap();
    }
}

/// One reply at a time; a refusal takes no seq.
pub async fn a_streaming_reply_refuses_the_next_question(chat: &StoredChat) {
    let conversation = chat.conversation(chat.id()).await;
    let first = chat.appended(&conversation).await;
    let second = chat.exchange(&conversation);
    assert_eq!(chat.log.append_exchange(&second).await.unwrap(), ExchangeOutcome::ReplyInProgress);
    let seq = EndOutcome::Ended { seq: 3 };
    assert_eq!(chat.log.append_end(&end_of(&first)).await.unwrap(), seq);
    let appended = ExchangeOutcome::Appended { question_seq: 4, reply_seq: 5 };
    assert_eq!(chat.log.append_exchange(&second).await.unwrap(), appended);
}

/// Nothing is said in a conversation that is not there.
pub async fn an_unknown_conversation_takes_no_exchange(chat: &StoredChat) {
    let exchange = chat.exchange(&chat.new_conversation(chat.id()));
    let outcome = chat.log.append_exchange(&exchange).await.unwrap();
    assert_eq!(outcome, ExchangeOutcome::NoConversation);
    assert_eq!(chat.generations.get(exchange.reply.id).await.unwrap(), None);
}

/// Of many retries at once one is stored, and all others learn which.
pub async fn parallel_retries_store_one_question(chat: &StoredChat) {
    let conversation = chat.conversation(chat.id()).await;
    let first = chat.exchange(&conversation);
    let attempts: Vec<_> = (0..CALLERS)
        .map(|_| {
            let mut attempt = chat.exchange(&conversation);
            attempt.question.client_msg_id.clone_from(&first.question.client_msg_id);
            attempt
        })
        .collect();
    let outcomes = join_all(attempts.iter().map(|attempt| chat.log.append_exchange(attempt))).await;
    let stored = chat.newest(&conversation, 10).await;
    assert_eq!(stored.len(), 2);
    let winners = outcomes.iter().filter(|outcome| is_appended(outcome.as_ref().unwrap())).count();
    let told = ExchangeOutcome::Repeated { question: stored[0].id };
    let losers = outcomes.iter().filter(|outcome| *outcome.as_ref().unwrap() == told).count();
    assert_eq!((winners, losers), (1, CALLERS - 1));
}

/// Of many questions at once one begins a reply.
pub async fn parallel_questions_begin_one_reply(chat: &StoredChat) {
    let conversation = chat.conversation(chat.id()).await;
    let attempts: Vec<_> = (0..CALLERS).map(|_| chat.exchange(&conversation)).collect();
    let outcomes = join_all(attempts.iter().map(|attempt| chat.log.append_exchange(attempt))).await;
    let count = |wanted: fn(&ExchangeOutcome) -> bool| {
        outcomes.iter().filter(|outcome| wanted(outcome.as_ref().unwrap())).count()
    };
    assert_eq!(count(is_appended), 1);
    assert_eq!(count(|outcome| *outcome == ExchangeOutcome::ReplyInProgress), CALLERS - 1);
    assert_eq!(chat.newest(&conversation, 10).await.len(), 2);
}

/// While many append, a reader who follows the log never meets a hole and never misses an event.
pub async fn the_log_has_no_hole_while_many_append(chat: &StoredChat) {
    let conversation = chat.conversation(chat.id()).await;
    let writers = join_all((0..CALLERS).map(|_| async {
        let exchange = chat.exchange(&conversation);
        while !is_appended(&chat.log.append_exchange(&exchange).await.unwrap()) {
            tokio::task::yield_now().await;
        }
        chat.log.append_end(&end_of(&exchange)).await.unwrap();
    }));
    let total = u64::try_from(CALLERS * 3).unwrap();
    let reader = async {
        let mut cursor = 0;
        while cursor < total {
            for event in chat.log.events(&conversation.id, cursor, 7).await.unwrap() {
                cursor += 1;
                assert_eq!(event.seq, cursor);
            }
        }
    };
    futures::future::join(writers, reader).await;
    assert_eq!(chat.conversations.get(&conversation.id).await.unwrap().unwrap().head, total);
}

/// Final text, state, usage, event and charge are there at once.
pub async fn an_end_is_stored_whole(chat: &StoredChat) {
    let conversation = chat.conversation(chat.id()).await;
    let exchange = chat.appended(&conversation).await;
    let end = end_of(&exchange);
    assert_eq!(chat.log.append_end(&end).await.unwrap(), EndOutcome::Ended { seq: 3 });
    let message = chat.log.message(exchange.reply.id).await.unwrap();
    assert_eq!(message, Some(ended_message(&exchange, &end)));
    let events = chat.log.events(&conversation.id, 2, 10).await.unwrap();
    let body = EventBody::AiEnd {
        message_id: exchange.reply.id,
        generation: 1,
        why: EndReason::Done,
        length: utf16_length(&end.content),
        crc32: 0xF891_C6C7,
    };
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].seq, &events[0].body, events[0].created_at), (3, &body, end.at));
    assert_eq!(events[0].message, message);
    let saga = chat.generations.get(exchange.reply.id).await.unwrap().unwrap();
    assert_eq!((saga.state, saga.charge), (GenerationState::Ended, end.charge));
    let moved = chat.conversations.get(&conversation.id).await.unwrap().unwrap();
    assert_eq!((moved.head, moved.last_active_at), (3, end.at));
}

/// Every reason comes back with its status; what failed and nothing charged come back too.
pub async fn every_reason_to_end_comes_back(chat: &StoredChat) {
    let conversation = chat.conversation(chat.id()).await;
    let reasons = [
        EndReason::Done,
        EndReason::Stopped,
        EndReason::Length,
        EndReason::Error,
        EndReason::Blocked,
        EndReason::Lost,
    ];
    for why in reasons {
        let exchange = chat.appended(&conversation).await;
        let failure = (why == EndReason::Error).then_some(Failure::ModelTimeout);
        let bare =
            ReplyEnd { why, failure, citations: vec![], usage: None, charge: None, ..end_of(&exchange) };
        chat.log.append_end(&bare).await.unwrap();
        let message = chat.log.message(exchange.reply.id).await.unwrap().unwrap();
        assert_eq!((message.status, message.why), (why.status(), Some(why)));
        assert_eq!((message.failure, message.citations.len(), message.usage), (failure, 0, None));
        assert_eq!(chat.generations.get(exchange.reply.id).await.unwrap().unwrap().charge, None);
    }
}

/// Of many ends at once one is stored.
pub async fn an_end_is_won_by_one_caller(chat: &StoredChat) {
    let conversation = chat.conversation(chat.id()).await;
    let exchange = chat.appended(&conversation).await;
    let ends: Vec<_> =
        (0..CALLERS).map(|caller| ReplyEnd { content: format!("第{caller}"), ..end_of(&exchange) }).collect();
    let outcomes = join_all(ends.iter().map(|end| chat.log.append_end(end))).await;
    let won: Vec<_> = outcomes
        .iter()
        .zip(&ends)
        .filter(|(outcome, _)| *outcome.as_ref().unwrap() == EndOutcome::Ended { seq: 3 })
        .collect();
    assert_eq!(won.len(), 1);
    let lost = outcomes.iter().filter(|outcome| *outcome.as_ref().unwrap() == EndOutcome::AlreadyEnded);
    assert_eq!(lost.count(), CALLERS - 1);
    let message = chat.log.message(exchange.reply.id).await.unwrap().unwrap();
    assert_eq!(message.content, won[0].1.content);
    assert_eq!(chat.log.events(&conversation.id, 0, 10).await.unwrap().len(), 3);
}

/// A writer of another generation ends nothing.
pub async fn an_end_of_another_generation_is_refused(chat: &StoredChat) {
    let conversation = chat.conversation(chat.id()).await;
    let exchange = chat.appended(&conversation).await;
    let other = ReplyEnd { generation: 2, generation_after: 2, ..end_of(&exchange) };
    assert_eq!(chat.log.append_end(&other).await.unwrap(), EndOutcome::AlreadyEnded);
    let message = chat.log.message(exchange.reply.id).await.unwrap().unwrap();
    assert_eq!(message.status, MessageStatus::Streaming);
    assert_eq!(chat.conversations.get(&conversation.id).await.unwrap().unwrap().head, 2);
}

/// Closing an orphan moves the generation on, so that its owner is fenced off.
pub async fn an_orphans_end_moves_the_generation_on(chat: &StoredChat) {
    let conversation = chat.conversation(chat.id()).await;
    let exchange = chat.appended(&conversation).await;
    let lost = ReplyEnd { generation_after: 2, why: EndReason::Lost, ..end_of(&exchange) };
    assert_eq!(chat.log.append_end(&lost).await.unwrap(), EndOutcome::Ended { seq: 3 });
    assert_eq!(chat.log.message(exchange.reply.id).await.unwrap().unwrap().generation, 2);
    assert_eq!(chat.generations.get(exchange.reply.id).await.unwrap().unwrap().generation, 2);
    assert_eq!(chat.log.append_end(&end_of(&exchange)).await.unwrap(), EndOutcome::AlreadyEnded);
}

/// Where the conversation is gone, the saga still ends with its charge, once.
pub async fn an_end_after_deletion_marks_the_saga_alone(chat: &StoredChat) {
    let conversation = chat.conversation(chat.id()).await;
    let exchange = chat.appended(&conversation).await;
    chat.conversations.delete(&conversation.id).await.unwrap();
    let end = end_of(&exchange);
    assert_eq!(chat.log.append_end(&end).await.unwrap(), EndOutcome::NoMessage);
    let saga = chat.generations.get(exchange.reply.id).await.unwrap().unwrap();
    assert_eq!((saga.state, saga.charge), (GenerationState::Ended, end.charge));
    assert_eq!(chat.log.message(exchange.reply.id).await.unwrap(), None);
    assert_eq!(chat.log.append_end(&end).await.unwrap(), EndOutcome::AlreadyEnded);
}

/// A deletion that meets appends leaves either all or nothing, and no reply that cannot end.
pub async fn a_deletion_meets_appends_without_a_trace(chat: &StoredChat) {
    for _ in 0..8 {
        let conversation = chat.conversation(chat.id()).await;
        let running = chat.appended(&conversation).await;
        let end = end_of(&running);
        let (ended, deleted) =
            futures::future::join(chat.log.append_end(&end), chat.conversations.delete(&conversation.id))
                .await;
        assert!(deleted.unwrap());
        assert!(matches!(ended.unwrap(), EndOutcome::Ended { .. } | EndOutcome::NoMessage));
        assert_eq!(chat.log.events(&conversation.id, 0, 10).await.unwrap(), []);
        let saga = chat.generations.get(running.reply.id).await.unwrap().unwrap();
        assert_eq!(saga.state, GenerationState::Ended);
    }
}

fn is_appended(outcome: &ExchangeOutcome) -> bool {
    matches!(outcome, ExchangeOutcome::Appended { .. })
}

fn question_message(exchange: &Exchange, generation: u32) -> Message {
    let question = exchange.question.clone();
    let author = Author::User(question.author);
    Message {
        content: question.content,
        client_msg_id: question.client_msg_id,
        body_hash: Some(question.body_hash),
        generation,
        ..Message::blank(question.id, exchange.conversation_id.clone(), 1, author, START.plus_seconds(1))
    }
}

fn reply_message(exchange: &Exchange) -> Message {
    Message {
        id: exchange.reply.id,
        seq: 2,
        author: Author::Character(exchange.reply.character_id.clone()),
        content: String::new(),
        status: MessageStatus::Streaming,
        reply_to: Some(exchange.question.id),
        client_msg_id: None,
        body_hash: None,
        ..question_message(exchange, 1)
    }
}

fn ended_message(exchange: &Exchange, end: &ReplyEnd) -> Message {
    Message {
        content: end.content.clone(),
        status: MessageStatus::Done,
        why: Some(EndReason::Done),
        citations: end.citations.clone(),
        usage: end.usage,
        model: end.model.clone(),
        ..reply_message(exchange)
    }
}

fn streaming_saga(exchange: &Exchange) -> Generation {
    let reply = exchange.reply.clone();
    Generation {
        message_id: reply.id,
        conversation_id: exchange.conversation_id.clone(),
        generation: 1,
        owner: reply.owner,
        payer: reply.payer,
        model_alias: reply.model_alias,
        tariff: reply.tariff,
        held: reply.held,
        prompt_tokens_estimate: reply.prompt_tokens_estimate,
        state: GenerationState::Streaming,
        checkpoint: String::new(),
        charge: None,
    }
}
