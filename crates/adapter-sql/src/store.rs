//! The connected database: a pool that writes and a pool that reads, whichever engine is behind.

use std::path::PathBuf;
use std::sync::Arc;

use kernel::{PortError, Timestamp};
use migrations::Migrator;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, SqliteTransactionMode,
    SqlxPostgresConnector, SqlxSqliteConnector, Statement, TransactionOptions, TransactionTrait,
};
use sea_orm_migration::MigratorTrait;

use crate::detached::detached;
use crate::error::{port_error, rejected};
use crate::options::SqlOptions;
use crate::{postgres, sqlite};

/// A write transaction. `commit().await` keeps it; dropping it takes everything back.
pub type Write = DatabaseTransaction;

/// The store behind every SQL adapter of this crate. Cloning shares the pools.
#[derive(Clone)]
pub struct SqlStore {
    shared: Arc<Shared>,
}

struct Shared {
    engine: Engine,
    writer: DatabaseConnection,
    reader: DatabaseConnection,
    options: SqlOptions,
}

/// Which database is behind. The URL is kept for the session that migrates.
enum Engine {
    Sqlite,
    Postgres { url: String },
}

impl SqlStore {
    /// Opens `sqlite:PATH` (file and folder are created, for this user alone) or `postgres://…`. Does not migrate.
    pub async fn connect(url: &str, options: SqlOptions) -> Result<Self, PortError> {
        let (engine, writer, reader) = if url.starts_with("sqlite:") {
            let pools = sqlite::open(url, &options).await?;
            let wrap = SqlxSqliteConnector::from_sqlx_sqlite_pool;
            (Engine::Sqlite, wrap(pools.writer), wrap(pools.reader))
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let pools = postgres::open(url, &options).await?;
            let wrap = SqlxPostgresConnector::from_sqlx_postgres_pool;
            (Engine::Postgres { url: url.to_owned() }, wrap(pools.writer), wrap(pools.reader))
        } else {
            return Err(rejected("a database URL begins with sqlite: or postgres://"));
        };
        Ok(Self { shared: Arc::new(Shared { engine, writer, reader, options }) })
    }

    /// The file of a `sqlite:` URL, as [`SqlStore::connect`] would open it; `None` for any other URL.
    pub fn file(url: &str) -> Option<PathBuf> {
        if url.starts_with("sqlite:") { sqlite::file(url) } else { None }
    }

    /// For reads outside transactions. Sees every commit that ended before the read began.
    pub fn reader(&self) -> &DatabaseConnection {
        &self.shared.reader
    }

    /// For a write of a single statement; run it through `detached` like every write.
    pub fn writer(&self) -> &DatabaseConnection {
        &self.shared.writer
    }

    /// Begins a write transaction: `BEGIN IMMEDIATE` on SQLite, READ COMMITTED on Postgres. On SQLite it is
    /// the only one at a time, so nothing slow may happen inside.
    ///
    /// Detached, since the driver knows of a transaction only when its `BEGIN` was answered: a caller that is dropped
    /// before that would give a connection back to the pool amid a transaction that nobody ends.
    pub async fn begin(&self) -> Result<Write, PortError> {
        let (writer, options) = (self.shared.writer.clone(), self.write_options());
        detached(async move { writer.begin_with_options(options).await.map_err(port_error) }).await
    }

    /// Brings the schema up to date. Servers that start together wait for the one that migrates.
    pub async fn migrate(&self) -> Result<(), PortError> {
        let store = self.clone();
        detached(async move {
            match &store.shared.engine {
                Engine::Sqlite => store.migrate_sqlite().await,
                Engine::Postgres { url } => migrate_postgres(url, &store.shared.options).await,
            }
        })
        .await
    }

    /// Whether the schema is the one of this version. Changes nothing.
    pub async fn is_current(&self) -> Result<bool, PortError> {
        let pending = Migrator::get_pending_migrations_read_only(self.reader()).await.map_err(port_error)?;
        Ok(pending.is_empty())
    }

    /// Whether the database answers, for health checks: one trivial read.
    pub async fn ping(&self) -> Result<(), PortError> {
        self.shared.reader.ping().await.map_err(port_error)
    }

    /// The database server's own time, by which instances on different machines agree; `None` for SQLite, whose
    /// time is this machine's.
    pub async fn server_time(&self) -> Result<Option<Timestamp>, PortError> {
        const NOW: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now";
        if matches!(self.shared.engine, Engine::Sqlite) {
            return Ok(None);
        }
        let statement = Statement::from_string(DbBackend::Postgres, NOW);
        let row = self.reader().query_one_raw(statement).await.map_err(port_error)?;
        row.map(|row| row.try_get("", "now").map(Timestamp::from_millis).map_err(port_error)).transpose()
    }

    /// Closes both pools and waits until every connection is gone.
    pub async fn close(&self) -> Result<(), PortError> {
        self.shared.reader.close_by_ref().await.map_err(port_error)?;
        self.shared.writer.close_by_ref().await.map_err(port_error)
    }

    /// Everything in one transaction: the writer lock is the migration lock, and a crash leaves the old schema.
    async fn migrate_sqlite(&self) -> Result<(), PortError> {
        let tx = self.begin().await?;
        Migrator::up(&tx, None).await.map_err(port_error)?;
        tx.commit().await.map_err(port_error)
    }

    fn write_options(&self) -> TransactionOptions {
        let sqlite_transaction_mode = match self.shared.engine {
            Engine::Sqlite => Some(SqliteTransactionMode::Immediate),
            Engine::Postgres { .. } => None,
        };
        TransactionOptions { sqlite_transaction_mode, ..TransactionOptions::default() }
    }
}

async fn migrate_postgres(url: &str, options: &SqlOptions) -> Result<(), PortError> {
    let pool = postgres::migration_session(url, options).await?;
    let session = SqlxPostgresConnector::from_sqlx_postgres_pool(pool.clone());
    let migrated = Migrator::up(&session, None).await.map_err(port_error);
    pool.close().await;
    migrated
}
