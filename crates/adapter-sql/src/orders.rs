//! Orders and refunds, on SQLite and Postgres.
//!
//! An order's row is locked before anything happens to it, so that whatever is told twice, or late, or by two
//! instances at once is decided one after the other by [`billing::OrderState::on`]. What a payment or a refund does to
//! the books and to rights is in the same transaction; the row comes first, then the buyer's membership, then wallets.

mod audit;
mod contents;
mod create;
mod deliver;
mod list;
mod refund;
mod rows;

use std::sync::Arc;

use async_trait::async_trait;
use billing::ports::{
    BeginRefund, ClawBack, ClawBackOutcome, CreateOrder, Delivery, EndRefund, Move, MoveOutcome, NewOrder,
    OrderFilter, PayOutcome, RefundEnd, RefundPosting, RefundWish,
};
use billing::{
    Coupon, CouponCode, Discrepancy, Order, OrderId, OrderStore, Refund, RefundId, RefundStore, Step,
};
use kernel::{Ids, Page, PageRequest, PortError, Timestamp};
use sea_orm::sea_query::{LockType, OnConflict};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder, QuerySelect, Statement,
};

use crate::append::{refuse, run};
use crate::detached::detached;
use crate::entity::{coupon, order, refund as refund_entity};
use crate::error::port_error;
use crate::store::{SqlStore, Write};

/// [`OrderStore`] and [`RefundStore`].
pub struct SqlOrders {
    store: SqlStore,
    ids: Arc<Ids>,
}

impl SqlOrders {
    /// On this store; the ids are for the books' own rows.
    pub fn new(store: SqlStore, ids: Arc<Ids>) -> Self {
        Self { store, ids }
    }
}

/// An order's row, locked until the transaction ends.
async fn lock(tx: &Write, id: OrderId) -> Result<Option<order::Model>, PortError> {
    order::Entity::find_by_id(id.as_uuid()).lock(LockType::Update).one(tx).await.map_err(port_error)
}

/// Makes all who take this name wait for each other until their transactions end. SQLite writes one at a time anyway.
async fn queue_for(tx: &Write, name: &str) -> Result<(), PortError> {
    if tx.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    let sql = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [name.into()]);
    tx.query_one_raw(statement).await.map(drop).map_err(port_error)
}

const MOVE: &str = "UPDATE orders SET state = $2, queries = $3, query_at = $4 WHERE id = $1";

async fn advance(store: &SqlStore, step: &Move) -> Result<MoveOutcome, PortError> {
    let tx = store.begin().await?;
    let Some(row) = lock(&tx, step.order_id).await? else {
        return refuse(tx, MoveOutcome::NoOrder).await;
    };
    let order = rows::order_of(row)?;
    let next = match step.event.map(|event| order.state.on(event)) {
        None => order.state,
        Some(Step::To(next)) => next,
        Some(Step::Stay) => return refuse(tx, MoveOutcome::Now(order)).await,
        Some(Step::Refused) => return refuse(tx, MoveOutcome::Refused(order)).await,
    };
    // Nobody is asked for an order that has ended.
    let query_at = step.query_at.filter(|_| next.is_pending());
    let (at, queries) = (query_at.map(Timestamp::as_millis), i64::from(step.queries));
    run(&tx, MOVE, [order.id.as_uuid().into(), next.as_str().into(), queries.into(), at.into()]).await?;
    tx.commit().await.map_err(port_error)?;
    Ok(MoveOutcome::Now(Order { state: next, queries: step.queries, query_at, ..order }))
}

#[async_trait]
impl OrderStore for SqlOrders {
    async fn create(&self, new: &NewOrder) -> Result<CreateOrder, PortError> {
        let (store, new) = (self.store.clone(), new.clone());
        detached(async move { create::create(&store, &new).await }).await
    }

    async fn find(&self, id: OrderId) -> Result<Option<Order>, PortError> {
        let found = order::Entity::find_by_id(id.as_uuid()).one(self.store.reader()).await;
        found.map_err(port_error)?.map(rows::order_of).transpose()
    }

    async fn list(&self, filter: OrderFilter, page: PageRequest) -> Result<Page<Order>, PortError> {
        list::list(self.store.reader(), filter, page).await
    }

    async fn advance(&self, step: &Move) -> Result<MoveOutcome, PortError> {
        let (store, step) = (self.store.clone(), step.clone());
        detached(async move { advance(&store, &step).await }).await
    }

    async fn deliver(&self, delivery: &Delivery) -> Result<PayOutcome, PortError> {
        let (store, ids, delivery) = (self.store.clone(), Arc::clone(&self.ids), delivery.clone());
        detached(async move { deliver::deliver(&store, &ids, &delivery).await }).await
    }

    async fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<Order>, PortError> {
        let rows = order::Entity::find()
            .filter(order::Column::QueryAt.lte(now.as_millis()))
            .order_by_asc(order::Column::QueryAt)
            .limit(u64::from(limit))
            .all(self.store.reader())
            .await
            .map_err(port_error)?;
        rows.into_iter().map(rows::order_of).collect()
    }

    async fn unpaid_since(
        &self,
        since: Timestamp,
        after: Option<OrderId>,
        limit: u32,
    ) -> Result<Vec<Order>, PortError> {
        list::unpaid_since(self.store.reader(), since, after, limit).await
    }

    async fn discrepancies(&self, limit: u32) -> Result<Vec<Discrepancy>, PortError> {
        audit::discrepancies(self.store.reader(), limit).await
    }

    async fn coupon(&self, code: &CouponCode) -> Result<Option<Coupon>, PortError> {
        let found = coupon::Entity::find_by_id(code.as_str()).one(self.store.reader()).await;
        found.map_err(port_error)?.as_ref().map(rows::coupon_of).transpose()
    }

    async fn put_coupon(&self, coupon: &Coupon, at: Timestamp) -> Result<(), PortError> {
        let (store, row) = (self.store.clone(), rows::coupon_row(coupon, at));
        detached(async move {
            use coupon::Column;
            let changed = [
                Column::Percent,
                Column::Amount,
                Column::TotalMin,
                Column::Kinds,
                Column::ValidFrom,
                Column::ValidUntil,
                Column::UsesMax,
                Column::UpdatedAt,
            ];
            let replace = OnConflict::column(Column::Code).update_columns(changed).to_owned();
            let insert = coupon::Entity::insert(row.into_active_model().reset_all()).on_conflict(replace);
            insert.exec_without_returning(store.writer()).await.map(drop).map_err(port_error)
        })
        .await
    }
}

#[async_trait]
impl RefundStore for SqlOrders {
    async fn begin(&self, posting: &RefundPosting) -> Result<BeginRefund, PortError> {
        let (store, ids, posting) = (self.store.clone(), Arc::clone(&self.ids), posting.clone());
        detached(async move { refund::begin(&store, &ids, &posting).await }).await
    }

    async fn end(&self, end: &RefundEnd) -> Result<EndRefund, PortError> {
        let (store, ids, end) = (self.store.clone(), Arc::clone(&self.ids), end.clone());
        detached(async move { refund::end(&store, &ids, &end).await }).await
    }

    async fn claw_back(&self, claw: &ClawBack) -> Result<ClawBackOutcome, PortError> {
        let (store, ids, claw) = (self.store.clone(), Arc::clone(&self.ids), claw.clone());
        detached(async move { refund::claw_back(&store, &ids, &claw).await }).await
    }

    async fn find(&self, id: RefundId) -> Result<Option<Refund>, PortError> {
        refund::find(self.store.reader(), id).await?.map(rows::refund_of).transpose()
    }

    async fn by_key(&self, order: OrderId, key: &str) -> Result<Option<Refund>, PortError> {
        let found = refund_entity::Entity::find()
            .filter(refund_entity::Column::OrderId.eq(order.as_uuid()))
            .filter(refund_entity::Column::ClientKey.eq(key))
            .one(self.store.reader())
            .await
            .map_err(port_error)?;
        found.map(rows::refund_of).transpose()
    }

    async fn of_order(&self, order: OrderId) -> Result<Vec<Refund>, PortError> {
        let rows = refund_entity::Entity::find()
            .filter(refund_entity::Column::OrderId.eq(order.as_uuid()))
            .order_by_asc(refund_entity::Column::CreatedAt)
            .order_by_asc(refund_entity::Column::Id)
            .all(self.store.reader())
            .await
            .map_err(port_error)?;
        rows.into_iter().map(rows::refund_of).collect()
    }

    async fn open(&self, before: Timestamp, limit: u32) -> Result<Vec<Refund>, PortError> {
        let rows = refund_entity::Entity::find()
            .filter(refund_entity::Column::EndedAt.is_null())
            .filter(refund_entity::Column::CreatedAt.lt(before.as_millis()))
            .order_by_asc(refund_entity::Column::CreatedAt)
            .limit(u64::from(limit))
            .all(self.store.reader())
            .await
            .map_err(port_error)?;
        rows.into_iter().map(rows::refund_of).collect()
    }

    async fn wish(&self, wish: &RefundWish) -> Result<bool, PortError> {
        const WISH: &str = "INSERT INTO refund_wishes (order_id, user_id, reason, created_at) \
             VALUES ($1, $2, $3, $4) ON CONFLICT (order_id) DO NOTHING";
        let (store, wish) = (self.store.clone(), wish.clone());
        detached(async move {
            let values = [
                wish.order_id.as_uuid().into(),
                wish.user.as_uuid().into(),
                wish.reason.into(),
                wish.at.as_millis().into(),
            ];
            Ok(run(store.writer(), WISH, values).await? > 0)
        })
        .await
    }

    async fn wishes(&self, page: PageRequest) -> Result<Page<RefundWish>, PortError> {
        list::wishes(self.store.reader(), page).await
    }
}
