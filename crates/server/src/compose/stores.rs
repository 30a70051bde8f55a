//! The database, behind every port of durable truth.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use adapter_sql::{
    SqlAuditLog, SqlBlocks, SqlConversations, SqlEntitlements, SqlEventLog, SqlGenerations, SqlLedger,
    SqlLoginLog, SqlOptions, SqlOrders, SqlReports, SqlRooms, SqlSessions, SqlStore, SqlTurns, SqlUsers,
};
use anyhow::{Context, bail};
use auth::ports::{AuditLog, LoginLog, SessionStore, UserStore};
use billing::{BillingPorts, EntitlementStore};
use chat::ports::{
    BanList, BlockStore, ConversationStore, EventLog, GenerationStore, ReportStore, RoomStore, TurnStore,
};
use kernel::{Ids, Timestamp};

use crate::config::Config;
use crate::health::Check;

/// A connected and migrated database.
pub(super) struct Stores {
    store: SqlStore,
}

impl Stores {
    /// Connects to what `store.url` names and migrates it.
    pub(super) async fn open(config: &Config) -> anyhow::Result<Self> {
        let stores = Self::connect(config, options(config)).await?;
        stores.store.migrate().await.context("the database (store.url) cannot be migrated")?;
        Ok(stores)
    }

    /// Connects to look at what is there: makes no file, changes no schema, and lets a statement run so long.
    pub(super) async fn look(config: &Config, statement_timeout: Duration) -> anyhow::Result<Self> {
        if let Some(file) = Self::missing_file(config) {
            bail!("there is no database at {} (the first start or `jixia migrate` makes it)", file.display());
        }
        Self::connect(config, SqlOptions { statement_timeout, ..options(config) }).await
    }

    /// The SQLite file, where it is yet to be made.
    pub(super) fn missing_file(config: &Config) -> Option<PathBuf> {
        let file = SqlStore::file(&url(config)).filter(|file| !file.exists())?;
        Some(std::path::absolute(&file).unwrap_or(file))
    }

    /// Whether the schema is the one of this version.
    pub(super) async fn is_current(&self) -> anyhow::Result<bool> {
        self.store.is_current().await.context("the schema of the database (store.url) cannot be told")
    }

    async fn connect(config: &Config, options: SqlOptions) -> anyhow::Result<Self> {
        let store = SqlStore::connect(&url(config), options).await;
        Ok(Self { store: store.context("the database (store.url) cannot be opened")? })
    }

    /// Closes the connections.
    pub(super) async fn close(&self) {
        if let Err(error) = self.store.close().await {
            tracing::warn!(%error, "the database was not closed properly");
        }
    }

    /// The server is of no use without it.
    pub(super) fn check(&self) -> Check {
        let store = self.store.clone();
        let probe = move || -> futures::future::BoxFuture<'static, bool> {
            let store = store.clone();
            Box::pin(async move { store.ping().await.is_ok() })
        };
        Check { name: "store", is_required: true, probe: Box::new(probe) }
    }

    /// The database server's time, where it has one of its own and answers.
    pub(super) async fn server_time(&self) -> Option<Timestamp> {
        self.store.server_time().await.ok().flatten()
    }

    pub(super) fn users(&self) -> Arc<dyn UserStore> {
        Arc::new(SqlUsers::new(self.store.clone()))
    }

    pub(super) fn sessions(&self) -> Arc<dyn SessionStore> {
        Arc::new(SqlSessions::new(self.store.clone()))
    }

    pub(super) fn login_log(&self) -> Arc<dyn LoginLog> {
        Arc::new(SqlLoginLog::new(self.store.clone()))
    }

    /// The books; called once, since each has a task that commits.
    pub(super) fn books(&self, ids: &Arc<Ids>) -> BillingPorts {
        let ledger = Arc::new(SqlLedger::new(self.store.clone(), Arc::clone(ids)));
        BillingPorts { ledger: Arc::<SqlLedger>::clone(&ledger), cashier: ledger }
    }

    pub(super) fn orders(&self, ids: &Arc<Ids>) -> Arc<SqlOrders> {
        Arc::new(SqlOrders::new(self.store.clone(), Arc::clone(ids)))
    }

    pub(super) fn entitlements(&self) -> Arc<dyn EntitlementStore> {
        Arc::new(SqlEntitlements::new(self.store.clone()))
    }

    pub(super) fn audit_log(&self) -> Arc<dyn AuditLog> {
        Arc::new(SqlAuditLog::new(self.store.clone()))
    }

    pub(super) fn conversations(&self) -> Arc<dyn ConversationStore> {
        Arc::new(SqlConversations::new(self.store.clone()))
    }

    pub(super) fn event_log(&self) -> Arc<dyn EventLog> {
        Arc::new(SqlEventLog::new(self.store.clone()))
    }

    pub(super) fn rooms(&self) -> Arc<dyn RoomStore> {
        Arc::new(SqlRooms::new(self.store.clone()))
    }

    pub(super) fn bans(&self) -> Arc<dyn BanList> {
        Arc::new(SqlRooms::new(self.store.clone()))
    }

    pub(super) fn blocks(&self) -> Arc<dyn BlockStore> {
        Arc::new(SqlBlocks::new(self.store.clone()))
    }

    pub(super) fn reports(&self) -> Arc<dyn ReportStore> {
        Arc::new(SqlReports::new(self.store.clone()))
    }

    pub(super) fn turns(&self) -> Arc<dyn TurnStore> {
        Arc::new(SqlTurns::new(self.store.clone()))
    }

    pub(super) fn generations(&self) -> Arc<dyn GenerationStore> {
        Arc::new(SqlGenerations::new(self.store.clone()))
    }
}

/// `store.url`, with a SQLite file that is not absolute below the data directory.
fn url(config: &Config) -> String {
    match config.store.url.strip_prefix("sqlite:") {
        Some(file) if Path::new(file).is_relative() => {
            format!("sqlite:{}", config.in_data_dir(file).display())
        }
        Some(_) | None => config.store.url.clone(),
    }
}

fn options(config: &Config) -> SqlOptions {
    let millis = |millis: u32| Duration::from_millis(u64::from(millis));
    SqlOptions {
        sqlite_readers: config.store.sqlite_readers,
        postgres_readers: config.store.postgres_readers,
        postgres_writers: config.store.postgres_writers,
        acquire_timeout: millis(config.store.acquire_ms),
        statement_timeout: millis(config.store.statement_ms),
        ..SqlOptions::default()
    }
}
