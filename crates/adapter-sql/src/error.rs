//! What a database said, as one of the four failures a port knows.
//!
//! SQLite answers with result codes and Postgres with SQLSTATEs; both are sorted here by whether trying again
//! can help. Bound values never reach the text, so nothing a person wrote does either.

use kernel::PortError;
use sea_orm::{DbErr, RuntimeErr};
use sqlx::error::DatabaseError;
use sqlx::postgres::PgDatabaseError;

const SYSTEM: &str = "database";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    Unavailable,
    Full,
    Corrupt,
    Rejected,
}

/// A failure of a query or of a transaction, as a port reports it.
pub(crate) fn port_error(error: DbErr) -> PortError {
    fault(failure_of(&error), error)
}

/// A failure below sea-orm: opening a pool.
pub(crate) fn pool_error(error: sqlx::Error) -> PortError {
    fault(failure_of_sqlx(&error), error)
}

/// A row that breaks an invariant of ours. `what` names the table and the column, never the value.
pub(crate) fn corrupt(what: &'static str) -> PortError {
    PortError::corrupt(SYSTEM, what)
}

/// A request that no retry can make right, such as a URL that names no database.
pub(crate) fn rejected(what: impl Into<kernel::error::Cause>) -> PortError {
    PortError::rejected(SYSTEM, what)
}

/// The database did not answer in time.
pub(crate) fn unavailable(what: impl Into<kernel::error::Cause>) -> PortError {
    PortError::unavailable(SYSTEM, what)
}

fn fault(failure: Failure, cause: impl Into<kernel::error::Cause>) -> PortError {
    match failure {
        Failure::Unavailable => PortError::unavailable(SYSTEM, cause),
        Failure::Full => PortError::full(SYSTEM, cause),
        Failure::Corrupt => PortError::corrupt(SYSTEM, cause),
        Failure::Rejected => PortError::rejected(SYSTEM, cause),
    }
}

fn sqlx_error(error: &DbErr) -> Option<&sqlx::Error> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(cause))
        | DbErr::Exec(RuntimeErr::SqlxError(cause))
        | DbErr::Query(RuntimeErr::SqlxError(cause)) => Some(cause),
        _ => None,
    }
}

fn failure_of(error: &DbErr) -> Failure {
    if let Some(cause) = sqlx_error(error) {
        return failure_of_sqlx(cause);
    }
    match error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => Failure::Unavailable,
        DbErr::TryIntoErr { .. } | DbErr::Type(_) | DbErr::Json(_) => Failure::Corrupt,
        _ => Failure::Rejected,
    }
}

fn failure_of_sqlx(error: &sqlx::Error) -> Failure {
    match error {
        sqlx::Error::Database(cause) => failure_of_database(cause.as_ref()),
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => Failure::Unavailable,
        sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => Failure::Corrupt,
        _ => Failure::Rejected,
    }
}

fn failure_of_database(error: &dyn DatabaseError) -> Failure {
    let code = error.code().unwrap_or_default();
    if error.try_downcast_ref::<PgDatabaseError>().is_some() {
        failure_of_sqlstate(&code)
    } else {
        failure_of_sqlite(&code)
    }
}

/// PostgreSQL documentation, appendix A: classes of SQLSTATE.
fn failure_of_sqlstate(code: &str) -> Failure {
    const CONNECTION: &str = "08";
    const RESOURCES: &str = "53";
    const OPERATOR: &str = "57";
    const SYSTEM_IO: &str = "58";
    const READ_ONLY: &str = "25006";
    const ABORTED: &str = "25P02";
    const IDLE_IN_TRANSACTION: &str = "25P03";
    const SERIALIZATION: &str = "40001";
    const DEADLOCK: &str = "40P01";
    const LOCK_NOT_AVAILABLE: &str = "55P03";
    match code {
        "53100" => Failure::Full,
        READ_ONLY | ABORTED | IDLE_IN_TRANSACTION | SERIALIZATION | DEADLOCK | LOCK_NOT_AVAILABLE => {
            Failure::Unavailable
        }
        _ if [CONNECTION, RESOURCES, OPERATOR, SYSTEM_IO].iter().any(|class| code.starts_with(class)) => {
            Failure::Unavailable
        }
        _ if code.starts_with("XX") => Failure::Corrupt,
        _ => Failure::Rejected,
    }
}

/// <https://www.sqlite.org/rescode.html>: the low byte of an extended code is the primary one.
fn failure_of_sqlite(code: &str) -> Failure {
    const BUSY: i32 = 5;
    const LOCKED: i32 = 6;
    const READ_ONLY: i32 = 8;
    const INTERRUPT: i32 = 9;
    const IO: i32 = 10;
    const CORRUPT: i32 = 11;
    const FULL: i32 = 13;
    const CANNOT_OPEN: i32 = 14;
    const NOT_A_DATABASE: i32 = 26;
    match code.parse::<i32>().map(|extended| extended & 0xFF) {
        Ok(BUSY | LOCKED | READ_ONLY | INTERRUPT | IO | CANNOT_OPEN) => Failure::Unavailable,
        Ok(FULL) => Failure::Full,
        Ok(CORRUPT | NOT_A_DATABASE) => Failure::Corrupt,
        Ok(_) | Err(_) => Failure::Rejected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_from_a_busy_database() {
        assert_eq!(failure_of_sqlstate("53100"), Failure::Full);
        assert_eq!(failure_of_sqlstate("53300"), Failure::Unavailable);
        assert_eq!(failure_of_sqlite("13"), Failure::Full);
        assert_eq!(failure_of_sqlite("517"), Failure::Unavailable);
    }

    #[test]
    fn corruption_and_defects_are_no_reason_to_try_again() {
        assert_eq!(failure_of_sqlite("267"), Failure::Corrupt);
        assert_eq!(failure_of_sqlite("2067"), Failure::Rejected);
        assert_eq!(failure_of_sqlstate("23505"), Failure::Rejected);
        assert_eq!(failure_of_sqlstate("XX001"), Failure::Corrupt);
    }

    #[test]
    fn a_pool_without_a_free_connection_is_unavailable() {
        let timeout = DbErr::ConnectionAcquire(sea_orm::error::ConnAcquireErr::Timeout);
        assert!(matches!(port_error(timeout), PortError::Unavailable { .. }));
    }
}
