//! The one transaction that makes a payment a fact: state, lots, yuan, rights, and the notice's id.

use billing::entitlement::{membership, membership_end};
use billing::journal::{Command, Outcome};
use billing::ports::{Delivery, EntitlementGrant, PayOutcome};
use billing::{CreditOutcome, Entitlement, EntitlementSource, Order, OrderEvent, Step};
use kernel::{Ids, PortError, UserId};
use sea_orm::sea_query::OnConflict;
use sea_orm::{EntityTrait, IntoActiveModel};

use super::{lock, queue_for, rows};
use crate::append::{refuse, run};
use crate::entitlements;
use crate::entity::entitlement;
use crate::error::{corrupt, port_error};
use crate::ledger::post::{post, post_house};
use crate::store::{SqlStore, Write};

const PAID: &str =
    "UPDATE orders SET state = $2, paid_at = $3, provider_txn_id = $4, query_at = NULL WHERE id = $1";

const NOTICE: &str = "INSERT INTO payment_notices (channel, id, order_id, created_at) VALUES ($1, $2, $3, $4) \
     ON CONFLICT (channel, id) DO NOTHING";

pub(super) async fn deliver(
    store: &SqlStore,
    ids: &Ids,
    delivery: &Delivery,
) -> Result<PayOutcome, PortError> {
    let tx = store.begin().await?;
    let Some(row) = lock(&tx, delivery.order_id).await? else {
        return refuse(tx, PayOutcome::NoOrder).await;
    };
    let order = rows::order_of(row)?;
    let (was, next) = match order.state.on(OrderEvent::Paid) {
        Step::To(next) => (order.state, next),
        Step::Stay | Step::Refused => return refuse(tx, PayOutcome::Replayed(order)).await,
    };
    let paid_at = delivery.payment.paid_at;
    let txn_id = delivery.payment.provider_txn_id.clone();
    let values =
        [order.id.as_uuid().into(), next.as_str().into(), paid_at.as_millis().into(), txn_id.clone().into()];
    run(&tx, PAID, values).await?;
    note(&tx, &order, delivery.notice_id.as_deref(), delivery.at).await?;
    grant(&tx, &order, delivery).await?;
    credit(&tx, ids, delivery).await?;
    post_house(&tx, std::slice::from_ref(&delivery.cash)).await?;
    tx.commit().await.map_err(port_error)?;
    let order =
        Order { state: next, paid_at: Some(paid_at), provider_txn_id: Some(txn_id), query_at: None, ..order };
    Ok(PayOutcome::Delivered { order, was })
}

/// Remembers which message told it.
pub(super) async fn note(
    tx: &Write,
    order: &Order,
    notice_id: Option<&str>,
    at: kernel::Timestamp,
) -> Result<bool, PortError> {
    let Some(id) = notice_id else { return Ok(true) };
    let values = [order.channel.as_str().into(), id.into(), order.id.as_uuid().into(), at.as_millis().into()];
    Ok(run(tx, NOTICE, values).await? > 0)
}

/// Lots. A key that was used means that the order was credited and its state does not say so: nothing may go on then.
async fn credit(tx: &Write, ids: &Ids, delivery: &Delivery) -> Result<(), PortError> {
    if delivery.credits.is_empty() {
        return Ok(());
    }
    let commands: Vec<_> =
        delivery.credits.iter().map(|credit| Command::Credit(Box::new(credit.clone()))).collect();
    for outcome in post(tx, ids, &commands).await? {
        if !matches!(outcome, Outcome::Credited(CreditOutcome::Applied(_))) {
            return Err(corrupt("orders: credited, and not delivered"));
        }
    }
    Ok(())
}

async fn grant(tx: &Write, order: &Order, delivery: &Delivery) -> Result<(), PortError> {
    if delivery.grants.iter().any(|grant| grant.months.is_some()) {
        // Two memberships that are paid at the same time follow each other.
        queue_for(tx, &format!("member:{}", order.user)).await?;
    }
    for grant in &delivery.grants {
        let right = right(tx, order.user, grant, delivery.at).await?;
        let row = entitlement::Model { order_id: Some(order.id.as_uuid()), ..entitlements::row_of(&right) };
        let once = OnConflict::column(entitlement::Column::DeliveryKey).do_nothing().to_owned();
        let insert = entitlement::Entity::insert(row.into_active_model()).on_conflict(once);
        if insert.exec_without_returning(tx).await.map_err(port_error)? == 0 {
            return Err(corrupt("orders: a right was delivered, and the order was not"));
        }
    }
    Ok(())
}

async fn right(
    tx: &Write,
    user: UserId,
    grant: &EntitlementGrant,
    at: kernel::Timestamp,
) -> Result<Entitlement, PortError> {
    let (from, until) = match grant.months {
        None => (at, None),
        Some(months) => {
            let rights = entitlements::of_user(tx, user, at).await?;
            let (from, until) = membership(membership_end(&rights, at), months, at);
            (from, Some(until))
        }
    };
    Ok(Entitlement {
        id: grant.id,
        user,
        subject: grant.subject.clone(),
        source: EntitlementSource::Order,
        key: grant.key.clone(),
        from,
        until,
        revoked_at: None,
    })
}
