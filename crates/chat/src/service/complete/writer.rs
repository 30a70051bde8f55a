//! The task that makes an answer for another program: reads the model, passes it on, and pays.

use std::sync::Arc;

use futures::channel::mpsc;
use futures::future::{BoxFuture, Either, select};
use futures::{SinkExt, StreamExt};
use kernel::{Credits, PortError, Tariff, Timestamp, TokenUsage};

use super::CompletionEvent;
use crate::generation::{billable, charge};
use crate::message::{EndReason, Failure, MessageUsage};
use crate::ports::{FinishReason, ModelError, ReplyEvent, ReplyEvents, ReplyRequest, Settlement};
use crate::reply::retried;
use crate::running::RunningGuard;
use crate::service::Inner;

/// While the model says nothing, it is still looked this often whether anybody listens.
const CONTACT_MS: i64 = 500;
/// A reader that takes nothing for so long has gone.
const STALL_MS: i64 = 30_000;
/// An answer may take so long from its first text on.
const TOTAL_MS: i64 = 600_000;

/// An answer that is paid for by a hold.
pub(super) struct Job {
    pub(super) request: ReplyRequest,
    pub(super) held: Credits,
    pub(super) tariff: Tariff,
    pub(super) prompt_tokens_estimate: u32,
}

struct Writer<'a> {
    inner: &'a Inner,
    job: &'a Job,
    guard: &'a RunningGuard,
    events: mpsc::Sender<CompletionEvent>,
    text: String,
    first_text: Option<Timestamp>,
    usage: Option<TokenUsage>,
    model: Option<String>,
}

/// How the answer ended.
struct End {
    why: EndReason,
    failure: Option<Failure>,
}

/// Makes the answer and settles it, whatever becomes of the reader.
pub(super) async fn run(
    inner: Arc<Inner>,
    job: Job,
    guard: RunningGuard,
    events: mpsc::Sender<CompletionEvent>,
) {
    let mut writer = Writer {
        inner: &inner,
        job: &job,
        guard: &guard,
        events,
        text: String::new(),
        first_text: None,
        usage: None,
        model: None,
    };
    let end = writer.write().await;
    match writer.settle(&end).await {
        Ok(usage) => writer.conclude(end, usage).await,
        Err(error) => {
            // The hold runs out by itself; nobody is told that it was paid.
            tracing::error!(%error, message.id = %job.request.message_id, "an answer was not settled");
            let failure = Some(Failure::ServerLost);
            writer.conclude(End { why: EndReason::Error, failure }, None).await;
        }
    }
}

impl<'a> Writer<'a> {
    async fn write(&mut self) -> End {
        let model = Arc::clone(&self.inner.ports.model);
        let job = self.job;
        let mut call = Box::pin(async move { model.stream(&job.request).await });
        let events = loop {
            match select(&mut call, self.contact()).await {
                Either::Left((Ok(events), _)) => break events,
                Either::Left((Err(error), _)) => return failed(&error),
                Either::Right(((), _)) => {}
            }
            if let Some(end) = self.interruption() {
                return end;
            }
        };
        self.read(events).await
    }

    async fn read(&mut self, mut events: ReplyEvents) -> End {
        let mut finished = None;
        loop {
            let next = match select(events.next(), self.contact()).await {
                Either::Left((next, _)) => Some(next),
                Either::Right(((), _)) => None,
            };
            match next {
                Some(Some(Ok(event))) => {
                    if let Some(reason) = self.take(event).await {
                        finished = Some(reason);
                    }
                }
                // What breaks after the model has finished costs nothing.
                Some(Some(Err(error))) if finished.is_none() => return failed(&error),
                Some(Some(Err(_)) | None) => return finished.map_or_else(cut, ended),
                None => {}
            }
            if finished.is_none()
                && let Some(end) = self.interruption()
            {
                return end;
            }
        }
    }

    async fn take(&mut self, event: ReplyEvent) -> Option<FinishReason> {
        match event {
            ReplyEvent::Text(text) => {
                self.first_text.get_or_insert_with(|| self.inner.now());
                if self.send(CompletionEvent::Text(text.clone())).await {
                    self.text.push_str(&text);
                }
                None
            }
            ReplyEvent::Thinking => None,
            ReplyEvent::Usage(usage) => {
                self.usage = Some(usage);
                None
            }
            ReplyEvent::Finish { reason, model } => {
                self.model = model;
                Some(reason)
            }
        }
    }

    /// Why the answer ends before the model has finished.
    fn interruption(&self) -> Option<End> {
        let end = |why, failure| Some(End { why, failure });
        if self.guard.is_handed_over() {
            return end(EndReason::Lost, Some(Failure::ServerLost));
        }
        if self.events.is_closed() || self.guard.stop_requested() {
            return end(EndReason::Stopped, None);
        }
        let bytes_max = usize::try_from(self.inner.settings.reply_bytes).unwrap_or(usize::MAX);
        let is_late = self.first_text.is_some_and(|first| self.inner.now().millis_since(first) > TOTAL_MS);
        if is_late || self.text.len() > bytes_max { end(EndReason::Length, None) } else { None }
    }

    /// Passes on; `false` where nobody takes it any more.
    async fn send(&mut self, event: CompletionEvent) -> bool {
        let clock = &self.inner.runtime.clock;
        let stall = clock.sleep_until(clock.now().plus_millis(STALL_MS));
        let is_sent = match select(self.events.send(event), stall).await {
            Either::Left((sent, _)) => sent.is_ok(),
            Either::Right(((), _)) => false,
        };
        if !is_sent {
            self.events.close_channel();
        }
        is_sent
    }

    fn contact(&self) -> BoxFuture<'a, ()> {
        let clock = &self.inner.runtime.clock;
        clock.sleep_until(clock.now().plus_millis(CONTACT_MS))
    }

    /// Takes what the answer costs from its hold, or frees the hold.
    async fn settle(&self, end: &End) -> Result<Option<MessageUsage>, PortError> {
        let tokens = billable(end.why, self.usage, self.job.prompt_tokens_estimate, &self.text);
        let (message_id, at) = (self.job.request.message_id, self.inner.now());
        let meter = &self.inner.ports.meter;
        let Some(charge) = charge(tokens, self.job.tariff, self.job.held) else {
            retried(self.inner, || meter.void(message_id, at)).await?;
            return Ok(None);
        };
        let settlement = Settlement { message_id, tokens: charge.tokens, credits: charge.credits, at };
        retried(self.inner, || meter.settle(&settlement)).await?;
        Ok(Some(MessageUsage { tokens: charge.tokens, credits: charge.credits }))
    }

    async fn conclude(mut self, end: End, usage: Option<MessageUsage>) {
        let text = std::mem::take(&mut self.text);
        let last = if let Some(failure) = end.failure {
            CompletionEvent::Failed { text, failure }
        } else {
            let model = self.model.take().unwrap_or_else(|| self.job.request.model_alias.clone());
            CompletionEvent::Done { text, model, usage }
        };
        self.send(last).await;
    }
}

fn failed(error: &ModelError) -> End {
    tracing::warn!(%error, "the model failed another program's question");
    let failure = match error {
        ModelError::Unavailable(_) | ModelError::Cut(_) => Failure::ModelUnavailable,
        ModelError::Timeout => Failure::ModelTimeout,
    };
    End { why: EndReason::Error, failure: Some(failure) }
}

fn cut() -> End {
    failed(&ModelError::Cut("the stream ended without a finish".to_owned()))
}

fn ended(reason: FinishReason) -> End {
    match reason {
        FinishReason::Stop => End { why: EndReason::Done, failure: None },
        FinishReason::Length => End { why: EndReason::Length, failure: None },
        FinishReason::ContentFilter => End { why: EndReason::Blocked, failure: None },
        FinishReason::Other(reason) => {
            tracing::warn!(reason, "the model finished for a reason we do not know");
            End { why: EndReason::Error, failure: Some(Failure::ModelUnavailable) }
        }
    }
}
