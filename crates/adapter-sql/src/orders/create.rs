//! A new order, with what it takes of a stock and of a coupon.
//!
//! What is taken is counted from the orders themselves, so that nothing must be given back when one ends unpaid. Who
//! would take the last one at the same time waits: first for the key, then for the coupon, then for the stock.

use billing::ports::{CreateOrder, NewOrder};
use kernel::PortError;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use super::{queue_for, rows};
use crate::append::{find_row, refuse};
use crate::entity::order::{Column, Entity, Model};
use crate::error::{corrupt, port_error};
use crate::store::{SqlStore, Write};

const ORDERED: &str = "SELECT CAST(COALESCE(SUM(quantity), 0) AS BIGINT) AS taken FROM orders \
     WHERE product = $1 AND state NOT IN ('expired', 'closed')";

const USES: &str = "SELECT COUNT(*) AS uses, COALESCE(SUM(CASE WHEN user_id = $2 THEN 1 ELSE 0 END), 0) AS own \
     FROM orders WHERE coupon = $1 AND state NOT IN ('expired', 'closed')";

pub(super) async fn create(store: &SqlStore, new: &NewOrder) -> Result<CreateOrder, PortError> {
    let row = rows::order_row(new);
    let tx = store.begin().await?;
    let same_key = OnConflict::columns([Column::UserId, Column::ClientKey]).do_nothing().to_owned();
    let insert = Entity::insert(row.clone().into_active_model()).on_conflict(same_key);
    if insert.exec_without_returning(&tx).await.map_err(port_error)? == 0 {
        let outcome = replayed(&tx, &row).await?;
        return refuse(tx, outcome).await;
    }
    if !may_use_coupon(&tx, new).await? {
        return refuse(tx, CreateOrder::CouponUsed).await;
    }
    if !is_in_stock(&tx, new).await? {
        return refuse(tx, CreateOrder::SoldOut).await;
    }
    tx.commit().await.map_err(port_error)?;
    Ok(CreateOrder::Created)
}

async fn replayed(tx: &Write, new: &Model) -> Result<CreateOrder, PortError> {
    let found = Entity::find()
        .filter(Column::UserId.eq(new.user_id))
        .filter(Column::ClientKey.eq(new.client_key.clone()))
        .one(tx)
        .await
        .map_err(port_error)?
        .ok_or_else(|| corrupt("orders: a key without its order"))?;
    if found.body_hash != new.body_hash {
        return Ok(CreateOrder::Conflict);
    }
    rows::order_of(found).map(|order| CreateOrder::Replayed(Box::new(order)))
}

/// The order itself is counted too.
async fn may_use_coupon(tx: &Write, new: &NewOrder) -> Result<bool, PortError> {
    let Some(code) = &new.order.coupon else { return Ok(true) };
    queue_for(tx, &format!("coupon:{}", code.as_str())).await?;
    let values = [code.as_str().into(), new.order.user.as_uuid().into()];
    let row = find_row(tx, USES, values).await?.ok_or_else(|| corrupt("orders: no count"))?;
    let uses: i64 = row.try_get("", "uses").map_err(port_error)?;
    let own: i64 = row.try_get("", "own").map_err(port_error)?;
    Ok(own <= 1 && new.coupon_uses_max.is_none_or(|max| uses <= i64::from(max)))
}

async fn is_in_stock(tx: &Write, new: &NewOrder) -> Result<bool, PortError> {
    let Some(stock) = new.stock else { return Ok(true) };
    let product = new.order.product.as_str();
    queue_for(tx, &format!("stock:{product}")).await?;
    let row = find_row(tx, ORDERED, [product.into()]).await?.ok_or_else(|| corrupt("orders: no sum"))?;
    let taken: i64 = row.try_get("", "taken").map_err(port_error)?;
    Ok(taken <= i64::from(stock))
}
