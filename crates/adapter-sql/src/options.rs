//! Sizes and time limits of the two pools; every one has a default that suits a small machine.

use std::time::Duration;

/// How the store connects. `SqlOptions::default()` is what the server uses unless it is told otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SqlOptions {
    /// SQLite connections that read; exactly one other writes.
    pub sqlite_readers: u32,
    /// How long SQLite waits for a lock of another process.
    pub sqlite_busy_timeout: Duration,
    /// Postgres connections for transactions.
    pub postgres_writers: u32,
    /// Postgres connections for reads outside transactions.
    pub postgres_readers: u32,
    /// How long a caller waits for a free connection.
    pub acquire_timeout: Duration,
    /// Postgres ends a statement after this.
    pub statement_timeout: Duration,
    /// Postgres ends a statement that waited for a row or table lock this long.
    pub lock_timeout: Duration,
    /// Postgres ends a session whose transaction idles this long: a net below the pool's own guard.
    pub idle_in_transaction_timeout: Duration,
    /// How long a starting server waits for another one that is migrating.
    pub migration_wait: Duration,
}

impl Default for SqlOptions {
    fn default() -> Self {
        Self {
            sqlite_readers: 4,
            sqlite_busy_timeout: Duration::from_secs(5),
            postgres_writers: 16,
            postgres_readers: 16,
            acquire_timeout: Duration::from_secs(3),
            statement_timeout: Duration::from_secs(5),
            lock_timeout: Duration::from_secs(3),
            idle_in_transaction_timeout: Duration::from_secs(10),
            migration_wait: Duration::from_mins(1),
        }
    }
}
