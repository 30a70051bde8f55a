//! The check of the whole ledger.
//!
//! Each rule is one statement and therefore sees one snapshot, on both databases: what is in flight is either
//! wholly there or not at all. Large sums are taken in two halves of 32 bits, since SQLite's overflow and
//! Postgres's become decimals.

use billing::{Check, Finding, LedgerReport};
use kernel::PortError;
use sea_orm::{ConnectionTrait, FromQueryResult, Statement, prelude::Uuid};

use crate::error::{corrupt, port_error};

const COUNTS: &str = "SELECT (SELECT COUNT(*) FROM wallets) AS wallets, \
     (SELECT COUNT(*) FROM transfers) AS transfers, \
     (SELECT COUNT(*) FROM holds WHERE state = 'open') AS open_holds";

/// People's accounts have a colon in their names and a wallet, which stands for them here; the house's have
/// neither. Thus a wallet that differs from its transfers, or a transfer to nobody, unbalances the sum.
const BALANCES: &str = "SELECT COUNT(DISTINCT house) AS houses, \
     CAST(COALESCE(SUM(amount >> 32), 0) AS BIGINT) AS high, \
     CAST(COALESCE(SUM(amount & 4294967295), 0) AS BIGINT) AS low FROM (\
     SELECT NULL AS house, available + held AS amount FROM wallets \
     UNION ALL SELECT credit, amount FROM transfers WHERE credit NOT LIKE '%:%' \
     UNION ALL SELECT debit, -amount FROM transfers WHERE debit NOT LIKE '%:%') AS balances";

/// Rules about accounts, each as account, expected, found.
const ACCOUNT_RULES: &[(Check, &str)] = &[
    (
        Check::WalletIsFold,
        "SELECT w.account AS account, COALESCE(t.balance_after, 0) AS expected, \
         w.available + w.held AS found FROM wallets w \
         LEFT JOIN transfers t ON t.owner_account = w.account AND t.owner_seq = w.seq \
         WHERE w.available + w.held <> COALESCE(t.balance_after, 0) ORDER BY w.account LIMIT 100",
    ),
    (
        Check::BalanceChain,
        "SELECT account, expected, found FROM (\
         SELECT owner_account AS account, owner_seq, balance_after AS found, \
         COALESCE(LAG(balance_after) OVER (PARTITION BY owner_account ORDER BY owner_seq), 0) \
         + CASE WHEN credit = owner_account THEN amount ELSE -amount END AS expected \
         FROM transfers WHERE owner_account IS NOT NULL) AS chain \
         WHERE expected <> found ORDER BY account, owner_seq LIMIT 100",
    ),
    (
        Check::Gapless,
        "SELECT account, expected, CASE WHEN posted <> expected THEN posted ELSE newest END AS found FROM (\
         SELECT COALESCE(w.account, t.account) AS account, COALESCE(w.seq, 0) AS expected, \
         COALESCE(t.posted, 0) AS posted, COALESCE(t.newest, 0) AS newest FROM wallets w \
         FULL JOIN (SELECT owner_account AS account, COUNT(*) AS posted, MAX(owner_seq) AS newest \
         FROM transfers WHERE owner_account IS NOT NULL GROUP BY owner_account) AS t \
         ON t.account = w.account) AS numbers \
         WHERE posted <> expected OR newest <> expected ORDER BY account LIMIT 100",
    ),
    (
        Check::HeldIsHolds,
        "SELECT account, expected, found FROM (\
         SELECT COALESCE(w.account, h.account) AS account, COALESCE(h.total, 0) AS expected, \
         COALESCE(w.held, 0) AS found FROM wallets w \
         FULL JOIN (SELECT account, CAST(SUM(amount) AS BIGINT) AS total FROM holds WHERE state = 'open' \
         GROUP BY account) AS h ON h.account = w.account) AS sums \
         WHERE expected <> found ORDER BY account LIMIT 100",
    ),
    (
        Check::NotNegative,
        "SELECT account, CAST(0 AS BIGINT) AS expected, \
         CASE WHEN available < held THEN available ELSE held END AS found \
         FROM wallets WHERE available < 0 OR held < 0 ORDER BY account LIMIT 100",
    ),
];

/// Rules about holds, each as the message's id, expected, found.
const HOLD_RULES: &[(Check, &str)] = &[
    (
        Check::NotNegative,
        "SELECT message_id, CAST(0 AS BIGINT) AS expected, amount AS found \
         FROM holds WHERE amount < 0 ORDER BY message_id LIMIT 100",
    ),
    (
        Check::OneSettlement,
        "SELECT message_id, expected, found FROM (\
         SELECT h.message_id AS message_id, COUNT(t.id) AS posted, \
         CASE WHEN h.state = 'settled' THEN h.settled_credits ELSE 0 END AS expected, \
         CAST(COALESCE(SUM(t.amount), 0) AS BIGINT) AS found FROM holds h \
         LEFT JOIN transfers t ON t.hold_id = h.message_id AND t.debit = h.account \
         GROUP BY h.message_id, h.state, h.settled_credits) AS charges \
         WHERE found <> expected OR posted > 1 ORDER BY message_id LIMIT 100",
    ),
    (
        Check::OneSettlement,
        "SELECT t.hold_id AS message_id, CAST(0 AS BIGINT) AS expected, t.amount AS found FROM transfers t \
         LEFT JOIN holds h ON h.message_id = t.hold_id \
         WHERE t.hold_id IS NOT NULL AND h.message_id IS NULL ORDER BY t.hold_id LIMIT 100",
    ),
];

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
