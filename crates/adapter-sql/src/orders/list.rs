//! Lists of orders, for buyers, operators and the reconciler.

use billing::ports::{OrderFilter, RefundWish};
use billing::{Order, OrderId, OrderState};
use kernel::{Id, Page, PageRequest, PortError, Timestamp};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    Statement,
};

use super::rows;
use crate::append::find_row;
use crate::entity::order::{Column, Entity};
use crate::error::{corrupt, port_error};
use crate::words::read_count;

pub(super) async fn list(
    db: &impl ConnectionTrait,
    filter: OrderFilter,
    page: PageRequest,
) -> Result<Page<Order>, PortError> {
    let mut all = Entity::find();
    if let Some(user) = filter.user {
        all = all.filter(Column::UserId.eq(user.as_uuid()));
    }
    if let Some(state) = filter.state {
        all = all.filter(Column::State.eq(state.as_str()));
    }
    let total = all.clone().count(db).await.map_err(port_error)?;
    let rows = all
        .order_by_desc(Column::CreatedAt)
        .order_by_desc(Column::Id)
        .offset(page.offset())
        .limit(u64::from(page.size()))
        .all(db)
        .await
        .map_err(port_error)?;
    let items = rows.into_iter().map(rows::order_of).collect::<Result<_, _>>()?;
    Ok(Page { items, total })
}

pub(super) async fn unpaid_since(
    db: &impl ConnectionTrait,
    since: Timestamp,
    after: Option<OrderId>,
    limit: u32,
) -> Result<Vec<Order>, PortError> {
    let unpaid = [OrderState::Created, OrderState::Prepaid, OrderState::Expired, OrderState::Closed];
    let mut all = Entity::find()
        .filter(Column::State.is_in(unpaid.map(OrderState::as_str)))
        .filter(Column::CreatedAt.gte(since.as_millis()));
    if let Some(after) = after {
        all = all.filter(Column::Id.gt(after.as_uuid()));
    }
    let rows = all.order_by_asc(Column::Id).limit(u64::from(limit)).all(db).await.map_err(port_error)?;
    rows.into_iter().map(rows::order_of).collect()
}

/// Wishes of buyers that nobody has answered, the oldest first.
pub(super) async fn wishes(
    db: &impl ConnectionTrait,
    page: PageRequest,
) -> Result<Page<RefundWish>, PortError> {
    const COUNT: &str = "SELECT COUNT(*) AS total FROM refund_wishes WHERE ended_at IS NULL";
    const LIST: &str = "SELECT order_id, user_id, reason, created_at FROM refund_wishes WHERE ended_at IS NULL \
         ORDER BY created_at, order_id LIMIT $1 OFFSET $2";
    let count = find_row(db, COUNT, []).await?.ok_or_else(|| corrupt("refund_wishes: no count"))?;
    let total: i64 = count.try_get("", "total").map_err(port_error)?;
    let offset = i64::try_from(page.offset()).unwrap_or(i64::MAX);
    let values = [i64::from(page.size()).into(), offset.into()];
    let statement = Statement::from_sql_and_values(db.get_database_backend(), LIST, values);
    let mut items = Vec::new();
    for row in db.query_all_raw(statement).await.map_err(port_error)? {
        items.push(RefundWish {
            order_id: Id::from_uuid(row.try_get("", "order_id").map_err(port_error)?),
            user: Id::from_uuid(row.try_get("", "user_id").map_err(port_error)?),
            reason: row.try_get("", "reason").map_err(port_error)?,
            at: Timestamp::from_millis(row.try_get("", "created_at").map_err(port_error)?),
        });
    }
    Ok(Page { items, total: read_count(total, "refund_wishes")? })
}
