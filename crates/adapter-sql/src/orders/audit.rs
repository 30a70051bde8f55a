//! Whether orders and books tell the same story.

use billing::order::TradeNo;
use billing::{Content, Discrepancy, DiscrepancyKind, Order};
use kernel::PortError;
use sea_orm::prelude::Uuid;
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, QueryResult, Statement};

use super::rows;
use crate::entity::order;
use crate::error::{corrupt, port_error};

/// Orders that one statement looks at.
const BATCH: usize = 500;

/// What the books and the other tables have of one order.
struct Found {
    credited: i64,
    cash: i64,
    refunded: i64,
    rights: i64,
}

fn sql(backend: DbBackend) -> String {
    let number =
        if backend == DbBackend::Postgres { "replace(o.id::text, '-', '')" } else { "lower(hex(o.id))" };
    let posted = |word: &str| {
        format!(
            "(SELECT CAST(COALESCE(SUM(t.amount), 0) AS BIGINT) FROM transfers t \
             WHERE t.idempotency_key = '{word}:' || o.channel || ':' || {number})"
        )
    };
    format!(
        "SELECT o.*, {} AS credited, {} AS cash, \
         (SELECT CAST(COALESCE(SUM(r.amount), 0) AS BIGINT) FROM refunds r \
          WHERE r.order_id = o.id AND r.status = 'succeeded') AS gone, \
         (SELECT COUNT(*) FROM entitlements e WHERE e.order_id = o.id) AS rights \
         FROM orders o WHERE o.id > $1 ORDER BY o.id LIMIT {BATCH}",
        posted("recharge"),
        posted("cash"),
    )
}

/// At most `limit`, in the order of the orders.
pub(super) async fn discrepancies(
    db: &impl ConnectionTrait,
    limit: u32,
) -> Result<Vec<Discrepancy>, PortError> {
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let (backend, mut after, mut all) = (db.get_database_backend(), Uuid::nil(), Vec::new());
    loop {
        let statement = Statement::from_sql_and_values(backend, sql(backend), [after.into()]);
        let batch = db.query_all_raw(statement).await.map_err(port_error)?;
        let Some(last) = batch.last() else { return Ok(all) };
        after = last.try_get("", "id").map_err(port_error)?;
        for row in &batch {
            let (order, found) = read(row)?;
            compare(&order, &found, &mut all)?;
            if all.len() >= most {
                all.truncate(most);
                return Ok(all);
            }
        }
        if batch.len() < BATCH {
            return Ok(all);
        }
    }
}

fn read(row: &QueryResult) -> Result<(Order, Found), PortError> {
    let order = rows::order_of(order::Model::from_query_result(row, "").map_err(port_error)?)?;
    let number = |name: &str| row.try_get("", name).map_err(port_error);
    let found = Found {
        credited: number("credited")?,
        cash: number("cash")?,
        refunded: number("gone")?,
        rights: number("rights")?,
    };
    Ok((order, found))
}

fn compare(order: &Order, found: &Found, all: &mut Vec<Discrepancy>) -> Result<(), PortError> {
    let (bought, _bonus) = order.credits().map_err(|_overflow| corrupt("orders.contents"))?;
    let rights = order.contents.iter().filter(|content| !matches!(content, Content::Credits { .. })).count();
    let if_paid = |expected: i64| if order.state.is_paid() { expected } else { 0 };
    let rights = i64::try_from(rights).unwrap_or(i64::MAX);
    let checks = [
        (DiscrepancyKind::Credits, if_paid(bought.get()), found.credited),
        (DiscrepancyKind::Cash, if_paid(order.total.get()), found.cash),
        (DiscrepancyKind::Refunds, order.refunded.get(), found.refunded),
        (DiscrepancyKind::Rights, if_paid(rights), found.rights),
    ];
    let trade_no = TradeNo::of(order.id);
    all.extend(checks.into_iter().filter(|(_, expected, found)| expected != found).map(
        |(kind, expected, found)| Discrepancy {
            trade_no,
            kind,
            expected: expected.to_string(),
            found: found.to_string(),
        },
    ));
    Ok(())
}
