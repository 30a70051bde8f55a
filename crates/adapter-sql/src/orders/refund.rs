//! Refunds: what each of their ends does to the order, the books and the rights, in one transaction.

use billing::journal::{Command, Outcome};
use billing::payment::RefundStatus;
use billing::ports::{BeginRefund, ClawBack, ClawBackOutcome, EndRefund, RefundEnd, RefundPosting};
use billing::posting::{StandingChange, TakeBackOutcome};
use billing::{Order, OrderEvent, Owner, RefundId, Step};
use kernel::{Credits, Fen, Ids, PortError, Timestamp};
use sea_orm::sea_query::LockType;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect};

use super::deliver::note;
use super::{lock, rows};
use crate::append::{refuse, run};
use crate::entity::refund::{Column, Entity, Model};
use crate::error::{corrupt, port_error};
use crate::ledger::post::{post, post_house};
use crate::store::{SqlStore, Write};

const REVOKE: &str =
    "UPDATE entitlements SET revoked_at = $2, revoked_by = $3 WHERE order_id = $1 AND revoked_at IS NULL";
const RESTORE: &str = "UPDATE entitlements SET revoked_at = NULL, revoked_by = NULL WHERE revoked_by = $1";
const REFUNDED: &str = "UPDATE orders SET refunded = $2, state = $3 WHERE id = $1";
const STATUS: &str = "UPDATE refunds SET status = $2, ended_at = $3 WHERE id = $1";
const HEARD: &str = "UPDATE refund_wishes SET ended_at = $2 WHERE order_id = $1 AND ended_at IS NULL";
/// Why an account is frozen after money was taken back without our asking; operators read it.
const CLAWED_BACK: &str = "a payment was taken back by the provider";

pub(super) async fn find(db: &impl ConnectionTrait, id: RefundId) -> Result<Option<Model>, PortError> {
    Entity::find_by_id(id.as_uuid()).one(db).await.map_err(port_error)
}

pub(super) async fn begin(
    store: &SqlStore,
    ids: &Ids,
    posting: &RefundPosting,
) -> Result<BeginRefund, PortError> {
    let (refund, tx) = (&posting.refund, store.begin().await?);
    let Some(order) = lock(&tx, refund.order_id).await? else {
        return refuse(tx, BeginRefund::NoOrder).await;
    };
    let order = rows::order_of(order)?;
    let earlier = of_order(&tx, &order).await?;
    if let Some(same) =
        earlier.iter().find(|row| posting.key.is_some() && row.client_key == posting.key).cloned()
    {
        let outcome = BeginRefund::Replayed(rows::refund_of(same)?);
        return refuse(tx, outcome).await;
    }
    if !order.state.is_paid() || earlier.iter().any(|row| row.ended_at.is_none()) {
        return refuse(tx, BeginRefund::NotNow).await;
    }
    let rest = order.total.minus(order.refunded).map_err(|_overflow| corrupt("orders.refunded"))?;
    if refund.amount > rest {
        return refuse(tx, BeginRefund::TooMuch { rest, free: Credits::ZERO }).await;
    }
    if let Some(take) = &posting.take_back {
        let taken = post(&tx, ids, &[Command::TakeBack(Box::new(take.clone()))]).await?;
        match taken_back(taken)? {
            TakeBackOutcome::Taken { .. } => {}
            TakeBackOutcome::TooMuch { free } => {
                return refuse(tx, BeginRefund::TooMuch { rest, free }).await;
            }
            TakeBackOutcome::Replayed => return Err(corrupt("refunds: posted, and not begun")),
        }
    }
    let row = rows::refund_row(refund, posting.key.clone());
    Entity::insert(row.into_active_model()).exec_without_returning(&tx).await.map_err(port_error)?;
    if posting.revokes {
        revoke(&tx, &order, refund.id, refund.created_at).await?;
    }
    run(&tx, HEARD, [order.id.as_uuid().into(), refund.created_at.as_millis().into()]).await?;
    tx.commit().await.map_err(port_error)?;
    Ok(BeginRefund::Begun)
}

pub(super) async fn end(store: &SqlStore, ids: &Ids, end: &RefundEnd) -> Result<EndRefund, PortError> {
    let tx = store.begin().await?;
    // An order's row is locked before its refund's, here as everywhere; which order, never changes.
    let Some(row) = find(&tx, end.refund_id).await? else { return refuse(tx, EndRefund::NoRefund).await };
    let Some(order) = lock(&tx, kernel::Id::from_uuid(row.order_id)).await? else {
        return Err(corrupt("refunds.order_id"));
    };
    let order = rows::order_of(order)?;
    let row = find(&tx, end.refund_id).await?.ok_or_else(|| corrupt("refunds: gone"))?;
    if row.ended_at.is_some() {
        let outcome = EndRefund::Replayed(rows::refund_of(row)?);
        return refuse(tx, outcome).await;
    }
    note(&tx, &order, end.notice_id.as_deref(), end.at).await?;
    let ended_at = match end.status {
        RefundStatus::Succeeded | RefundStatus::Closed => Some(end.at.as_millis()),
        RefundStatus::Abnormal | RefundStatus::Pending | RefundStatus::Unknown => None,
    };
    let values = [row.id.into(), end.status.as_str().into(), ended_at.into()];
    run(&tx, STATUS, values).await?;
    let order = match end.status {
        RefundStatus::Succeeded => {
            let order = refunded(&tx, order, Fen::new(row.amount)).await?;
            post_house(&tx, &end.settled).await?;
            order
        }
        RefundStatus::Closed => {
            run(&tx, RESTORE, [row.id.into()]).await?;
            if let Some(give) = &end.give_back {
                post(&tx, ids, &[Command::GiveBack(Box::new(give.clone()))]).await?;
            }
            order
        }
        RefundStatus::Abnormal | RefundStatus::Pending | RefundStatus::Unknown => order,
    };
    tx.commit().await.map_err(port_error)?;
    Ok(EndRefund::Ended(order))
}

pub(super) async fn claw_back(
    store: &SqlStore,
    ids: &Ids,
    claw: &ClawBack,
) -> Result<ClawBackOutcome, PortError> {
    let tx = store.begin().await?;
    let order = lock(&tx, claw.refund.order_id).await?.map(rows::order_of).transpose()?;
    let Some(order) = order.filter(|order| order.state.is_paid()) else {
        return refuse(tx, ClawBackOutcome::NoOrder).await;
    };
    if !note(&tx, &order, Some(&claw.notice_id), claw.at).await? {
        return refuse(tx, ClawBackOutcome::Replayed).await;
    }
    let row = rows::refund_row(&claw.refund, Some(claw.notice_id.clone()));
    Entity::insert(row.into_active_model()).exec_without_returning(&tx).await.map_err(port_error)?;
    let owner = Owner::User(order.user);
    let mut commands: Vec<_> =
        claw.take_back.iter().map(|take| Command::TakeBack(Box::new(take.clone()))).collect();
    if claw.freezes {
        let change = StandingChange::Freeze { reason: CLAWED_BACK.to_owned() };
        commands.push(Command::Stand { owner, change, at: claw.at });
    }
    let order = refunded(&tx, order, claw.refund.amount).await?;
    if order.refunded == order.total {
        revoke(&tx, &order, claw.refund.id, claw.at).await?;
    }
    let mut lost = Credits::ZERO;
    if !commands.is_empty() {
        let outcomes = post(&tx, ids, &commands).await?;
        if claw.take_back.is_some()
            && let TakeBackOutcome::Taken { lost: part, .. } = taken_back(outcomes)?
        {
            lost = part;
        }
    }
    post_house(&tx, std::slice::from_ref(&claw.cash)).await?;
    tx.commit().await.map_err(port_error)?;
    Ok(ClawBackOutcome::Booked { lost })
}

/// The order after so much more went back; never more than was paid, whatever a provider says.
async fn refunded(tx: &Write, order: Order, amount: Fen) -> Result<Order, PortError> {
    let sum = order.refunded.plus(amount).map_err(|_overflow| corrupt("orders.refunded"))?.min(order.total);
    let event = if sum == order.total { OrderEvent::RefundedAll } else { OrderEvent::RefundedPart };
    let state = match order.state.on(event) {
        Step::To(next) => next,
        Step::Stay => order.state,
        Step::Refused => return Err(corrupt("refunds: of an order that is not paid")),
    };
    run(tx, REFUNDED, [order.id.as_uuid().into(), sum.get().into(), state.as_str().into()]).await?;
    Ok(Order { refunded: sum, state, ..order })
}

async fn revoke(tx: &Write, order: &Order, by: RefundId, at: Timestamp) -> Result<(), PortError> {
    let values = [order.id.as_uuid().into(), at.as_millis().into(), by.as_uuid().into()];
    run(tx, REVOKE, values).await.map(drop)
}

/// An order's refunds, under its lock.
async fn of_order(tx: &Write, order: &Order) -> Result<Vec<Model>, PortError> {
    let all = Entity::find().filter(Column::OrderId.eq(order.id.as_uuid())).lock(LockType::Update);
    all.all(tx).await.map_err(port_error)
}

fn taken_back(outcomes: Vec<Outcome>) -> Result<TakeBackOutcome, PortError> {
    let taken = outcomes.into_iter().find_map(|outcome| match outcome {
        Outcome::TakenBack(taken) => Some(taken),
        Outcome::Opened(_)
        | Outcome::Reserved(_)
        | Outcome::Settled(_)
        | Outcome::Voided(_)
        | Outcome::Expired(_)
        | Outcome::Credited(_)
        | Outcome::Debited(_)
        | Outcome::GivenBack(_)
        | Outcome::Stood(_) => None,
    });
    taken.ok_or_else(|| corrupt("ledger: an outcome of another command"))
}
