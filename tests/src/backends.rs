//! Databases for tests: a fresh, migrated one for each test, gone when the test ends.
//!
//! SQLite gets a file in a temporary folder. Postgres gets a database made from a template, which the first
//! test process that needs it migrates once per schema; the template's name carries a hash of the migrations.
//! A test that needs a server which is not configured fails and says so: a suite that skips itself is green
//! for the wrong reason.

use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::BuildHasher;
use std::path::Path;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use adapter_sql::{SqlOptions, SqlStore};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use tempfile::TempDir;

/// A migrated database of one test.
pub struct Backend {
    /// The store, connected and migrated.
    pub store: SqlStore,
    /// Connects a second store to the same database.
    pub url: String,
    _place: Place,
}

/// What keeps the database alive; dropping it removes the database.
enum Place {
    Folder { _folder: TempDir },
    Database { _database: TestDatabase },
}

/// Redis for one test: a shared server and a prefix that nobody else has.
pub struct RedisPlace {
    /// The server.
    pub url: String,
    /// To be put before every key and channel.
    pub prefix: String,
}

/// Pools small enough for many tests on one server, and limits long enough for a busy machine.
pub fn test_options() -> SqlOptions {
    SqlOptions {
        sqlite_readers: 2,
        postgres_writers: 6,
        postgres_readers: 3,
        acquire_timeout: Duration::from_secs(20),
        statement_timeout: Duration::from_secs(20),
        lock_timeout: Duration::from_secs(20),
        ..SqlOptions::default()
    }
}

/// A migrated SQLite database in a temporary folder.
pub async fn sqlite() -> Backend {
    let (url, folder) = empty_sqlite();
    let store = SqlStore::connect(&url, test_options()).await.expect("SQLite opens");
    store.migrate().await.expect("migrations run on SQLite");
    Backend { store, url, _place: Place::Folder { _folder: folder } }
}

/// A migrated Postgres database, made from the template.
pub async fn postgres() -> Backend {
    let template = ensure_template().await;
    let database = TestDatabase::create(Some(&template)).await;
    let url = database.url();
    let store = SqlStore::connect(&url, test_options()).await.expect("Postgres opens");
    Backend { store, url, _place: Place::Database { _database: database } }
}

/// The URL of a SQLite file that is not there yet, and the folder it will be in.
pub fn empty_sqlite() -> (String, TempDir) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    (format!("sqlite:{}", folder.path().join("data/app.db").display()), folder)
}

/// The URL of a Postgres database with nothing in it, and its guard.
pub async fn empty_postgres() -> (String, TestDatabase) {
    let database = TestDatabase::create(None).await;
    (database.url(), database)
}

/// Redis, or a panic that says what to set.
pub fn redis() -> RedisPlace {
    RedisPlace { url: redis_url(), prefix: format!("test:{}:", unique()) }
}

/// The address in `TEST_REDIS_URL`.
pub fn redis_url() -> String {
    required("TEST_REDIS_URL")
}

/// The address in `TEST_POSTGRES_URL`: a database whose user may create others.
pub fn postgres_url() -> String {
    required("TEST_POSTGRES_URL")
}

/// A seed for a test that draws its cases: `TEST_SEED`, or a fresh one. Printed, so that a failure comes again.
pub fn seed() -> u64 {
    let chosen = setting("TEST_SEED").and_then(|text| text.parse().ok());
    let seed = chosen.unwrap_or_else(|| RandomState::new().hash_one(0));
    println!("TEST_SEED={seed}");
    seed
}

/// Whether `make test-long` runs: what takes minutes is run in full.
pub fn is_long() -> bool {
    setting("TEST_LONG").is_some_and(|value| !value.is_empty())
}

fn setting(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "tests get their servers from the environment, here alone")]
    let value = std::env::var(name);
    value.ok()
}

fn required(name: &str) -> String {
    setting(name).unwrap_or_else(|| panic!("{name} is not set: `make test` starts the server and sets it"))
}

/// A database that is dropped with its guard.
pub struct TestDatabase {
    name: String,
}

impl TestDatabase {
    async fn create(template: Option<&str>) -> Self {
        let name = format!("jixia_test_{}", unique());
        let from = template.unwrap_or("template0");
        let mut admin = admin().await;
        execute(&mut admin, format!(r#"CREATE DATABASE "{name}" TEMPLATE "{from}""#)).await;
        // The guard below drops it; an admin session left open would be one more for the server to bear.
        let _ = admin.close().await;
        Self { name }
    }

    /// Its address.
    pub fn url(&self) -> String {
        url_of(&self.name)
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let statement = format!(r#"DROP DATABASE IF EXISTS "{}" WITH (FORCE)"#, self.name);
        // The test's own runtime may be ending, so the farewell gets one of its own. Best effort.
        let farewell = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            if let Ok(runtime) = runtime {
                runtime.block_on(async move {
                    if let Ok(mut admin) = admin_options().connect().await {
                        let _ = sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut admin).await;
                    }
                });
            }
        });
        let _ = farewell.join();
    }
}

/// The template's name, after making sure that it is there.
async fn ensure_template() -> String {
    const LOCK: i64 = 0x4A49_5849_4154;
    let name = format!("jixia_template_{:016x}", schema_hash());
    let mut admin = admin().await;
    sqlx::query("SELECT pg_advisory_lock($1)").bind(LOCK).execute(&mut admin).await.expect("the lock");
    let exists: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)")
        .bind(&name)
        .fetch_one(&mut admin)
        .await
        .expect("the list of databases");
    if !exists {
        build_template(&mut admin, &name).await;
    }
    admin.close().await.expect("the lock is freed with its session");
    name
}

/// Migrates under another name first, so that a half-made template is never taken for a whole one.
async fn build_template(admin: &mut PgConnection, name: &str) {
    let draft = format!("{name}_draft");
    execute(admin, format!(r#"DROP DATABASE IF EXISTS "{draft}" WITH (FORCE)"#)).await;
    execute(admin, format!(r#"CREATE DATABASE "{draft}" TEMPLATE template0"#)).await;
    let store = SqlStore::connect(&url_of(&draft), test_options()).await.expect("Postgres opens");
    store.migrate().await.expect("migrations run on Postgres");
    store.close().await.expect("the pools close");
    execute(admin, format!(r#"ALTER DATABASE "{draft}" RENAME TO "{name}""#)).await;
}

/// FNV-1a over the migrations' source in file order.
fn schema_hash() -> u64 {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations/src");
    let mut files: Vec<_> =
        fs::read_dir(folder).expect("the migrations").map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    files
        .iter()
        .flat_map(|file| fs::read(file).expect("a readable file"))
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
}

async fn execute(admin: &mut PgConnection, statement: String) {
    if let Err(error) = sqlx::raw_sql(AssertSqlSafe(statement.clone())).execute(admin).await {
        panic!("{statement}: {error}");
    }
}

async fn admin() -> PgConnection {
    admin_options().connect().await.expect("the server at TEST_POSTGRES_URL answers")
}

fn admin_options() -> PgConnectOptions {
    PgConnectOptions::from_str(&postgres_url()).expect("TEST_POSTGRES_URL is a Postgres URL")
}

fn url_of(database: &str) -> String {
    admin_options().database(database).to_url_lossy().to_string()
}

/// A name that no other test has, in this process or another.
fn unique() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let random = RandomState::new().hash_one((std::process::id(), count));
    format!("{random:016x}_{count}")
}
