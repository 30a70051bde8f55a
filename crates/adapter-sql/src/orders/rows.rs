//! Orders, coupons and refunds as rows.

use billing::payment::RefundBy;
use billing::ports::NewOrder;
use billing::{Coupon, Discount, Order, Refund};
use kernel::{Fen, Id, PortError, Timestamp};

use super::contents;
use crate::entity::{coupon, order, refund};
use crate::error::corrupt;
use crate::words::read_count;

const BUYER: &str = "buyer";
const ADMIN: &str = "admin";
const PROVIDER: &str = "provider";

pub(super) fn order_row(new: &NewOrder) -> order::Model {
    let order = &new.order;
    order::Model {
        id: order.id.as_uuid(),
        user_id: order.user.as_uuid(),
        kind: order.kind.as_str().to_owned(),
        product: order.product.to_string(),
        product_name: order.product_name.clone(),
        virtual_id: order.virtual_id.clone(),
        quantity: i64::from(order.quantity),
        unit_price: order.unit_price.get(),
        discount: order.discount.get(),
        total: order.total.get(),
        contents: contents::written(&order.contents),
        coupon: order.coupon.as_ref().map(|code| code.as_str().to_owned()),
        channel: order.channel.as_str().to_owned(),
        source: order.source.clone(),
        state: order.state.as_str().to_owned(),
        refunded: order.refunded.get(),
        provider_txn_id: order.provider_txn_id.clone(),
        client_key: new.key.clone(),
        body_hash: new.body_hash.clone(),
        created_at: order.created_at.as_millis(),
        expires_at: order.expires_at.as_millis(),
        paid_at: order.paid_at.map(Timestamp::as_millis),
        queries: i64::from(order.queries),
        query_at: order.query_at.map(Timestamp::as_millis),
    }
}

pub(super) fn order_of(row: order::Model) -> Result<Order, PortError> {
    let coupon = row.coupon.as_deref().map(str::parse).transpose();
    Ok(Order {
        id: Id::from_uuid(row.id),
        user: Id::from_uuid(row.user_id),
        kind: row.kind.parse().map_err(|_unknown| corrupt("orders.kind"))?,
        product: row.product.parse().map_err(|_invalid| corrupt("orders.product"))?,
        product_name: row.product_name,
        virtual_id: row.virtual_id,
        quantity: read_count(row.quantity, "orders.quantity")?,
        unit_price: Fen::new(row.unit_price),
        discount: Fen::new(row.discount),
        total: Fen::new(row.total),
        contents: contents::read(&row.contents)?,
        coupon: coupon.map_err(|_invalid| corrupt("orders.coupon"))?,
        channel: row.channel.parse().map_err(|_unknown| corrupt("orders.channel"))?,
        source: row.source,
        state: row.state.parse().map_err(|_unknown| corrupt("orders.state"))?,
        refunded: Fen::new(row.refunded),
        provider_txn_id: row.provider_txn_id,
        created_at: Timestamp::from_millis(row.created_at),
        expires_at: Timestamp::from_millis(row.expires_at),
        paid_at: row.paid_at.map(Timestamp::from_millis),
        queries: read_count(row.queries, "orders.queries")?,
        query_at: row.query_at.map(Timestamp::from_millis),
    })
}

pub(super) fn coupon_row(coupon: &Coupon, at: Timestamp) -> coupon::Model {
    let (percent, amount) = match coupon.discount {
        Discount::Percent(share) => (Some(i64::from(share)), None),
        Discount::Amount(amount) => (None, Some(amount.get())),
    };
    coupon::Model {
        code: coupon.code.as_str().to_owned(),
        percent,
        amount,
        total_min: coupon.total_min.get(),
        kinds: contents::kinds_written(&coupon.kinds),
        valid_from: coupon.from.map(Timestamp::as_millis),
        valid_until: coupon.until.map(Timestamp::as_millis),
        uses_max: coupon.uses_max.map(i64::from),
        updated_at: at.as_millis(),
    }
}

pub(super) fn coupon_of(row: &coupon::Model) -> Result<Coupon, PortError> {
    let discount = match (row.percent, row.amount) {
        (Some(share), None) => Discount::Percent(read_count(share, "coupons.percent")?),
        (None, Some(amount)) => Discount::Amount(Fen::new(amount)),
        (Some(_), Some(_)) | (None, None) => return Err(corrupt("coupons.percent")),
    };
    Ok(Coupon {
        code: row.code.parse().map_err(|_invalid| corrupt("coupons.code"))?,
        discount,
        total_min: Fen::new(row.total_min),
        kinds: contents::read_kinds(&row.kinds)?,
        from: row.valid_from.map(Timestamp::from_millis),
        until: row.valid_until.map(Timestamp::from_millis),
        uses_max: row.uses_max.map(|max| read_count(max, "coupons.uses_max")).transpose()?,
    })
}

pub(super) fn refund_row(refund: &Refund, key: Option<String>) -> refund::Model {
    let (asked_by, admin_id) = match refund.by {
        RefundBy::Buyer => (BUYER, None),
        RefundBy::Admin(admin) => (ADMIN, Some(admin.as_uuid())),
        RefundBy::Provider => (PROVIDER, None),
    };
    refund::Model {
        id: refund.id.as_uuid(),
        order_id: refund.order_id.as_uuid(),
        amount: refund.amount.get(),
        reason: refund.reason.clone(),
        asked_by: asked_by.to_owned(),
        admin_id,
        status: refund.status.as_str().to_owned(),
        client_key: key,
        created_at: refund.created_at.as_millis(),
        ended_at: refund.ended_at.map(Timestamp::as_millis),
    }
}

pub(super) fn refund_of(row: refund::Model) -> Result<Refund, PortError> {
    let by = match (row.asked_by.as_str(), row.admin_id) {
        (BUYER, None) => RefundBy::Buyer,
        (ADMIN, Some(admin)) => RefundBy::Admin(Id::from_uuid(admin)),
        (PROVIDER, None) => RefundBy::Provider,
        _ => return Err(corrupt("refunds.asked_by")),
    };
    Ok(Refund {
        id: Id::from_uuid(row.id),
        order_id: Id::from_uuid(row.order_id),
        amount: Fen::new(row.amount),
        reason: row.reason,
        by,
        status: row.status.parse().map_err(|_unknown| corrupt("refunds.status"))?,
        created_at: Timestamp::from_millis(row.created_at),
        ended_at: row.ended_at.map(Timestamp::from_millis),
    })
}
