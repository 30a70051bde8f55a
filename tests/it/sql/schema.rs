//! The schema as each database shows it, and servers that migrate at the same time.

use adapter_sql::SqlStore;
use futures::future::join_all;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use tests::backends::{self, empty_postgres, empty_sqlite, test_options};

const STARTERS: usize = 5;

const SQLITE_DDL: &str =
    "SELECT sql || ';' AS line FROM sqlite_master WHERE sql IS NOT NULL ORDER BY tbl_name, type DESC, name";

/// Columns, then constraints, indexes and triggers, each with its table first.
const POSTGRES_DDL: &str = "
    SELECT line FROM (
        SELECT table_name || '.' || column_name || ' ' || data_type ||
            COALESCE('(' || character_maximum_length || ')', '') ||
            CASE is_nullable WHEN 'NO' THEN ' NOT NULL' ELSE '' END ||
            COALESCE(' DEFAULT ' || column_default, '') AS line,
            table_name::text AS of_table, 1 AS part, ordinal_position::int AS place
        FROM information_schema.columns WHERE table_schema = 'public'
        UNION ALL
        SELECT relname || ': ' || conname || ' ' || pg_get_constraintdef(c.oid), relname::text, 2, 0
        FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid
        WHERE c.connamespace = 'public'::regnamespace AND contype <> 'n'
        UNION ALL
        SELECT indexdef, tablename::text, 3, 0 FROM pg_indexes WHERE schemaname = 'public'
        UNION ALL
        SELECT pg_get_triggerdef(g.oid), t.relname::text, 4, 0
        FROM pg_trigger g JOIN pg_class t ON t.oid = g.tgrelid WHERE NOT g.tgisinternal
    ) ddl ORDER BY of_table COLLATE \"C\", part, place, line COLLATE \"C\"";

async fn lines(store: &SqlStore, backend: DbBackend, query: &str) -> Vec<String> {
    let statement = Statement::from_string(backend, query);
    let rows = store.reader().query_all_raw(statement).await.unwrap();
    rows.iter().map(|row| row.try_get("", "line").unwrap()).collect()
}

#[tokio::test]
async fn the_schema_of_sqlite_is_the_one_that_was_reviewed() {
    let backend = backends::sqlite().await;
    insta::assert_snapshot!("sqlite", lines(&backend.store, DbBackend::Sqlite, SQLITE_DDL).await.join("\n"));
}

#[tokio::test]
async fn the_schema_of_postgres_is_the_one_that_was_reviewed() {
    let backend = backends::postgres().await;
    let ddl = lines(&backend.store, DbBackend::Postgres, POSTGRES_DDL).await;
    insta::assert_snapshot!("postgres", ddl.join("\n"));
}

/// Servers that start together on an empty database, twice each.
async fn start_together(url: &str, backend: DbBackend) {
    let starts = (0..STARTERS).map(|_| async {
        let store = SqlStore::connect(url, test_options()).await.unwrap();
        store.migrate().await.unwrap();
        store.migrate().await.unwrap();
        store
    });
    let stores = join_all(starts).await;
    let applied = "SELECT version AS line FROM seaql_migrations ORDER BY version";
    let history = lines(&stores[0], backend, applied).await;
    let mut once = history.clone();
    once.dedup();
    assert!(!history.is_empty());
    assert_eq!(history, once);
    for store in stores {
        assert_eq!(lines(&store, backend, applied).await, history);
        store.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_start_together_migrate_sqlite_once() {
    let (url, _folder) = empty_sqlite();
    start_together(&url, DbBackend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_start_together_migrate_postgres_once() {
    let (url, _database) = empty_postgres().await;
    start_together(&url, DbBackend::Postgres).await;
}
