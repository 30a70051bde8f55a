//! What every instance does every few seconds: say that it lives, close what others left open, and look after its
//! watchers.
//!
//! There is no leader. Each sweep is made of conditional changes of one row, so that two instances that sweep at
//! the same time do no harm. A test drives the same steps one at a time.

use std::sync::Arc;

use auth::AuthService;
use billing::{BillingService, OrderService};
use chat::ChatService;
use futures::future::{FutureExt, select};
use kernel::Clock;
use tokio_util::sync::CancellationToken;

/// Milliseconds between two signs of life; the lease lives three times as long.
const LEASE_RENEW_MS: i64 = 5_000;

/// Milliseconds between two looks at the heads of watched conversations.
const CHECK_HEADS_MS: i64 = 1_000;
/// Milliseconds between two looks at who is still here.
const TEND_PRESENCE_MS: i64 = 5_000;
/// Milliseconds between two checks of the whole ledger.
const CHECK_LEDGER_MS: i64 = 3_600_000;

/// The background work of an instance.
#[derive(Clone)]
pub struct Worker {
    /// Replies.
    pub chat: Arc<ChatService>,
    /// Holds.
    pub billing: Arc<BillingService>,
    /// Orders.
    pub orders: Arc<OrderService>,
    /// Sessions.
    pub auth: Arc<AuthService>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Milliseconds between two sweeps.
    pub sweep_ms: i64,
    /// Rows that one sweep takes.
    pub sweep_rows: u32,
}

impl Worker {
    /// Does its work until it is stopped. A slow sweep does not hold up the lease.
    pub async fn run(&self, stop: CancellationToken) {
        let leases = self.every(LEASE_RENEW_MS, async || self.renew_lease().await);
        let sweeps = self.every(self.sweep_ms, async || self.sweep().await);
        let heads = self.every(CHECK_HEADS_MS, async || self.check_heads().await);
        let presence = self.every(TEND_PRESENCE_MS, async || self.tend_presence().await);
        let ledger = self.every(CHECK_LEDGER_MS, async || self.check_ledger().await);
        let work = futures::future::join5(leases, sweeps, heads, presence, ledger);
        select(std::pin::pin!(work), stop.cancelled().boxed()).await;
    }

    /// One sign of life, for the instance and for its holds.
    pub async fn renew_lease(&self) {
        if let Err(error) = self.chat.renew_lease().await {
            tracing::warn!(%error, "the lease was not renewed");
        }
        if let Err(error) = self.billing.renew_holds(self.clock.now()).await {
            tracing::warn!(%error, "the holds were not renewed");
        }
    }

    /// One sweep of every context.
    pub async fn sweep(&self) {
        let now = self.clock.now();
        note("chat", self.chat.sweep(self.sweep_rows).await);
        // After an outage nobody could renew: what has run out then proves nothing yet.
        if self.chat.trusts_leases() {
            note("billing", self.billing.sweep(now, self.sweep_rows).await);
        }
        note("orders", self.orders.reconcile(now, self.sweep_rows).await);
        note("refunds", self.orders.reconcile_refunds(now, self.sweep_rows).await);
        note("auth", self.auth.sweep(now, self.sweep_rows).await);
        if let Ok(open) = self.billing.open_holds().await {
            tell("billing_holds_open", usize::try_from(open.count).unwrap_or(usize::MAX));
            let age_ms = open.oldest.map_or(0, |oldest| now.millis_since(oldest).max(0));
            tell("billing_hold_oldest_seconds", usize::try_from(age_ms / 1_000).unwrap_or(usize::MAX));
        }
    }

    /// Adds the whole ledger up. What is off is for an operator: `jixia ledger check` shows it.
    pub async fn check_ledger(&self) {
        match self.billing.check().await {
            Ok(report) => {
                let imbalance = report.imbalance.unsigned_abs();
                tell("ledger_imbalance", usize::try_from(imbalance).unwrap_or(usize::MAX));
                tell("ledger_findings", report.rows.len());
                if !report.ok {
                    tracing::error!(ledger.findings = report.rows.len(), "the ledger does not add up");
                }
            }
            Err(error) => tracing::warn!(%error, "the ledger was not checked; the next check does"),
        }
    }

    /// One look at the heads of watched conversations.
    pub async fn check_heads(&self) {
        tell("chat_feeds", self.chat.feed_count());
        tell("chat_replies_running", self.chat.running_count());
        match self.chat.check_heads().await {
            Ok(0) => {}
            Ok(count) => metrics::counter!("feeds_behind_total").increment(count),
            Err(error) => tracing::warn!(%error, "the heads of watched conversations were not compared"),
        }
    }

    /// One look at who is still here.
    pub async fn tend_presence(&self) {
        if let Err(error) = self.chat.tend_presence().await {
            tracing::warn!(%error, "who is here was not looked after; the next look does");
        }
    }

    async fn every(&self, period_ms: i64, step: impl AsyncFn()) {
        loop {
            step().await;
            self.clock.sleep_until(self.clock.now().plus_millis(period_ms)).await;
        }
    }
}

fn note<E: std::fmt::Display>(context: &'static str, swept: Result<u64, E>) {
    match swept {
        Ok(0) => {}
        Ok(count) => {
            metrics::counter!("sweep_rows_total", "context" => context).increment(count);
            tracing::info!(context, count, "swept {count} rows of {context}");
        }
        Err(error) => {
            tracing::warn!(context, %error, "the sweep of {context} failed; the next one tries again");
        }
    }
}

/// How many there are now.
fn tell(what: &'static str, count: usize) {
    metrics::gauge!(what).set(f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
}
