//! Asking providers for what nobody told us: a message is never promised.

use futures::StreamExt;
use futures::stream;
use kernel::{PortError, Timestamp};
use tracing::instrument;

use super::{OrderError, OrderService};
use crate::discrepancy::{Discrepancy, DiscrepancyKind};
use crate::order::Order;
use crate::payment::{PaymentStatus, Refund, RefundStatus};

/// Orders that are asked for at the same time.
const ASKED_AT_ONCE: usize = 8;
/// A refund that was just asked for is not asked after.
const REFUND_QUIET_MS: i64 = 60_000;
/// How far back unpaid orders are compared with their providers.
const AUDIT_MS: i64 = 7 * 86_400_000;
const AUDIT_BATCH: u32 = 200;

impl OrderService {
    /// Asks for pending orders that are due, at most `limit`. Answers how many moved on.
    #[instrument(skip_all)]
    pub async fn reconcile(&self, now: Timestamp, limit: u32) -> Result<u64, PortError> {
        let due = self.ports.orders.due(now, limit).await?;
        let asked =
            stream::iter(due).map(|order| self.ask_planned(order, now)).buffer_unordered(ASKED_AT_ONCE);
        Ok(asked.filter(|moved| std::future::ready(*moved)).count().await.try_into().unwrap_or(u64::MAX))
    }

    async fn ask_planned(&self, order: Order, now: Timestamp) -> bool {
        // The plan goes on first, so that an order that cannot be asked for does not come again at once.
        let asked = async {
            let planned = self.plan_next(&order, now).await?;
            if !planned.state.is_pending() {
                return Ok(planned);
            }
            self.ask(&planned, now).await
        };
        let outcome: Result<Order, OrderError> = asked.await;
        match outcome {
            Ok(after) => after.state != order.state,
            Err(error) => {
                tracing::warn!(%error, order.id = %order.id, "a due order's provider was not asked");
                false
            }
        }
    }

    /// Asks after refunds that have not ended, at most `limit`. Answers how many ended.
    #[instrument(skip_all)]
    pub async fn reconcile_refunds(&self, now: Timestamp, limit: u32) -> Result<u64, PortError> {
        let open = self.ports.refunds.open(now.plus_millis(-REFUND_QUIET_MS), limit).await?;
        let mut ended = 0;
        for refund in open {
            match self.follow_refund(&refund, now).await {
                Ok(true) => ended += 1,
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, refund.id = %refund.id, "a refund was not asked after"),
            }
        }
        Ok(ended)
    }

    /// Everything where orders, books and providers differ, at most `limit` of the books' part. With `collects`, what is
    /// paid there and not here is delivered, and still named.
    #[instrument(skip_all)]
    pub async fn audit(
        &self,
        now: Timestamp,
        limit: u32,
        collects: bool,
    ) -> Result<Vec<Discrepancy>, OrderError> {
        let mut all = self.ports.orders.discrepancies(limit).await?;
        let (since, mut after) = (now.plus_millis(-AUDIT_MS), None);
        loop {
            let batch = self.ports.orders.unpaid_since(since, after, AUDIT_BATCH).await?;
            let Some(last) = batch.last() else { break };
            after = Some(last.id);
            let looked = stream::iter(&batch)
                .map(|order| self.compare(order, now, collects))
                .buffer_unordered(ASKED_AT_ONCE);
            let found: Vec<_> = looked.collect().await;
            for one in found {
                all.extend(one?);
            }
        }
        for refund in self.ports.refunds.open(now, AUDIT_BATCH).await? {
            all.extend(self.compare_refund(&refund, now).await?);
        }
        Ok(all)
    }

    async fn compare(
        &self,
        order: &Order,
        now: Timestamp,
        collects: bool,
    ) -> Result<Option<Discrepancy>, OrderError> {
        if self.gateway(order.channel).is_err() {
            return Ok(None);
        }
        let PaymentStatus::Paid(payment) = self.status(order, now).await? else { return Ok(None) };
        if collects {
            self.collect(order, &payment, now).await?;
        }
        Ok(Some(Discrepancy {
            trade_no: order.trade_no(),
            kind: DiscrepancyKind::Payment,
            expected: format!("paid {}", payment.total),
            found: order.state.as_str().to_owned(),
        }))
    }

    async fn compare_refund(
        &self,
        refund: &Refund,
        now: Timestamp,
    ) -> Result<Option<Discrepancy>, OrderError> {
        let order = self.find(refund.order_id).await?;
        if self.gateway(order.channel).is_err() {
            return Ok(None);
        }
        let (trade_no, status) = (order.trade_no(), self.refund_status(refund, order, now).await?);
        let differs = match status {
            RefundStatus::Succeeded | RefundStatus::Closed | RefundStatus::Abnormal => {
                status != refund.status
            }
            RefundStatus::Unknown | RefundStatus::Pending => false,
        };
        Ok(differs.then(|| Discrepancy {
            trade_no,
            kind: DiscrepancyKind::RefundStatus,
            expected: status.as_str().to_owned(),
            found: refund.status.as_str().to_owned(),
        }))
    }
}
