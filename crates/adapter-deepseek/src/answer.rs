//! The reply's stream: chunks as events, under the timers.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use async_openai::error::OpenAIError;
use async_openai::types::stream::StreamResponse;
use chat::ports::{ModelError, ReplyEvent};
use futures::StreamExt;
use futures::future::{Either, select};
use kernel::{Clock, Timestamp};

use crate::call::{Call, Waiting};
use crate::translator::Translator;

type Chunks = StreamResponse<Waiting>;

/// A reply that is being read. Dropping it closes the connection to the endpoint.
pub(crate) struct Answer {
    chunks: Chunks,
    call: Arc<Call>,
    translator: Translator,
    ready: VecDeque<ReplyEvent>,
    first_content_at: Option<Timestamp>,
    /// Told after what was read before it.
    error: Option<ModelError>,
    is_over: bool,
}

impl Answer {
    pub(crate) fn new(chunks: Chunks, call: Arc<Call>) -> Self {
        Self {
            chunks,
            call,
            translator: Translator::default(),
            ready: VecDeque::new(),
            first_content_at: None,
            error: None,
            is_over: false,
        }
    }

    /// The next event or the one error; `None` when all is said.
    pub(crate) async fn next(&mut self) -> Option<Result<ReplyEvent, ModelError>> {
        let waiting_since = self.call.clock.now();
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(Ok(event));
            }
            if let Some(error) = self.error.take() {
                self.is_over = true;
                return Some(Err(error));
            }
            if self.is_over {
                return None;
            }
            let read = match self.next_chunk(waiting_since).await {
                Ok(chunk) => self.read(chunk.as_ref()),
                Err(_late) if self.translator.is_finished() => {
                    self.is_over = true;
                    Ok(())
                }
                Err(late) => Err(late),
            };
            self.error = read.err();
        }
    }

    /// Reads the chunks that wait, or the end of the stream, which is whole only after a finish.
    fn read(&mut self, chunk: Option<&Result<Waiting, OpenAIError>>) -> Result<(), ModelError> {
        match chunk {
            Some(Ok(Waiting {})) => {
                for chunk in self.call.take() {
                    self.ready.extend(self.translator.read(chunk)?);
                }
            }
            Some(Err(_)) | None if self.translator.is_finished() => self.is_over = true,
            Some(Err(_)) | None => {
                let unfinished = || ModelError::Cut("the stream ended before the finish".to_owned());
                return Err(self.call.take_failure().unwrap_or_else(unfinished));
            }
        }
        if self.translator.has_begun() && self.first_content_at.is_none() {
            self.first_content_at = Some(self.call.clock.now());
            self.call.note_beginning();
        }
        Ok(())
    }

    async fn next_chunk(
        &mut self,
        waiting_since: Timestamp,
    ) -> Result<Option<Result<Waiting, OpenAIError>>, ModelError> {
        let limits = self.call.limits;
        let clock = &self.call.clock;
        let chunk = self.chunks.next();
        match self.first_content_at {
            None => before_first_content(&self.call, chunk).await,
            Some(_) if self.translator.is_finished() => {
                in_time(&**clock, waiting_since.plus_millis(limits.usage_ms), chunk).await
            }
            Some(first) => {
                let idle_due = waiting_since.plus_millis(limits.idle_ms);
                let answer_due = first.plus_millis(limits.answer_ms);
                let outcome = in_time(&**clock, idle_due.min(answer_due), chunk).await;
                let took_too_long = || ModelError::Cut("the answer took too long".to_owned());
                outcome.map_err(|late| if clock.now() >= answer_due { took_too_long() } else { late })
            }
        }
    }
}

/// What the future gives, unless the first content is overdue; signs of life on the way put that off.
pub(crate) async fn before_first_content<T>(
    call: &Call,
    future: impl Future<Output = T> + Send,
) -> Result<T, ModelError> {
    let mut future = pin!(future);
    loop {
        let due = call.first_content_due();
        match in_time(&*call.clock, due, future.as_mut()).await {
            Err(ModelError::Timeout) if call.first_content_due() > due => {}
            outcome => return outcome,
        }
    }
}

async fn in_time<T>(
    clock: &dyn Clock,
    due: Timestamp,
    future: impl Future<Output = T> + Send,
) -> Result<T, ModelError> {
    // `select` looks at the first one first: what is there already is never late.
    match select(pin!(future), clock.sleep_until(due)).await {
        Either::Left((output, _)) => Ok(output),
        Either::Right(((), _)) => Err(ModelError::Timeout),
    }
}
