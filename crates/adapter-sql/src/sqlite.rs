//! SQLite's two pools: one connection that writes, a few that read.
//!
//! One writer means that no caller ever sees `database is locked` from within this process. WAL lets readers
//! go on meanwhile; `synchronous=FULL` makes an acknowledged commit survive a power cut.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use kernel::PortError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqlitePool};

use crate::error::{pool_error, rejected};
use crate::options::SqlOptions;

/// The first release without the WAL-reset corruption (3.7.0 to 3.51.2).
const VERSION_MIN: [u32; 3] = [3, 51, 3];

pub(crate) struct SqlitePools {
    pub(crate) writer: SqlitePool,
    pub(crate) reader: SqlitePool,
}

pub(crate) async fn open(url: &str, options: &SqlOptions) -> Result<SqlitePools, PortError> {
    let connect = connect_options(url, options)?;
    create(connect.get_filename()).await.map_err(|error| pool_error(sqlx::Error::Io(error)))?;
    let writer = writer_pool(connect.clone(), options).await?;
    require_version(&writer).await?;
    let reader = SqlitePoolOptions::new()
        .max_connections(options.sqlite_readers.max(1))
        .acquire_timeout(options.acquire_timeout)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_with(connect.pragma("query_only", "on"))
        .await
        .map_err(pool_error)?;
    Ok(SqlitePools { writer, reader })
}

fn connect_options(url: &str, options: &SqlOptions) -> Result<SqliteConnectOptions, PortError> {
    if url.contains(":memory:") || url.contains("mode=memory") {
        return Err(rejected("a database in memory cannot be shared by two pools: name a file"));
    }
    let parsed = SqliteConnectOptions::from_str(url).map_err(pool_error)?;
    Ok(parsed
        .create_if_missing(true)
        .foreign_keys(true)
        .busy_timeout(options.sqlite_busy_timeout)
        .synchronous(SqliteSynchronous::Full)
        .disable_statement_logging())
}

/// The file that a URL names.
pub(crate) fn file(url: &str) -> Option<PathBuf> {
    SqliteConnectOptions::from_str(url).ok().map(|connect| connect.get_filename().to_owned())
}

/// Makes the file and its folder where they are missing, so that no other user can read them whatever the umask
/// is. SQLite gives the files beside it (the WAL) the same mode.
async fn create(file: &Path) -> std::io::Result<()> {
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        tokio::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).await?;
    }
    let made = tokio::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).await;
    match made {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

async fn writer_pool(connect: SqliteConnectOptions, options: &SqlOptions) -> Result<SqlitePool, PortError> {
    SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(options.acquire_timeout)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        // A dropped transaction is rolled back by the driver; one that was not is no connection to lend again.
        .after_release(|connection, _meta| {
            let is_clean = !connection.is_in_transaction();
            Box::pin(async move { Ok(is_clean) })
        })
        .connect_with(connect.journal_mode(SqliteJournalMode::Wal))
        .await
        .map_err(pool_error)
}

async fn require_version(pool: &SqlitePool) -> Result<(), PortError> {
    let version: String =
        sqlx::query_scalar("SELECT sqlite_version()").fetch_one(pool).await.map_err(pool_error)?;
    if is_recent(&version) {
        Ok(())
    } else {
        Err(rejected(format!(
            "SQLite {version} can corrupt a database in WAL mode: 3.51.3 or newer is needed"
        )))
    }
}

fn is_recent(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let found = [(); 3].map(|()| parts.next().unwrap_or(0));
    found >= VERSION_MIN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_with_the_wal_reset_bug_are_refused() {
        for (version, good) in
            [("3.51.2", false), ("3.51.3", true), ("3.52", true), ("4.0.0", true), ("", false)]
        {
            assert_eq!(is_recent(version), good, "{version}");
        }
    }

    #[test]
    fn a_database_in_memory_is_refused() {
        for url in ["sqlite::memory:", "sqlite://?mode=memory"] {
            assert!(connect_options(url, &SqlOptions::default()).is_err());
        }
    }

    #[tokio::test]
    async fn a_new_database_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let dir = std::env::temp_dir().join(format!("jixia-private-{}", std::process::id()));
        let path = dir.join("new.db");
        for _ in 0..2 {
            create(&path).await.unwrap();
            for (path, mode) in [(&dir, 0o700), (&path, 0o600)] {
                assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, mode);
            }
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_relative_path_is_kept() {
        let connect = connect_options("sqlite:data/app.db", &SqlOptions::default()).unwrap();
        assert_eq!(connect.get_filename(), Path::new("data/app.db"));
    }
}
