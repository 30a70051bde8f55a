//! Postgres's two pools: one for transactions, guarded, and one for reads.
//!
//! Sessions carry the server's own time limits, so that a statement ends even if nobody here waits any more.

use std::str::FromStr;
use std::time::Duration;

use kernel::PortError;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgPool};

use crate::error::{pool_error, unavailable};
use crate::options::SqlOptions;

/// The advisory lock that migrating servers hold; any number that no other lock here has.
const MIGRATION_LOCK: i64 = 0x4A49_5849_4131;
const MIGRATION_POLL: Duration = Duration::from_millis(100);
/// A connection that rested longer is tested before it is lent.
const TRUSTED_IDLE: Duration = Duration::from_secs(5);

pub(crate) struct PostgresPools {
    pub(crate) writer: PgPool,
    pub(crate) reader: PgPool,
}

pub(crate) async fn open(url: &str, options: &SqlOptions) -> Result<PostgresPools, PortError> {
    let connect = connect_options(url)?.options([
        ("statement_timeout", millis(options.statement_timeout)),
        ("lock_timeout", millis(options.lock_timeout)),
        ("idle_in_transaction_session_timeout", millis(options.idle_in_transaction_timeout)),
    ]);
    let writer = pool_options(options.postgres_writers, options)
        // A dropped transaction is rolled back by the driver; one that was not is no connection to lend again.
        .after_release(|connection, _meta| {
            let is_clean = !connection.is_in_transaction();
            Box::pin(async move { Ok(is_clean) })
        })
        .connect_with(connect.clone())
        .await
        .map_err(pool_error)?;
    let reader =
        pool_options(options.postgres_readers, options).connect_with(connect).await.map_err(pool_error)?;
    Ok(PostgresPools { writer, reader })
}

/// A pool of one session that holds the migration lock and has no statement timeout, since building an index
/// may take long. Closing the pool frees the lock.
pub(crate) async fn migration_session(url: &str, options: &SqlOptions) -> Result<PgPool, PortError> {
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .acquire_timeout(options.acquire_timeout)
        .connect_with(connect_options(url)?)
        .await
        .map_err(pool_error)?;
    let locked = tokio::time::timeout(options.migration_wait, poll_lock(&pool)).await;
    match locked {
        Ok(Ok(())) => Ok(pool),
        Ok(Err(error)) => Err(pool_error(error)),
        Err(elapsed) => Err(unavailable(elapsed)),
    }
}

/// Polls instead of waiting in the server: a session that waits for an advisory lock holds a snapshot, which
/// deadlocks with `CREATE INDEX CONCURRENTLY` of the one that migrates.
async fn poll_lock(pool: &PgPool) -> Result<(), sqlx::Error> {
    loop {
        let locked: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
            .bind(MIGRATION_LOCK)
            .fetch_one(pool)
            .await?;
        if locked {
            return Ok(());
        }
        tokio::time::sleep(MIGRATION_POLL).await;
    }
}

fn connect_options(url: &str) -> Result<PgConnectOptions, PortError> {
    let parsed = PgConnectOptions::from_str(url).map_err(pool_error)?;
    Ok(parsed.application_name("jixia").disable_statement_logging())
}

fn pool_options(size: u32, options: &SqlOptions) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(size.max(1))
        .acquire_timeout(options.acquire_timeout)
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for > TRUSTED_IDLE {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
}

fn millis(limit: Duration) -> String {
    limit.as_millis().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_said_in_milliseconds() {
        assert_eq!(millis(Duration::from_secs(5)), "5000");
    }
}
