//! Reads the model and feeds the stream buffer.
//!
//! The first text goes out at once; then it is coalesced, so that neither the bus nor the database sees
//! single tokens. Every flush brings back the stop flag, so a stop needs no message that could be lost.

use std::sync::Arc;

use futures::future::{Either, select};
use futures::{FutureExt, StreamExt};
use kernel::{Timestamp, TokenUsage};

use super::checkpoint::Checkpoints;
use super::{Closing, ReplyJob};
use crate::event::{Frame, utf16_length};
use crate::generation::billable;
use crate::marker::MarkerFilter;
use crate::message::{Citation, EndReason, Failure};
use crate::ports::{FinishReason, Flush, FlushOutcome, ModelError, ReplyEvent, ReplyEvents};
use crate::running::RunningGuard;
use crate::service::Inner;

const FLUSH_WINDOW_MS: i64 = 50;
/// Each flush is sent to every watcher: with more than so many it waits longer.
const MANY_WATCHERS: u32 = 1_000;
const FLUSH_WINDOW_MANY_MS: i64 = 100;
const VERY_MANY_WATCHERS: u32 = 5_000;
const FLUSH_WINDOW_VERY_MANY_MS: i64 = 200;
/// Text that comes so short before the end of the window need not wait for it: it seldom comes alone, and a timer less.
const EARLY_MS: i64 = 15;
const FLUSH_BYTES: usize = 2_048;
/// With nothing to flush, the stop flag is still looked at this often.
const CONTACT_MS: i64 = 1_000;
/// So many events that are there already are taken before anything is flushed.
const READY_MAX: usize = 64;
/// A reply may take so long from its first text on.
const TOTAL_MS: i64 = 600_000;
/// A model's name longer than this is not one.
const MODEL_NAME_CHARS_MAX: usize = 100;

/// How writing ended.
pub(super) enum Outcome {
    /// To be closed like this.
    Ended(Closing),
    /// Somebody else closed it.
    Fenced,
}

/// Why writing is over.
enum Halt {
    Stop,
    /// This process ends; the reply is closed with what it has.
    HandedOver,
    Fenced,
}

/// What the model's stream brought.
enum Next {
    Event(ReplyEvent),
    Failed(ModelError),
    Over,
    /// Nothing; something else is due.
    Woken,
}

impl Next {
    fn of(item: Option<Result<ReplyEvent, ModelError>>) -> Self {
        match item {
            Some(Ok(event)) => Self::Event(event),
            Some(Err(error)) => Self::Failed(error),
            None => Self::Over,
        }
    }
}

const fn flush_window(watchers: u32) -> i64 {
    if watchers > VERY_MANY_WATCHERS {
        FLUSH_WINDOW_VERY_MANY_MS
    } else if watchers > MANY_WATCHERS {
        FLUSH_WINDOW_MANY_MS
    } else {
        FLUSH_WINDOW_MS
    }
}

pub(super) struct Writer<'a> {
    inner: &'a Arc<Inner>,
    job: &'a ReplyJob,
    guard: &'a RunningGuard,
    filter: MarkerFilter,
    /// All text that may be shown.
    text: String,
    /// How much of it watchers have, in bytes and in UTF-16 units.
    flushed_bytes: usize,
    flushed_units: u32,
    last_contact: Option<Timestamp>,
    checkpoints: Checkpoints,
    /// Whether the last flush failed: then the next one waits, so that an outage is not met with a storm.
    buffer_failed: bool,
    first_text: Option<Timestamp>,
    usage: Option<TokenUsage>,
    finished: Option<(FinishReason, Option<String>)>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(inner: &'a Arc<Inner>, job: &'a ReplyJob, guard: &'a RunningGuard) -> Self {
        let passages = u32::try_from(job.request.prompt.passages.len()).unwrap_or(u32::MAX);
        Self {
            inner,
            job,
            guard,
            filter: MarkerFilter::new(passages),
            text: String::new(),
            flushed_bytes: 0,
            flushed_units: 0,
            last_contact: None,
            checkpoints: Checkpoints::new(job.request.message_id, job.generation, inner.now()),
            buffer_failed: false,
            first_text: None,
            usage: None,
            finished: None,
        }
    }

    pub(super) async fn write(&mut self) -> Outcome {
        self.restore_buffer().await;
        let over = match self.begin().await {
            Ok(Ok(events)) => self.read(events).await,
            Ok(Err(error)) => Ok(self.failed(&error)),
            Err(halt) => Err(halt),
        };
        let closing = match over {
            Ok(closing) => closing,
            Err(Halt::Stop) => self.closing(EndReason::Stopped, None),
            Err(Halt::HandedOver) => self.closing(EndReason::Lost, Some(Failure::ServerLost)),
            Err(Halt::Fenced) => return Outcome::Fenced,
        };
        match self.flush().await {
            Err(Halt::Fenced) => Outcome::Fenced,
            Ok(()) | Err(Halt::Stop | Halt::HandedOver) => Outcome::Ended(closing),
        }
    }

    /// Calls the model, and looks at the stop flag while it has not answered.
    async fn begin(&mut self) -> Result<Result<ReplyEvents, ModelError>, Halt> {
        let model = Arc::clone(&self.inner.ports.model);
        let mut call = Box::pin(async { model.stream(&self.job.request).await }).fuse();
        loop {
            let wake = self.inner.runtime.clock.sleep_until(self.wake_at());
            match select(&mut call, wake).await {
                Either::Left((answer, _)) => return Ok(answer),
                Either::Right(((), _)) => self.flush().await?,
            }
        }
    }

    async fn read(&mut self, mut events: ReplyEvents) -> Result<Closing, Halt> {
        let mut ready = None;
        loop {
            let next = match ready.take() {
                Some(next) => next,
                None => self.next(&mut events).await,
            };
            match next {
                Next::Event(event) => {
                    self.take(event);
                    ready = self.take_ready(&mut events);
                }
                Next::Failed(error) if self.finished.is_none() => return Ok(self.failed(&error)),
                // The model has said that it is finished; what breaks afterwards cost nothing.
                Next::Failed(_) | Next::Over => return Ok(self.ended()),
                Next::Woken => {}
            }
            if let Some(closing) = self.over_limit() {
                return Ok(closing);
            }
            self.tend().await?;
        }
    }

    async fn next(&self, events: &mut ReplyEvents) -> Next {
        let wake = self.inner.runtime.clock.sleep_until(self.wake_at());
        match select(events.next(), wake).await {
            Either::Left((next, _)) => Next::of(next),
            Either::Right(((), _)) => Next::Woken,
        }
    }

    /// Takes what has come already, so that a fast model costs one look at the clock for many words. Answers with
    /// the first thing that is no event.
    fn take_ready(&mut self, events: &mut ReplyEvents) -> Option<Next> {
        for _ in 0..READY_MAX {
            match Next::of(events.next().now_or_never()?) {
                Next::Event(event) => self.take(event),
                other => return Some(other),
            }
        }
        None
    }

    fn take(&mut self, event: ReplyEvent) {
        match event {
            ReplyEvent::Text(text) => {
                self.first_text.get_or_insert_with(|| self.inner.now());
                // No database stores a NUL in a text, so none may reach one.
                let shown = self.filter.push(&text.replace('\0', ""));
                self.text.push_str(&shown);
            }
            ReplyEvent::Thinking => {}
            ReplyEvent::Usage(usage) => self.usage = Some(usage),
            ReplyEvent::Finish { reason, model } => self.finished = Some((reason, model)),
        }
    }

    /// A reply that grows beyond its bounds ends as one that reached its output limit.
    fn over_limit(&mut self) -> Option<Closing> {
        let bytes_max = usize::try_from(self.inner.settings.reply_bytes).unwrap_or(usize::MAX);
        let too_long = self.text.len() > bytes_max;
        let too_late = self.first_text.is_some_and(|first| self.inner.now().millis_since(first) > TOTAL_MS);
        if !too_long && !too_late {
            return None;
        }
        if too_long {
            let cut = self.text.floor_char_boundary(bytes_max.max(self.flushed_bytes));
            self.text.truncate(cut);
        }
        Some(self.closing(EndReason::Length, None))
    }

    /// Flushes and checkpoints what is due.
    async fn tend(&mut self) -> Result<(), Halt> {
        let now = self.inner.now();
        let much = self.text.len() - self.flushed_bytes >= FLUSH_BYTES && !self.buffer_failed;
        if now.plus_millis(EARLY_MS) >= self.wake_at() || much {
            self.flush().await?;
        }
        if self.checkpoints.is_fenced() {
            return Err(Halt::Fenced);
        }
        if self.checkpoints.tend(self.inner, &self.text, now) {
            let tokens = billable(EndReason::Lost, self.usage, self.job.prompt_tokens_estimate, &self.text);
            self.inner.ports.meter.progress(self.job.request.message_id, tokens);
        }
        Ok(())
    }

    /// When there is something to do though the model says nothing.
    fn wake_at(&self) -> Timestamp {
        let Some(last) = self.last_contact else { return self.inner.now() };
        let waits = if self.buffer_failed || self.text.len() == self.flushed_bytes {
            CONTACT_MS
        } else if self.flushed_bytes > 0 {
            flush_window(self.job.watchers)
        } else {
            0
        };
        last.plus_millis(waits)
    }

    async fn flush(&mut self) -> Result<(), Halt> {
        let text = self.text.get(self.flushed_bytes..).unwrap_or_default().to_owned();
        let message_id = self.job.request.message_id;
        let generation = self.job.generation;
        let units = utf16_length(&text);
        let frame = (!text.is_empty()).then(|| {
            let (offset, text) = (self.flushed_units, text.clone());
            Arc::new(Frame::Delta { message_id, generation, offset, text })
        });
        let flush = Flush {
            conversation_id: self.job.conversation_id.clone(),
            message_id,
            generation,
            length_before: u64::try_from(self.flushed_bytes).unwrap_or(u64::MAX),
            text,
            frame,
        };
        self.last_contact = Some(self.inner.now());
        let flushed = self.send(&flush, units).await;
        // What this process was told counts whether or not the buffer could be asked.
        if self.guard.stop_requested() {
            return Err(Halt::Stop);
        }
        if self.guard.is_handed_over() {
            return Err(Halt::HandedOver);
        }
        flushed
    }

    async fn send(&mut self, flush: &Flush, units: u32) -> Result<(), Halt> {
        let outcome = self.inner.ports.buffer.flush(flush).await;
        let failed_before = std::mem::replace(&mut self.buffer_failed, outcome.is_err());
        match outcome {
            Ok(FlushOutcome::Accepted { stop_requested }) => {
                self.flushed_bytes += flush.text.len();
                self.flushed_units = self.flushed_units.saturating_add(units);
                if stop_requested { Err(Halt::Stop) } else { Ok(()) }
            }
            Ok(FlushOutcome::Diverged) => {
                self.restore_buffer().await;
                Ok(())
            }
            Ok(FlushOutcome::Fenced) => Err(Halt::Fenced),
            Err(error) => {
                // Watchers read the checkpoints meanwhile; the text is safe here.
                if !failed_before {
                    let message_id = self.job.request.message_id;
                    tracing::warn!(%error, message.id = %message_id, "a flush failed; watchers catch up later");
                }
                Ok(())
            }
        }
    }

    /// Puts the whole text into the buffer: at the start, and after the buffer lost it.
    async fn restore_buffer(&mut self) {
        let message_id = self.job.request.message_id;
        match self.inner.ports.buffer.open(message_id, self.job.generation, &self.text).await {
            Ok(_) => {
                self.flushed_bytes = self.text.len();
                self.flushed_units = utf16_length(&self.text);
            }
            Err(error) => {
                tracing::warn!(%error, message.id = %message_id, "the stream buffer is unreachable");
            }
        }
    }

    fn ended(&mut self) -> Closing {
        let Some((reason, model)) = self.finished.take() else {
            return self.failed(&ModelError::Cut("the stream ended without a finish".to_owned()));
        };
        let (why, failure) = match reason {
            FinishReason::Stop => (EndReason::Done, None),
            FinishReason::Length => (EndReason::Length, None),
            FinishReason::ContentFilter => (EndReason::Blocked, None),
            FinishReason::Other(reason) => {
                tracing::warn!(reason, "the model finished for a reason we do not know");
                (EndReason::Error, Some(Failure::ModelUnavailable))
            }
        };
        let model = model.map(|name| {
            name.chars().filter(|c| !c.is_control()).take(MODEL_NAME_CHARS_MAX).collect::<String>()
        });
        Closing { model, ..self.closing(why, failure) }
    }

    fn failed(&mut self, error: &ModelError) -> Closing {
        tracing::warn!(%error, message.id = %self.job.request.message_id, "the model failed");
        let failure = match error {
            ModelError::Unavailable(_) | ModelError::Cut(_) => Failure::ModelUnavailable,
            ModelError::Timeout => Failure::ModelTimeout,
        };
        self.closing(EndReason::Error, Some(failure))
    }

    fn closing(&mut self, why: EndReason, failure: Option<Failure>) -> Closing {
        let held_back = self.filter.finish();
        self.text.push_str(&held_back);
        Closing {
            why,
            failure,
            content: self.text.clone(),
            citations: self.citations(),
            upstream: self.usage,
            model: None,
            generation_after: self.job.generation,
        }
    }

    fn citations(&self) -> Vec<Citation> {
        let passages = &self.job.request.prompt.passages;
        let numbered = (1_u32..).zip(passages);
        let used: Vec<u32> = self.filter.used().collect();
        numbered
            .filter(|(n, _)| used.contains(n))
            .map(|(n, passage)| Citation {
                n,
                work: passage.work.clone(),
                chapter: passage.chapter.clone(),
                passage_id: passage.passage_id.clone(),
                quote: passage.text.clone(),
                score: passage.score,
            })
            .collect()
    }
}
