//! The SQL store below its ports: schema, migrations, restarts, and callers that vanish.

mod cancelled;
mod group_commit;
mod schema;
mod server_time;
mod upgrade;

use std::time::Duration;

use adapter_sql::{SqlOptions, SqlStore};
use kernel::PortError;
use tests::backends::{self, Backend, test_options};
use tests::contract::stored_chat::{StoredChat, end_of};

async fn survives_a_restart(backend: Backend) {
    let before = StoredChat::on(&backend.store);
    let conversation = before.conversation(before.id()).await;
    let ended = before.answered(&conversation).await;
    let running = before.appended(&conversation).await;
    before.generations.checkpoint(running.reply.id, 1, "学了").await.unwrap();
    let history = before.newest(&conversation, 10).await;
    backend.store.close().await.unwrap();

    let store = SqlStore::connect(&backend.url, test_options()).await.unwrap();
    store.migrate().await.unwrap();
    let after = StoredChat::on(&store);
    assert_eq!(after.newest(&conversation, 10).await, history);
    assert_eq!(after.log.events(&conversation.id, 0, 10).await.unwrap().len(), 5);
    assert_eq!(after.generations.open_count().await.unwrap(), 2);
    let saga = after.generations.get(running.reply.id).await.unwrap().unwrap();
    assert_eq!(saga.checkpoint, "学了");
    assert!(after.generations.get(ended.reply.id).await.unwrap().unwrap().charge.is_some());
    after.log.append_end(&end_of(&running)).await.unwrap();
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_sqlite_holds_survives_a_restart() {
    survives_a_restart(backends::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_postgres_holds_survives_a_restart() {
    survives_a_restart(backends::postgres().await).await;
}

#[tokio::test]
async fn a_url_of_no_known_database_is_rejected() {
    for url in ["mysql://localhost/x", "sqlite::memory:", "data/app.db"] {
        let refused = SqlStore::connect(url, test_options()).await;
        assert!(matches!(refused, Err(PortError::Rejected { .. })), "{url}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let nobody = "postgres://nobody@127.0.0.1:1/nothing";
    let options = SqlOptions { acquire_timeout: Duration::from_millis(300), ..test_options() };
    let refused = SqlStore::connect(nobody, options).await;
    assert!(matches!(refused, Err(PortError::Unavailable { .. })));
}

#[tokio::test]
async fn readers_of_sqlite_cannot_write() {
    use sea_orm::ConnectionTrait;
    let backend = backends::sqlite().await;
    let statement = "DELETE FROM conversations";
    assert!(backend.store.reader().execute_unprepared(statement).await.is_err());
    assert!(backend.store.writer().execute_unprepared(statement).await.is_ok());
}
