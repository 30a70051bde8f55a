//! What every [`chat::ports::EventLog`] must do: messages that are taken back.

use chat::event::EventBody;
use chat::generation::GenerationState;
use chat::message::MessageStatus;
use chat::ports::{HistoryQuery, Like, NewMessage, Recall, RecallOutcome};
use futures::future::{join, join_all};
use kernel::MessageId;

use super::event_log_starts::{end, start_of};
use super::stored_chat::{START, StoredChat};

const CALLERS: usize = 16;

/// Text and mentions are gone wherever they could be read, and the log says so.
pub async fn a_recall_erases_and_is_told(chat: &StoredChat) {
    let room = chat.room().await;
    let author = chat.member(&room).await;
    let mentions = vec!["classics_kongzi".parse().unwrap()];
    let message = NewMessage { mentions, ..chat.new_message(&room, author) };
    chat.log.append(&message).await.unwrap();
    let recall = recall_of(message.id);
    assert_eq!(chat.log.append_recall(&recall).await.unwrap(), RecallOutcome::Recalled { seq: 3 });
    let left = chat.log.message(message.id).await.unwrap().unwrap();
    assert_eq!(
        (left.status, left.content.as_str(), &left.mentions[..]),
        (MessageStatus::Recalled, "", &[][..])
    );
    assert_eq!(
        (left.seq, &left.client_msg_id, left.body_hash),
        (2, &message.client_msg_id, Some("h1".to_owned()))
    );
    let events = chat.log.events(&room.id, 1, 9).await.unwrap();
    assert_eq!(events[0].message.as_ref().unwrap().content, "");
    assert_eq!(events[1].body, EventBody::Recall { message_id: message.id });
    assert_eq!((events[1].seq, events[1].created_at, &events[1].message), (3, recall.at, &None));
    let page = chat.log.history(&room.id, HistoryQuery::Since { seq: 2, limit: 9 }).await.unwrap();
    assert_eq!(page.messages.iter().map(|message| message.id).collect::<Vec<_>>(), [message.id]);
    assert_eq!(chat.rooms.room(&room.id).await.unwrap().unwrap().statistics.messages, 1);
}

/// A reply loses its citations too; what it cost stays.
pub async fn a_recalled_reply_keeps_its_cost_alone(chat: &StoredChat) {
    let session = chat.conversation(chat.id()).await;
    let exchange = chat.answered(&session).await;
    let reply = exchange.reply.id;
    assert_eq!(recall(chat, reply).await, RecallOutcome::Recalled { seq: 4 });
    let left = chat.log.message(reply).await.unwrap().unwrap();
    assert_eq!((left.status, left.content.as_str()), (MessageStatus::Recalled, ""));
    assert!(left.citations.is_empty() && left.usage.is_some());
    assert_eq!(left.reply_to, Some(exchange.question.id));
}

/// Again is told the seq of the first, whatever happened to the message since; nothing is written.
pub async fn a_second_recall_is_told_of_the_first(chat: &StoredChat) {
    let room = chat.room().await;
    let question = chat.said(&room, chat.member(&room).await).await;
    let start = start_of(chat, &question);
    chat.log.append_start(&start).await.unwrap();
    assert_eq!(recall(chat, start.reply.id).await, RecallOutcome::Recalled { seq: 4 });
    assert_eq!(recall(chat, start.reply.id).await, RecallOutcome::Already { seq: 4 });
    end(chat, &start).await;
    assert_eq!(recall(chat, start.reply.id).await, RecallOutcome::Already { seq: 4 });
    assert_eq!(chat.rooms.room(&room.id).await.unwrap().unwrap().head, 5);
}

/// Of many at once one recalls, the others are told of it.
pub async fn parallel_recalls_append_one(chat: &StoredChat) {
    let room = chat.room().await;
    let message = chat.said(&room, chat.member(&room).await).await;
    let outcomes = join_all((0..CALLERS).map(|_| recall(chat, message.id))).await;
    let first = outcomes.iter().filter(|outcome| **outcome == RecallOutcome::Recalled { seq: 3 });
    let again = outcomes.iter().filter(|outcome| **outcome == RecallOutcome::Already { seq: 3 });
    assert_eq!((first.count(), again.count()), (1, CALLERS - 1));
}

/// What is not there cannot be taken back.
pub async fn an_unknown_message_is_not_recalled(chat: &StoredChat) {
    assert_eq!(recall(chat, chat.id()).await, RecallOutcome::NoMessage);
    let session = chat.conversation(chat.id()).await;
    let exchange = chat.answered(&session).await;
    chat.conversations.delete(&session.id).await.unwrap();
    assert_eq!(recall(chat, exchange.question.id).await, RecallOutcome::NoMessage);
}

/// A reply that was recalled while it grew ends without text; its saga ends with its charge.
pub async fn a_reply_recalled_while_it_grows_ends_without_text(chat: &StoredChat) {
    let room = chat.room().await;
    let question = chat.said(&room, chat.member(&room).await).await;
    let start = start_of(chat, &question);
    chat.log.append_start(&start).await.unwrap();
    chat.generations.checkpoint(start.reply.id, 1, "学了又").await.unwrap();
    recall(chat, start.reply.id).await;
    let growing = chat.log.streaming(&room.id).await.unwrap();
    assert_eq!((growing[0].id, growing[0].content.as_str()), (start.reply.id, ""));
    let ended = end(chat, &start).await;
    let left = chat.log.message(start.reply.id).await.unwrap().unwrap();
    assert_eq!((left.status, left.content.as_str()), (MessageStatus::Recalled, ""));
    assert_eq!((left.why, left.citations.len(), left.usage), (Some(ended.why), 0, ended.usage));
    let told = chat.log.events(&room.id, 4, 9).await.unwrap().remove(0);
    let body = EventBody::AiEnd { message_id: left.id, generation: 1, why: ended.why, length: 0, crc32: 0 };
    assert_eq!((told.body, told.message), (body, Some(left)));
    let saga = chat.generations.get(start.reply.id).await.unwrap().unwrap();
    assert_eq!(
        (saga.state, saga.charge, saga.checkpoint.as_str()),
        (GenerationState::Ended, ended.charge, "")
    );
}

/// A recall that meets the end leaves no text, whichever came first.
pub async fn a_recall_that_meets_the_end_leaves_no_text(chat: &StoredChat) {
    let room = chat.room().await;
    let question = chat.said(&room, chat.member(&room).await).await;
    for _ in 0..8 {
        let start = start_of(chat, &question);
        chat.log.append_start(&start).await.unwrap();
        join(end(chat, &start), recall(chat, start.reply.id)).await;
        let left = chat.log.message(start.reply.id).await.unwrap().unwrap();
        assert_eq!((left.status, left.content.as_str()), (MessageStatus::Recalled, ""));
        assert!(left.citations.is_empty() && left.why.is_some());
    }
}

/// A session that is still called after the question loses that name; one that has another keeps it.
pub async fn a_recall_takes_the_sessions_title_with_it(chat: &StoredChat) {
    let session = chat.conversation(chat.id()).await;
    let question = chat.answered(&session).await.question;
    let title = async || chat.conversations.get(&session.id).await.unwrap().unwrap().title;
    chat.conversations.rename(&session.id, "旧名").await.unwrap();
    let other = chat.conversation(chat.id()).await;
    chat.conversations.rename(&other.id, "旧名").await.unwrap();
    let recall = Recall { title: Some("旧名".to_owned()), ..recall_of(question.id) };
    chat.log.append_recall(&recall).await.unwrap();
    assert_eq!(title().await, "");
    assert_eq!(chat.conversations.get(&other.id).await.unwrap().unwrap().title, "旧名");

    let question = chat.answered(&session).await.question;
    chat.conversations.rename(&session.id, "新名").await.unwrap();
    chat.log.append_recall(&Recall { message_id: question.id, ..recall }).await.unwrap();
    assert_eq!(title().await, "新名");
}

/// A recall keeps the likes that were given.
pub async fn a_recalled_message_keeps_its_likes(chat: &StoredChat) {
    let room = chat.room().await;
    let author = chat.member(&room).await;
    let message = chat.said(&room, author).await;
    let like = Like { message_id: message.id, user_id: author, liked: true, at: START };
    chat.log.append_like(&like).await.unwrap();
    recall(chat, message.id).await;
    assert_eq!(chat.log.message(message.id).await.unwrap().unwrap().likes.total, 1);
}

fn recall_of(message_id: MessageId) -> Recall {
    Recall { message_id, title: None, at: START.plus_seconds(7) }
}

async fn recall(chat: &StoredChat, message_id: MessageId) -> RecallOutcome {
    chat.log.append_recall(&recall_of(message_id)).await.unwrap()
}
