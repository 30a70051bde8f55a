//! Money that goes back: asked for by us, or taken by the provider.

use kernel::{Credits, Fen, Timestamp};
use tracing::instrument;

use super::notice::NoticeResult;
use super::{OrderError, OrderService, asker};
use crate::account::{Owner, SystemAccount};
use crate::lot::{Lot, LotSource};
use crate::order::{Order, OrderId, TradeNo};
use crate::payment::{Refund, RefundBy, RefundId, RefundOutcome, RefundRequest, RefundStatus};
use crate::ports::{BeginRefund, ClawBack, ClawBackOutcome, EndRefund, RefundEnd, RefundPosting};
use crate::posting::{GiveBack, HouseTransfer, TakeBack};
use crate::transfer::TransferKind;

/// A refund that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundAsk {
    /// Of which order.
    pub order_id: OrderId,
    /// How much; as much as can go back where it is not said.
    pub amount: Option<Fen>,
    /// Why, at most 80 characters.
    pub reason: String,
    /// Who asks.
    pub by: RefundBy,
    /// The caller's key.
    pub key: Option<String>,
}

/// A refund that has begun, and its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refunded {
    /// The refund, as it is now.
    pub refund: Refund,
    /// The order, as it is now.
    pub order: Order,
    /// Whether the key had begun it before.
    pub replayed: bool,
}

impl OrderService {
    /// Refunds what of an order is unspent, or a part of that: takes the credits back, then asks the provider.
    ///
    /// If the provider cannot be reached, the refund stays open, and [`OrderService::reconcile_refunds`] goes on with it.
    #[instrument(skip_all, fields(order.id = %ask.order_id, refund.by = asker(ask.by)))]
    pub async fn refund(&self, ask: &RefundAsk) -> Result<Refunded, OrderError> {
        let order = self.find(ask.order_id).await?;
        if let Some(replayed) = self.replayed(ask, &order).await? {
            return Ok(replayed);
        }
        if !order.state.is_paid() {
            return Err(OrderError::NotRefundable);
        }
        let rest = self.refundable(&order).await?;
        let amount = ask.amount.unwrap_or(rest);
        if !rest.is_positive() || !amount.is_positive() {
            return Err(OrderError::NotRefundable);
        }
        let is_whole = amount == order.total.minus(order.refunded)?;
        if amount > rest || (!is_whole && !is_divisible(&order)) {
            return Err(OrderError::RefundTooMuch { rest });
        }
        let now = self.clock.now();
        let refund = self.new_refund(&order, amount, ask.reason.clone(), ask.by, now);
        let key = format!("refund:{}", refund.number());
        let posting = RefundPosting {
            take_back: self.take_back(&order, amount, key, SystemAccount::RefundClearing, now)?,
            refund: refund.clone(),
            key: ask.key.clone(),
            revokes: is_whole,
        };
        match self.ports.refunds.begin(&posting).await? {
            BeginRefund::Begun => {}
            BeginRefund::Replayed(refund) => return Ok(Refunded { refund, order, replayed: true }),
            BeginRefund::NotNow => return Err(OrderError::NotRefundable),
            BeginRefund::TooMuch { rest, free } => {
                return Err(OrderError::RefundTooMuch { rest: order.refundable(free)?.min(rest) });
            }
            BeginRefund::NoOrder => return Err(OrderError::NotFound),
        }
        if let Err(error) = self.ask_refund(&refund, order, now).await {
            tracing::warn!(%error, refund.id = %refund.id, "a refund has begun and its provider does not know it yet");
        }
        let refund = self.ports.refunds.find(refund.id).await?.ok_or(OrderError::NotFound)?;
        if refund.status == RefundStatus::Closed {
            return Err(OrderError::NotRefundable);
        }
        Ok(Refunded { refund, order: self.find(ask.order_id).await?, replayed: false })
    }

    async fn replayed(&self, ask: &RefundAsk, order: &Order) -> Result<Option<Refunded>, OrderError> {
        let Some(key) = &ask.key else { return Ok(None) };
        let Some(refund) = self.ports.refunds.by_key(order.id, key).await? else { return Ok(None) };
        let is_other =
            ask.amount.is_some_and(|amount| amount != refund.amount) || ask.reason != refund.reason;
        if is_other {
            return Err(OrderError::Conflict);
        }
        Ok(Some(Refunded { refund, order: order.clone(), replayed: true }))
    }

    /// An order's refunds.
    pub async fn refunds(&self, order: OrderId) -> Result<Vec<Refund>, OrderError> {
        Ok(self.ports.refunds.of_order(order).await?)
    }

    /// How much of an order can go back now.
    pub async fn refundable(&self, order: &Order) -> Result<Fen, OrderError> {
        if !order.state.is_paid() {
            return Ok(Fen::ZERO);
        }
        Ok(order.refundable(self.unspent(order).await?)?)
    }

    /// What of an order's paid credits is neither spent nor held.
    async fn unspent(&self, order: &Order) -> Result<Credits, OrderError> {
        let id = order.id.to_string();
        let lots = self.ports.cashier.lots(&Owner::User(order.user)).await?;
        let paid = |lot: &&Lot| lot.source == LotSource::Purchase && lot.ref_id.as_ref() == Some(&id);
        let now = self.clock.now();
        Ok(lots.iter().find(paid).filter(|lot| !lot.is_over(now)).map_or(Credits::ZERO, Lot::free))
    }

    fn new_refund(&self, order: &Order, amount: Fen, reason: String, by: RefundBy, at: Timestamp) -> Refund {
        Refund {
            id: self.ids.next(),
            order_id: order.id,
            amount,
            reason,
            by,
            status: RefundStatus::Pending,
            created_at: at,
            ended_at: None,
        }
    }

    fn take_back(
        &self,
        order: &Order,
        amount: Fen,
        key: String,
        to: SystemAccount,
        at: Timestamp,
    ) -> Result<Option<TakeBack>, OrderError> {
        let credits = order.credits_for(amount)?;
        Ok(credits.is_positive().then(|| TakeBack {
            owner: Owner::User(order.user),
            ref_id: order.id.to_string(),
            amount: credits,
            is_forced: to == SystemAccount::Issued,
            to,
            key,
            transfer_ids: (self.ids.next(), self.ids.next()),
            at,
        }))
    }

    /// Asks the provider, and ends the refund if it has ended there.
    async fn ask_refund(&self, refund: &Refund, order: Order, now: Timestamp) -> Result<bool, OrderError> {
        let request = self.refund_request(refund, order, now).await?;
        let status = match self.gateway(request.order.channel)?.refund(&request).await? {
            RefundOutcome::Taken(status) => status,
            RefundOutcome::Refused { code } => {
                tracing::warn!(payment.code = code, refund.id = %refund.id, "a provider refuses a refund");
                RefundStatus::Closed
            }
        };
        self.end_refund(refund, &request.order, status, None, now).await
    }

    async fn refund_request(
        &self,
        refund: &Refund,
        order: Order,
        at: Timestamp,
    ) -> Result<RefundRequest, OrderError> {
        let payer = self.ports.payers.wechat(order.user, at).await?;
        Ok(RefundRequest { refund: refund.clone(), order, payer, at })
    }

    /// How a refund stands at its provider.
    pub(super) async fn refund_status(
        &self,
        refund: &Refund,
        order: Order,
        now: Timestamp,
    ) -> Result<RefundStatus, OrderError> {
        let request = self.refund_request(refund, order, now).await?;
        Ok(self.gateway(request.order.channel)?.query_refund(&request).await?)
    }

    /// Asks after an open refund, and for it once more where the provider does not know it. Answers whether it ended.
    pub(super) async fn follow_refund(&self, refund: &Refund, now: Timestamp) -> Result<bool, OrderError> {
        let order = self.find(refund.order_id).await?;
        match self.refund_status(refund, order.clone(), now).await? {
            RefundStatus::Unknown => self.ask_refund(refund, order, now).await,
            status @ (RefundStatus::Pending
            | RefundStatus::Succeeded
            | RefundStatus::Closed
            | RefundStatus::Abnormal) => self.end_refund(refund, &order, status, None, now).await,
        }
    }

    /// Ends a refund if its status is an end. Answers whether it did.
    async fn end_refund(
        &self,
        refund: &Refund,
        order: &Order,
        status: RefundStatus,
        notice_id: Option<String>,
        at: Timestamp,
    ) -> Result<bool, OrderError> {
        let is_end = match status {
            RefundStatus::Unknown | RefundStatus::Pending => return Ok(false),
            RefundStatus::Abnormal if refund.status == RefundStatus::Abnormal => return Ok(false),
            RefundStatus::Abnormal => {
                tracing::error!(refund.id = %refund.id, "a refund is stuck at the provider; it needs a person");
                false
            }
            RefundStatus::Succeeded | RefundStatus::Closed => true,
        };
        let end = RefundEnd {
            refund_id: refund.id,
            notice_id,
            status,
            settled: self.settled(refund, order, at)?,
            give_back: self.give_back(refund, order, at)?,
            at,
        };
        match self.ports.refunds.end(&end).await? {
            EndRefund::Ended(_) => Ok(is_end),
            EndRefund::Replayed(_) => Ok(false),
            EndRefund::NoRefund => Err(OrderError::NotFound),
        }
    }

    /// What a success posts. The store posts it only then.
    fn settled(
        &self,
        refund: &Refund,
        order: &Order,
        at: Timestamp,
    ) -> Result<Vec<HouseTransfer>, OrderError> {
        let (number, credits) = (refund.number(), order.credits_for(refund.amount)?);
        let mut all = vec![HouseTransfer {
            id: self.ids.next(),
            debit: order.channel.cash(),
            credit: SystemAccount::Sales,
            amount: refund.amount.get(),
            kind: TransferKind::Refund,
            key: format!("refund-cash:{number}"),
            ref_id: Some(order.id.to_string()),
            at,
        }];
        if credits.is_positive() {
            all.push(HouseTransfer {
                id: self.ids.next(),
                debit: SystemAccount::RefundClearing,
                credit: SystemAccount::Issued,
                amount: credits.get(),
                kind: TransferKind::Refund,
                key: format!("refund-done:{number}"),
                ref_id: Some(order.id.to_string()),
                at,
            });
        }
        Ok(all)
    }

    /// What a refusal posts. The store posts it only then.
    fn give_back(
        &self,
        refund: &Refund,
        order: &Order,
        at: Timestamp,
    ) -> Result<Option<GiveBack>, OrderError> {
        let credits = order.credits_for(refund.amount)?;
        Ok(credits.is_positive().then(|| GiveBack {
            owner: Owner::User(order.user),
            ref_id: order.id.to_string(),
            amount: credits,
            key: format!("refund-closed:{}", refund.number()),
            transfer_id: self.ids.next(),
            at,
        }))
    }

    /// A provider tells how a refund of ours ended.
    pub(super) async fn refund_told(
        &self,
        id: RefundId,
        status: RefundStatus,
        amount: Fen,
        notice_id: &str,
        now: Timestamp,
    ) -> Result<NoticeResult, OrderError> {
        let Some(refund) = self.ports.refunds.find(id).await? else { return Ok(NoticeResult::Unknown) };
        if amount != refund.amount {
            return Ok(NoticeResult::Mismatch(crate::payment::Mismatch::Amount));
        }
        if refund.ended_at.is_some() {
            return Ok(NoticeResult::Repeated);
        }
        let order = self.find(refund.order_id).await?;
        self.end_refund(&refund, &order, status, Some(notice_id.to_owned()), now).await?;
        Ok(NoticeResult::Done)
    }

    /// A provider has taken money back without asking: what is left of it is taken, the house loses the rest, and the
    /// account is frozen until somebody has looked.
    pub(super) async fn clawed_back(
        &self,
        trade_no: TradeNo,
        provider_refund_id: &str,
        amount: Fen,
        notice_id: &str,
        now: Timestamp,
    ) -> Result<NoticeResult, OrderError> {
        let Some(order) = self.ports.orders.find(trade_no.order()).await? else {
            return Ok(NoticeResult::Unknown);
        };
        // It may be told before the payment is, or that may have been lost.
        let order = if order.state.is_paid() { order } else { self.ask(&order, now).await? };
        if !amount.is_positive() || amount > order.total {
            return Ok(NoticeResult::Mismatch(crate::payment::Mismatch::Amount));
        }
        let mut refund = self.new_refund(&order, amount, String::new(), RefundBy::Provider, now);
        (refund.status, refund.ended_at) = (RefundStatus::Succeeded, Some(now));
        let key = format!("clawback:{provider_refund_id}");
        let claw = ClawBack {
            notice_id: notice_id.to_owned(),
            take_back: self.take_back(&order, amount, key, SystemAccount::Issued, now)?,
            cash: HouseTransfer {
                id: self.ids.next(),
                debit: order.channel.cash(),
                credit: SystemAccount::Sales,
                amount: amount.get(),
                kind: TransferKind::Refund,
                key: format!("clawback-cash:{provider_refund_id}"),
                ref_id: Some(order.id.to_string()),
                at: now,
            },
            refund,
            freezes: true,
            at: now,
        };
        Ok(match self.ports.refunds.claw_back(&claw).await? {
            ClawBackOutcome::Booked { lost } => {
                tracing::error!(
                    order.id = %order.id,
                    billing.lost_credits = lost.get(),
                    "a payment was taken back; the account is frozen"
                );
                NoticeResult::Done
            }
            ClawBackOutcome::Replayed => NoticeResult::Repeated,
            ClawBackOutcome::NoOrder => NoticeResult::Unknown,
        })
    }

    /// Whether a refund would be just: at least half of what was paid is unspent.
    pub(super) async fn would_refund(&self, trade_no: TradeNo) -> Result<bool, OrderError> {
        let Some(order) = self.ports.orders.find(trade_no.order()).await? else { return Ok(false) };
        let rest = self.refundable(&order).await?;
        Ok(rest.is_positive() && rest >= order.total.minus(rest)?)
    }
}

/// Whether a part of the order can go back: credits alone can be divided.
fn is_divisible(order: &Order) -> bool {
    order.contents.iter().all(|content| matches!(content, crate::product::Content::Credits { .. }))
}
