//! Group commit below its port: several instances on one database, a log that goes while messages wait, a full
//! queue, an outage.

use std::collections::BTreeSet;
use std::sync::Arc;

use adapter_sql::{SqlEventLog, SqlStore};
use chat::message::MessageStatus;
use chat::ports::{AppendOutcome, EndOutcome, EventLog, Like, NewMessage, Recall, StartOutcome};
use chat::room::Room;
use futures::future::{join, join_all};
use kernel::{PortError, UserId};
use tests::backends::{self, Backend, test_options};
use tests::contract::event_log_starts::{end_of_start, start_of};
use tests::contract::stored_chat::{START, StoredChat};

const MESSAGES: usize = 200;
/// More than wait for a transaction and are taken by one.
const TOO_MANY: usize = 4_500;

/// A second instance on the same database.
async fn another_log(backend: &Backend) -> SqlEventLog {
    SqlEventLog::new(SqlStore::connect(&backend.url, test_options()).await.unwrap())
}

async fn rooms(chat: &StoredChat, count: usize) -> Vec<(Room, UserId)> {
    let mut rooms = Vec::new();
    for _ in 0..count {
        let room = chat.room().await;
        let member = chat.member(&room).await;
        rooms.push((room, member));
    }
    rooms
}

fn messages(chat: &StoredChat, rooms: &[(Room, UserId)], count: usize) -> Vec<NewMessage> {
    let of = |n: usize| {
        let (room, member) = &rooms[n % rooms.len()];
        chat.new_message(room, *member)
    };
    (0..count).map(of).collect()
}

async fn two_instances_give_one_row_of_seqs(backend: Backend) {
    let chat = StoredChat::on(&backend.store);
    let other = another_log(&backend).await;
    let rooms = rooms(&chat, 3).await;
    let messages = messages(&chat, &rooms, MESSAGES);
    let log = |n: usize| -> &dyn EventLog { if n.is_multiple_of(2) { &*chat.log } else { &other } };
    let appends = messages.iter().enumerate().map(|(n, message)| log(n / 3).append(message));
    for outcome in join_all(appends).await {
        assert!(matches!(outcome, Ok(AppendOutcome::Appended { .. })), "{outcome:?}");
    }
    let mut told = BTreeSet::new();
    for (room, _) in &rooms {
        let head = chat.rooms.room(&room.id).await.unwrap().unwrap().head;
        let events = other.events(&room.id, 0, 500).await.unwrap();
        assert!(events.iter().map(|event| event.seq).eq(1..=head));
        told.extend(events.iter().filter_map(|event| event.body.message_id()));
    }
    assert_eq!(told, messages.iter().map(|message| message.id).collect());

    let (room, member) = &rooms[0];
    let own = Some("own".to_owned());
    let tries: Vec<_> = (0..32)
        .map(|_| NewMessage { client_msg_id: own.clone(), ..chat.new_message(room, *member) })
        .collect();
    let outcomes = join_all(tries.iter().enumerate().map(|(n, message)| log(n).append(message))).await;
    let appended = outcomes.iter().filter(|outcome| matches!(outcome, Ok(AppendOutcome::Appended { .. })));
    let repeated = outcomes.iter().filter(|outcome| matches!(outcome, Ok(AppendOutcome::Repeated { .. })));
    assert_eq!((appended.count(), repeated.count()), (1, 31));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_on_sqlite_give_one_row_of_seqs() {
    two_instances_give_one_row_of_seqs(backends::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_on_postgres_give_one_row_of_seqs() {
    two_instances_give_one_row_of_seqs(backends::postgres().await).await;
}

/// All kinds of appends at once on two instances: none waits for another in a circle.
async fn all_appends_get_along(backend: Backend) {
    let chat = StoredChat::on(&backend.store);
    let other = another_log(&backend).await;
    let rooms = rooms(&chat, 3).await;
    let messages = messages(&chat, &rooms, 60);
    let logs: [&dyn EventLog; 2] = [&*chat.log, &other];
    let story = async |n: usize, message: &NewMessage| {
        let (log, elsewhere) = (logs[n % 2], logs[(n + 1) % 2]);
        log.append(message).await.unwrap();
        let start = start_of(&chat, message);
        let like = Like { message_id: message.id, user_id: message.author, liked: true, at: START };
        let (started, liked) = join(elsewhere.append_start(&start), log.append_like(&like)).await;
        liked.unwrap();
        if matches!(started.unwrap(), StartOutcome::Started { .. }) {
            let recall = Recall { message_id: start.reply.id, title: None, at: START };
            let end = end_of_start(&chat, &start);
            let (ended, recalled) = join(log.append_end(&end), elsewhere.append_recall(&recall)).await;
            assert!(matches!(ended, Ok(EndOutcome::Ended { .. })) && recalled.is_ok());
            let reply = log.message(start.reply.id).await.unwrap().unwrap();
            assert_eq!((reply.status, reply.content.as_str()), (MessageStatus::Recalled, ""));
        }
    };
    join_all(messages.iter().enumerate().map(|(n, message)| story(n, message))).await;
    for (room, member) in &rooms {
        let standing = chat.rooms.standing(&room.id, *member).await.unwrap().unwrap();
        let events = other.events(&room.id, 0, 500).await.unwrap();
        assert!(events.iter().map(|event| event.seq).eq(1..=standing.head));
        let member = standing.member.unwrap();
        assert_eq!((member.message_count, member.likes_given), (20, 20));
        assert_eq!(chat.log.streaming(&room.id).await.unwrap(), []);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_appends_to_sqlite_get_along() {
    all_appends_get_along(backends::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_appends_to_postgres_get_along() {
    all_appends_get_along(backends::postgres().await).await;
}

/// The committer ends with its log, but not before what waits is written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_is_written_when_the_log_goes() {
    let backend = backends::sqlite().await;
    let chat = StoredChat::on(&backend.store);
    let rooms = rooms(&chat, 1).await;
    let messages = Arc::new(messages(&chat, &rooms, 600));
    let going: Arc<dyn EventLog> = Arc::new(SqlEventLog::new(backend.store.clone()));
    let busy = backend.store.begin().await.unwrap();
    for message in messages.iter() {
        assert!(futures::poll!(going.append(message)).is_pending());
    }
    drop(going);
    busy.rollback().await.unwrap();
    let (room, _) = &rooms[0];
    while chat.rooms.room(&room.id).await.unwrap().unwrap().statistics.messages < 600 {
        tokio::task::yield_now().await;
    }
}

/// More than the queue takes are refused at once, and nobody who waits loses a place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_is_unavailable() {
    let backend = backends::sqlite().await;
    let chat = StoredChat::on(&backend.store);
    let rooms = rooms(&chat, 1).await;
    let messages = messages(&chat, &rooms, TOO_MANY);
    let busy = backend.store.begin().await.unwrap();
    let mut calls: Vec<_> = messages.iter().map(|message| chat.log.append(message)).collect();
    let mut refused = 0;
    let mut waiting = Vec::new();
    for mut call in calls.drain(..) {
        match futures::poll!(&mut call) {
            std::task::Poll::Ready(outcome) => {
                assert!(matches!(outcome, Err(PortError::Unavailable { .. })), "{outcome:?}");
                refused += 1;
            }
            std::task::Poll::Pending => waiting.push(call),
        }
    }
    assert!(refused > 0);
    busy.rollback().await.unwrap();
    for outcome in join_all(waiting).await {
        assert!(matches!(outcome, Ok(AppendOutcome::Appended { .. })), "{outcome:?}");
    }
}

/// Every caller is told of an outage, and none waits for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_is_told_to_every_caller() {
    for backend in [backends::sqlite().await, backends::postgres().await] {
        let chat = StoredChat::on(&backend.store);
        let rooms = rooms(&chat, 2).await;
        let messages = messages(&chat, &rooms, 40);
        backend.store.close().await.unwrap();
        for outcome in join_all(messages.iter().map(|message| chat.log.append(message))).await {
            assert!(matches!(outcome, Err(PortError::Unavailable { .. })), "{outcome:?}");
        }
    }
}
