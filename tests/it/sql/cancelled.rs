//! Callers that vanish in the middle of a write leave no transaction open and no half-written append.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use adapter_sql::SqlStore;
use chat::conversation::Conversation;
use futures::StreamExt;
use futures::future::{BoxFuture, join_all};
use kernel::{Entropy, SeededEntropy};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use tests::backends::{self, Backend, seed, test_options};
use tests::contract::stored_chat::{START, StoredChat, end_of};

const CALLERS: u64 = 1_000;
const AT_ONCE: usize = 24;
/// Longer than any rollback takes, shorter than Postgres's own limit for idle transactions in these tests.
const PATIENCE: Duration = Duration::from_secs(8);
/// A write of one row, so that no two of them deadlock.
const TOUCH: &str = "UPDATE conversations SET epoch = epoch WHERE id = (SELECT MIN(id) FROM conversations)";

/// Polls a future at most so many times, then drops it.
async fn dropped_after(polls: u32, work: impl Future) {
    let mut work = pin!(work);
    let mut left = polls;
    poll_fn(|context| {
        if left > 0 && work.as_mut().poll(context).is_pending() {
            left -= 1;
        } else {
            left = 0;
        }
        if left == 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// One write of each kind in turn; the last two use the store as no adapter may, without a task of their own.
fn write<'a>(
    number: u64,
    chat: &'a StoredChat,
    store: &'a SqlStore,
    conversation: &'a Conversation,
) -> BoxFuture<'a, ()> {
    match number % 6 {
        0 => Box::pin(async {
            let _ = chat.log.append_exchange(&chat.exchange(conversation)).await;
        }),
        1 => Box::pin(async {
            for reply in chat.newest(conversation, 1).await {
                let end =
                    chat::ports::ReplyEnd { message_id: reply.id, ..end_of(&chat.exchange(conversation)) };
                let _ = chat.log.append_end(&end).await;
            }
        }),
        2 => Box::pin(async {
            let _ = chat.conversations.rename(&conversation.id, "题").await;
        }),
        3 => Box::pin(async {
            let _ = chat.generations.renew_lease(chat.id(), START).await;
        }),
        4 => Box::pin(async {
            let _ = store.begin().await;
        }),
        _ => Box::pin(async {
            let tx = store.begin().await.unwrap();
            tx.execute_unprepared(TOUCH).await.unwrap();
            tx.commit().await.unwrap();
        }),
    }
}

async fn drop_many(backend: &Backend) {
    let chat = StoredChat::on(&backend.store);
    let mut conversations = Vec::new();
    for _ in 0..8 {
        conversations.push(chat.conversation(chat.id()).await);
    }
    let entropy = SeededEntropy::new(seed());
    let draw = |below: u32| {
        let mut bytes = [0; 4];
        entropy.fill(&mut bytes);
        u32::from_le_bytes(bytes) % below
    };
    futures::stream::iter(0..CALLERS)
        .map(|number| {
            let conversation = &conversations[usize::try_from(draw(8)).unwrap()];
            dropped_after(draw(14), write(number, &chat, &backend.store, conversation))
        })
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<()>>()
        .await;
    // A later user of a connection may end what it found open. These have none.
    for _ in 0..test_options().postgres_writers {
        dropped_after(1 + draw(3), backend.store.begin()).await;
    }
    no_transaction_stays_open(&backend.store).await;
    every_connection_writes(&backend.store).await;
    for conversation in &conversations {
        is_whole(&chat, conversation).await;
    }
}

/// No session of this Postgres database goes on idling in a transaction. On SQLite there is one connection, and
/// its next write tells.
async fn no_transaction_stays_open(store: &SqlStore) {
    let open = "SELECT COUNT(*) AS n FROM pg_stat_activity WHERE datname = current_database() \
         AND state LIKE 'idle in transaction%'";
    let postgres = store.reader().get_database_backend() == DbBackend::Postgres;
    let closed = async {
        while postgres && count(store, open).await > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, closed).await.expect("every transaction is closed");
}

/// Holds every connection of the write pool at once: each has passed the guard, and each commits.
async fn every_connection_writes(store: &SqlStore) {
    let connections = match store.writer().get_database_backend() {
        DbBackend::Sqlite => 1,
        _ => test_options().postgres_writers,
    };
    let held = join_all((0..connections).map(|_| store.begin())).await;
    for tx in held {
        let tx = tx.unwrap();
        tx.execute_unprepared(TOUCH).await.unwrap();
        tx.commit().await.unwrap();
    }
}

/// Seqs without a hole up to the head, and a message for each event that creates one.
async fn is_whole(chat: &StoredChat, conversation: &Conversation) {
    let head = chat.conversations.get(&conversation.id).await.unwrap().unwrap().head;
    let events = chat.log.events(&conversation.id, 0, 10_000).await.unwrap();
    assert!(events.iter().map(|event| event.seq).eq(1..=head));
    for message in chat.newest(conversation, 500).await {
        assert!(events.iter().any(|event| event.seq == message.seq));
    }
}

async fn count(store: &SqlStore, query: &str) -> i64 {
    let statement = Statement::from_string(DbBackend::Postgres, query);
    store.reader().query_one_raw(statement).await.unwrap().unwrap().try_get("", "n").unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_vanished_callers_leave_postgres_clean() {
    drop_many(&backends::postgres().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_vanished_callers_leave_sqlite_clean() {
    drop_many(&backends::sqlite().await).await;
}

/// The driver does not know of a transaction before its `BEGIN` is answered: one that was left open by then would take
/// in a later caller's write and never commit it.
async fn a_dropped_beginning_leaves_nothing_open(backend: &Backend) {
    let store = &backend.store;
    let chat = StoredChat::on(store);
    for polls in 0..60 {
        dropped_after(1 + polls % 4, store.begin()).await;
    }
    no_transaction_stays_open(store).await;
    every_connection_writes(store).await;
    let conversation = chat.conversation(chat.id()).await;
    let other = SqlStore::connect(&backend.url, test_options()).await.unwrap();
    let seen = StoredChat::on(&other).conversations.get(&conversation.id).await.unwrap();
    assert_eq!(seen, Some(conversation));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_beginning_leaves_nothing_open_on_sqlite() {
    a_dropped_beginning_leaves_nothing_open(&backends::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_beginning_leaves_nothing_open_on_postgres() {
    a_dropped_beginning_leaves_nothing_open(&backends::postgres().await).await;
}

/// A write goes on when its caller is gone.
async fn a_write_outlives_its_caller(chat: &StoredChat) {
    let conversation = chat.conversation(chat.id()).await;
    let exchange = chat.exchange(&conversation);
    dropped_after(1, chat.log.append_exchange(&exchange)).await;
    while chat.newest(&conversation, 2).await.len() < 2 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_to_sqlite_outlives_its_caller() {
    a_write_outlives_its_caller(&StoredChat::on(&backends::sqlite().await.store)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_to_postgres_outlives_its_caller() {
    let backend = backends::postgres().await;
    a_write_outlives_its_caller(&StoredChat::on(&backend.store)).await;
}
