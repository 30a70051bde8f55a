//! What providers tell us, and what they are answered.

use kernel::Timestamp;
use tracing::instrument;

use super::collect::Accepted;
use super::{OrderError, OrderService};
use crate::payment::{
    Channel, Mismatch, NoticeEvent, NoticeRefusal, NoticeReply, Notified, Payment, PaymentNotice, RawNotice,
    Verdict,
};

/// What became of a provider's message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeResult {
    /// It was new, and is done.
    Done,
    /// It was done before.
    Repeated,
    /// Its order had ended unpaid; it was delivered all the same.
    Late,
    /// It concerns nothing of ours.
    Ignored,
    /// It is not believed.
    Refused(NoticeRefusal),
    /// It is the provider's, and does not fit our order.
    Mismatch(Mismatch),
    /// It names nothing that we know.
    Unknown,
    /// We could not act on it.
    Failed,
}

impl NoticeResult {
    /// Its name, for metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Repeated => "repeated",
            Self::Late => "late",
            Self::Ignored => "ignored",
            Self::Refused(why) => why.as_str(),
            Self::Mismatch(what) => what.as_str(),
            Self::Unknown => "unknown",
            Self::Failed => "failed",
        }
    }
}

/// A message's end: what to answer, and what to count.
#[derive(Debug)]
pub struct NoticeAnswer {
    /// The answer, in the provider's form.
    pub reply: NoticeReply,
    /// What became of it.
    pub result: NoticeResult,
}

impl OrderService {
    /// Reads a provider's message and acts on it. Whatever fails on our side makes the provider say it again.
    #[instrument(skip_all, fields(payment.channel = channel.as_str()))]
    pub async fn notice(&self, channel: Channel, raw: &RawNotice<'_>) -> Result<NoticeAnswer, OrderError> {
        let gateway = self.gateway(channel)?;
        let (verdict, result) = match gateway.read(raw).await {
            Ok(Notified::Notice(notice)) => self.act_or_retry(&notice, raw.at).await,
            Ok(Notified::Ignored) => (Verdict::Accepted, NoticeResult::Ignored),
            Ok(Notified::Refused(why)) => {
                tracing::warn!(payment.refusal = why.as_str(), "a message of a provider is not believed");
                (Verdict::Refused, NoticeResult::Refused(why))
            }
            Err(error) => {
                tracing::warn!(%error, "a provider's message could not be read");
                (Verdict::TryAgain, NoticeResult::Failed)
            }
        };
        Ok(NoticeAnswer { reply: gateway.reply(verdict), result })
    }

    async fn act_or_retry(&self, notice: &PaymentNotice, now: Timestamp) -> (Verdict, NoticeResult) {
        match self.act(notice, now).await {
            Ok(done) => done,
            Err(error) => {
                tracing::warn!(%error, "a provider's message was not acted on; it comes again");
                (Verdict::TryAgain, NoticeResult::Failed)
            }
        }
    }

    async fn act(
        &self,
        notice: &PaymentNotice,
        now: Timestamp,
    ) -> Result<(Verdict, NoticeResult), OrderError> {
        match &notice.event {
            NoticeEvent::Paid(payment) => self.paid(notice, payment, now).await,
            NoticeEvent::RefundEnded { refund, status, amount } => {
                let result = self.refund_told(*refund, *status, *amount, &notice.id, now).await?;
                Ok((verdict(result), result))
            }
            NoticeEvent::ClawedBack { trade_no, amount, provider_refund_id } => {
                let result =
                    self.clawed_back(*trade_no, provider_refund_id, *amount, &notice.id, now).await?;
                Ok((verdict(result), result))
            }
            NoticeEvent::RefundAsked { trade_no } => {
                let agree = self.would_refund(*trade_no).await?;
                Ok((Verdict::Advice { agree }, NoticeResult::Done))
            }
        }
    }

    async fn paid(
        &self,
        notice: &PaymentNotice,
        payment: &Payment,
        now: Timestamp,
    ) -> Result<(Verdict, NoticeResult), OrderError> {
        let Some(order) = self.ports.orders.find(payment.trade_no.order()).await? else {
            tracing::error!(payment.trade_no = %payment.trade_no, "a payment of an order that is not ours");
            return Ok((Verdict::TryAgain, NoticeResult::Unknown));
        };
        if order.channel != notice.channel {
            return Ok(mismatched(Mismatch::Channel));
        }
        match self.accept(&order, payment, Some(notice.id.clone()), now).await? {
            Accepted::Delivered { is_late: true, .. } => Ok((Verdict::Accepted, NoticeResult::Late)),
            Accepted::Delivered { is_new: true, .. } => Ok((Verdict::Accepted, NoticeResult::Done)),
            Accepted::Delivered { .. } => Ok((Verdict::Accepted, NoticeResult::Repeated)),
            Accepted::Mismatch(what) => Ok(mismatched(what)),
        }
    }
}

fn mismatched(what: Mismatch) -> (Verdict, NoticeResult) {
    tracing::error!(payment.mismatch = what.as_str(), "a payment does not fit its order; it needs a person");
    (Verdict::Refused, NoticeResult::Mismatch(what))
}

/// What a result means for the provider.
const fn verdict(result: NoticeResult) -> Verdict {
    match result {
        NoticeResult::Done | NoticeResult::Repeated | NoticeResult::Late | NoticeResult::Ignored => {
            Verdict::Accepted
        }
        NoticeResult::Refused(_) | NoticeResult::Mismatch(_) => Verdict::Refused,
        NoticeResult::Unknown | NoticeResult::Failed => Verdict::TryAgain,
    }
}
