//! A payment becomes a delivery, and an order whose time is over ends.

use kernel::{Credits, Timestamp};

use super::{OrderError, OrderService};
use crate::account::{Owner, SystemAccount};
use crate::entitlement::Subject;
use crate::lot::LotSource;
use crate::order::{GRACE_MS, Order, OrderEvent, next_query};
use crate::payment::{CloseOutcome, Mismatch, Payment, PaymentStatus, WechatPayer};
use crate::ports::{Delivery, EntitlementGrant, Move, PayOutcome};
use crate::posting::{Credit, HouseTransfer};
use crate::product::Content;
use crate::transfer::TransferKind;

/// How long after its end an order is asked for that its provider closes by itself, in milliseconds.
const SELF_CLOSING_MS: i64 = 3_600_000;
const DAY_MS: i64 = 86_400_000;

/// What became of a payment that somebody told us of.
#[derive(Debug)]
pub(super) enum Accepted {
    /// It is delivered, now or before.
    Delivered {
        /// The order now.
        order: Box<Order>,
        /// Whether it was delivered by this very call.
        is_new: bool,
        /// Whether the order had ended unpaid.
        is_late: bool,
    },
    /// It is not the payment of our order; nothing changed.
    Mismatch(Mismatch),
}

impl OrderService {
    /// Asks the order's provider, and does what follows from its answer.
    pub(super) async fn ask(&self, order: &Order, now: Timestamp) -> Result<Order, OrderError> {
        match self.status(order, now).await? {
            PaymentStatus::Paid(payment) => self.collect(order, &payment, now).await,
            PaymentStatus::Closed => self.end_unpaid(order, OrderEvent::Lapsed, now).await,
            PaymentStatus::Pending | PaymentStatus::Unknown => {
                if now < order.expires_at.plus_millis(GRACE_MS) {
                    return Ok(order.clone());
                }
                self.lapse(order, now).await
            }
        }
    }

    /// Closes an order whose time is over; the payment may be faster than that, so it is asked for once more.
    async fn lapse(&self, order: &Order, now: Timestamp) -> Result<Order, OrderError> {
        match self.gateway(order.channel)?.close(order).await? {
            CloseOutcome::Closed | CloseOutcome::AlreadyPaid => match self.status(order, now).await? {
                PaymentStatus::Paid(payment) => self.collect(order, &payment, now).await,
                PaymentStatus::Closed | PaymentStatus::Pending | PaymentStatus::Unknown => {
                    self.end_unpaid(order, OrderEvent::Lapsed, now).await
                }
            },
            CloseOutcome::BySelf if now < order.expires_at.plus_millis(SELF_CLOSING_MS) => Ok(order.clone()),
            CloseOutcome::BySelf => self.end_unpaid(order, OrderEvent::Lapsed, now).await,
        }
    }

    /// How an order stands at its provider.
    pub(super) async fn status(&self, order: &Order, now: Timestamp) -> Result<PaymentStatus, OrderError> {
        let payer = self.ports.payers.wechat(order.user, now).await?;
        Ok(self.gateway(order.channel)?.query(order, payer.as_ref()).await?)
    }

    /// Delivers what an answer of the provider says is paid.
    pub(super) async fn collect(
        &self,
        order: &Order,
        payment: &Payment,
        now: Timestamp,
    ) -> Result<Order, OrderError> {
        match self.accept(order, payment, None, now).await? {
            Accepted::Delivered { order, is_new, .. } => {
                if is_new {
                    self.confirm(&order).await;
                }
                Ok(*order)
            }
            Accepted::Mismatch(what) => {
                tracing::error!(
                    order.id = %order.id,
                    payment.mismatch = what.as_str(),
                    "a provider's answer does not fit the order; it needs a person"
                );
                Ok(order.clone())
            }
        }
    }

    /// Compares a payment with the order, and delivers it once.
    pub(super) async fn accept(
        &self,
        order: &Order,
        payment: &Payment,
        notice_id: Option<String>,
        now: Timestamp,
    ) -> Result<Accepted, OrderError> {
        let payer = self.ports.payers.wechat(order.user, now).await?;
        if let Err(what) = payment.fits(order, order.channel, payer.as_ref().map(openid)) {
            return Ok(Accepted::Mismatch(what));
        }
        let delivery = self.delivery(order, payment, notice_id, now)?;
        match self.ports.orders.deliver(&delivery).await? {
            PayOutcome::Delivered { order, was } => {
                let is_late = !was.is_pending();
                if is_late {
                    tracing::warn!(order.id = %order.id, "a payment came after its order had ended, and is credited");
                }
                Ok(Accepted::Delivered { order: Box::new(order), is_new: true, is_late })
            }
            PayOutcome::Replayed(order) => {
                Ok(Accepted::Delivered { order: Box::new(order), is_new: false, is_late: false })
            }
            PayOutcome::NoOrder => Err(OrderError::NotFound),
        }
    }

    /// Ends an order that nobody paid. One that was paid meanwhile stays so.
    pub(super) async fn end_unpaid(
        &self,
        order: &Order,
        event: OrderEvent,
        at: Timestamp,
    ) -> Result<Order, OrderError> {
        let step =
            Move { order_id: order.id, event: Some(event), queries: order.queries, query_at: None, at };
        self.advance(&step).await
    }

    /// The plan of questions goes on, whatever the next answer is.
    pub(super) async fn plan_next(&self, order: &Order, now: Timestamp) -> Result<Order, OrderError> {
        let queries = order.queries.saturating_add(1);
        let query_at = Some(next_query(order.created_at, order.expires_at, queries, now));
        self.advance(&Move { order_id: order.id, event: None, queries, query_at, at: now }).await
    }

    /// The provider that did not tell us is told that we know. It may ask again, so a failure is no harm.
    async fn confirm(&self, order: &Order) {
        let Ok(gateway) = self.gateway(order.channel) else { return };
        if let Err(error) = gateway.confirm(order).await {
            tracing::warn!(%error, order.id = %order.id, "a provider was not told of a delivery");
        }
    }

    fn delivery(
        &self,
        order: &Order,
        payment: &Payment,
        notice_id: Option<String>,
        at: Timestamp,
    ) -> Result<Delivery, OrderError> {
        let (channel, trade_no) = (order.channel.as_str(), order.trade_no());
        Ok(Delivery {
            order_id: order.id,
            notice_id,
            payment: payment.clone(),
            credits: self.credits(order, at)?,
            grants: self.grants(order)?,
            cash: HouseTransfer {
                id: self.ids.next(),
                debit: SystemAccount::Sales,
                credit: order.channel.cash(),
                amount: order.total.get(),
                kind: TransferKind::Recharge,
                key: format!("cash:{channel}:{trade_no}"),
                ref_id: Some(order.id.to_string()),
                at,
            },
            at,
        })
    }

    /// One lot of what was paid for, so that a refund finds it, and one of the bonus.
    fn credits(&self, order: &Order, at: Timestamp) -> Result<Vec<Credit>, OrderError> {
        let (bought, bonus) = order.credits()?;
        let (channel, trade_no) = (order.channel.as_str(), order.trade_no());
        let lot = |amount: Credits, source, from, kind, word: &str| Credit {
            owner: Owner::User(order.user),
            amount,
            source,
            from,
            kind,
            expires_at: expiry(&order.contents, at),
            key: format!("{word}:{channel}:{trade_no}"),
            ref_id: Some(order.id.to_string()),
            lot_id: self.ids.next(),
            transfer_id: self.ids.next(),
            at,
        };
        let (recharge, grant) = (TransferKind::Recharge, TransferKind::Grant);
        let parts = [
            lot(bought, LotSource::Purchase, SystemAccount::Issued, recharge, "recharge"),
            lot(bonus, LotSource::Promo, SystemAccount::Promo, grant, "bonus"),
        ];
        Ok(parts.into_iter().filter(|part| part.amount.is_positive()).collect())
    }

    fn grants(&self, order: &Order) -> Result<Vec<EntitlementGrant>, OrderError> {
        let mut grants = Vec::new();
        for (place, content) in order.contents.iter().enumerate() {
            let (subject, months) = match content {
                Content::Credits { .. } => continue,
                Content::Character { id } => (Subject::Character(id.clone()), None),
                Content::Skill { character_id, skill_id } => {
                    let (character_id, skill_id) = (character_id.clone(), skill_id.clone());
                    (Subject::Skill { character_id, skill_id }, None)
                }
                Content::Vip { months } => {
                    let all = months.checked_mul(order.quantity).ok_or(kernel::MoneyOverflow)?;
                    (Subject::Vip, Some(all))
                }
            };
            let key = format!("order:{}:{place}", order.id);
            grants.push(EntitlementGrant { id: self.ids.next(), subject, months, key });
        }
        Ok(grants)
    }
}

/// Everything of an order ends when the last of it does; what has no end wins.
fn expiry(contents: &[Content], at: Timestamp) -> Option<Timestamp> {
    let days = contents.iter().filter_map(|content| match content {
        Content::Credits { days, .. } => Some(*days),
        Content::Character { .. } | Content::Skill { .. } | Content::Vip { .. } => None,
    });
    let longest = days.reduce(|one, other| one.zip(other).map(|(one, other)| one.max(other)))??;
    Some(at.plus_millis(i64::from(longest).saturating_mul(DAY_MS)))
}

fn openid(payer: &WechatPayer) -> &str {
    secrecy::ExposeSecret::expose_secret(&payer.openid)
}
