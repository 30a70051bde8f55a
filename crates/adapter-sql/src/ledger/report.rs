//! The check of the whole ledger.
//!
//! Each rule is one statement and therefore sees one snapshot, on both databases: what is in flight is either
//! wholly there or not at all. Large sums are taken in two halves of 32 bits, since SQLite's overflow and
//! Postgres's become decimals.

use billing::{Check, Finding, LedgerReport};
use kernel::PortError;
use sea_orm::{ConnectionTrait, FromQueryResult, Statement, prelude::Uuid};

use super::report_sql::{ACCOUNT_RULES, BALANCES, COUNTS, HOLD_RULES, LOT_RULES};
use crate::error::{corrupt, port_error};

#[derive(FromQueryResult)]
struct Counts {
    wallets: i64,
    transfers: i64,
    open_holds: i64,
}

#[derive(FromQueryResult)]
struct Balances {
    houses: i64,
    high: i64,
    low: i64,
}

#[derive(FromQueryResult)]
struct AccountBreach {
    account: String,
    expected: i64,
    found: i64,
}

#[derive(FromQueryResult)]
struct HoldBreach {
    message_id: Uuid,
    expected: i64,
    found: i64,
}

#[derive(FromQueryResult)]
struct LotBreach {
    id: Uuid,
    expected: i64,
    found: i64,
}

pub(super) async fn report(db: &impl ConnectionTrait) -> Result<LedgerReport, PortError> {
    let counts: Counts = single(db, COUNTS).await?;
    let balances: Balances = single(db, BALANCES).await?;
    let imbalance = (i128::from(balances.high) << 32) + i128::from(balances.low);
    let mut rows = Vec::new();
    if imbalance != 0 {
        rows.push(finding(Check::SumIsZero, "all".to_owned(), 0, imbalance));
    }
    for (check, sql) in ACCOUNT_RULES {
        for breach in many::<AccountBreach>(db, sql).await? {
            rows.push(finding(*check, breach.account, breach.expected.into(), breach.found.into()));
        }
    }
    for (check, sql) in HOLD_RULES {
        for breach in many::<HoldBreach>(db, sql).await? {
            let hold = format!("hold:{}", breach.message_id);
            rows.push(finding(*check, hold, breach.expected.into(), breach.found.into()));
        }
    }
    for (check, sql) in LOT_RULES {
        for breach in many::<LotBreach>(db, sql).await? {
            let lot = format!("lot:{}", breach.id);
            rows.push(finding(*check, lot, breach.expected.into(), breach.found.into()));
        }
    }
    Ok(LedgerReport {
        ok: rows.is_empty(),
        accounts: count(counts.wallets)?.saturating_add(count(balances.houses)?),
        transfers: count(counts.transfers)?,
        open_holds: count(counts.open_holds)?,
        imbalance,
        rows,
    })
}

async fn single<T: FromQueryResult>(db: &impl ConnectionTrait, sql: &str) -> Result<T, PortError> {
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let row = T::find_by_statement(statement).one(db).await.map_err(port_error)?;
    row.ok_or_else(|| corrupt("ledger: an aggregate has no row"))
}

async fn many<T: FromQueryResult>(db: &impl ConnectionTrait, sql: &str) -> Result<Vec<T>, PortError> {
    let statement = Statement::from_string(db.get_database_backend(), sql);
    T::find_by_statement(statement).all(db).await.map_err(port_error)
}

fn finding(check: Check, account: String, expected: i128, found: i128) -> Finding {
    Finding { check, account, expected: expected.to_string(), found: found.to_string() }
}

fn count(stored: i64) -> Result<u64, PortError> {
    u64::try_from(stored).map_err(|_negative| corrupt("ledger: a count is negative"))
}
