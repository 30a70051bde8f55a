//! The growing text: in the shared buffer, then here.
//!
//! The shared one comes first while it can be reached: what anybody has seen then outlives this process. While it is
//! away the text goes on here; when it is back, its text has another length, and it gets the whole one.

use std::sync::Arc;

use async_trait::async_trait;
use kernel::{MessageId, PortError};

use super::outbox::Outbox;
use crate::ports::{Flush, FlushOutcome, Snapshot, StreamBuffer};

/// See [`super::local_first`].
pub struct LocalFirstBuffer {
    local: Arc<dyn StreamBuffer>,
    remote: Arc<dyn StreamBuffer>,
    outbox: Arc<Outbox>,
}

impl LocalFirstBuffer {
    pub(super) fn new(
        local: Arc<dyn StreamBuffer>,
        remote: Arc<dyn StreamBuffer>,
        outbox: Arc<Outbox>,
    ) -> Self {
        Self { local, remote, outbox }
    }

    /// What the shared buffer said, or `None` where it could not be asked.
    fn heard<T>(&self, answer: Result<T, PortError>) -> Option<T> {
        answer.inspect_err(|error| self.outbox.note_failure(error)).ok()
    }

    async fn open_remote(&self, message_id: MessageId, generation: u32, text: &str) -> Option<FlushOutcome> {
        if !self.outbox.is_reachable() {
            return None;
        }
        self.heard(self.remote.open(message_id, generation, text).await)
    }

    async fn flush_remote(&self, flush: &Flush) -> Result<Option<FlushOutcome>, PortError> {
        if !self.outbox.is_reachable() {
            return Ok(None);
        }
        let outcome = self.heard(self.remote.flush(flush).await);
        if outcome != Some(FlushOutcome::Diverged) {
            return Ok(outcome);
        }
        let Some(held) = self.local.snapshot(flush.message_id).await? else { return Ok(None) };
        if u64::try_from(held.text.len()) != Ok(flush.length_before) {
            // The writer is wrong, not the shared buffer: the one here will say so.
            return Ok(None);
        }
        let whole = held.text + &flush.text;
        let reopened = self.open_remote(flush.message_id, flush.generation, &whole).await;
        if let Some(frame) = &flush.frame {
            self.outbox.push(&flush.conversation_id, Arc::clone(frame));
        }
        Ok(reopened)
    }

    /// What both say together.
    async fn joined(
        &self,
        message_id: MessageId,
        stop_here: bool,
        remote: Option<FlushOutcome>,
    ) -> Result<FlushOutcome, PortError> {
        match remote {
            Some(FlushOutcome::Accepted { stop_requested }) => {
                Ok(FlushOutcome::Accepted { stop_requested: stop_requested || stop_here })
            }
            Some(FlushOutcome::Fenced) => {
                // Another instance owns it: what is here is of no more use.
                self.local.close(message_id).await?;
                Ok(FlushOutcome::Fenced)
            }
            // A buffer that loses its text again and again is as good as none.
            Some(FlushOutcome::Diverged) | None => Ok(FlushOutcome::Accepted { stop_requested: stop_here }),
        }
    }
}

#[async_trait]
impl StreamBuffer for LocalFirstBuffer {
    async fn open(
        &self,
        message_id: MessageId,
        generation: u32,
        text: &str,
    ) -> Result<FlushOutcome, PortError> {
        let stop_here = match self.local.open(message_id, generation, text).await? {
            FlushOutcome::Accepted { stop_requested } => stop_requested,
            refused @ (FlushOutcome::Diverged | FlushOutcome::Fenced) => return Ok(refused),
        };
        let remote = self.open_remote(message_id, generation, text).await;
        self.joined(message_id, stop_here, remote).await
    }

    async fn flush(&self, flush: &Flush) -> Result<FlushOutcome, PortError> {
        let remote = self.flush_remote(flush).await?;
        if remote == Some(FlushOutcome::Fenced) {
            return self.joined(flush.message_id, false, remote).await;
        }
        let stop_here = match self.local.flush(flush).await? {
            FlushOutcome::Accepted { stop_requested } => stop_requested,
            refused @ (FlushOutcome::Diverged | FlushOutcome::Fenced) => return Ok(refused),
        };
        self.joined(flush.message_id, stop_here, remote).await
    }

    async fn snapshot(&self, message_id: MessageId) -> Result<Option<Snapshot>, PortError> {
        if let Some(held) = self.local.snapshot(message_id).await? {
            return Ok(Some(held));
        }
        if !self.outbox.is_reachable() {
            return Err(PortError::unavailable("bus", "the shared buffer is away"));
        }
        let answer = self.remote.snapshot(message_id).await;
        answer.inspect_err(|error| self.outbox.note_failure(error))
    }

    async fn request_stop(&self, message_id: MessageId) -> Result<(), PortError> {
        self.local.request_stop(message_id).await?;
        if !self.outbox.is_reachable() {
            return Err(PortError::unavailable("bus", "the shared buffer is away"));
        }
        let answer = self.remote.request_stop(message_id).await;
        answer.inspect_err(|error| self.outbox.note_failure(error))
    }

    async fn close(&self, message_id: MessageId) -> Result<(), PortError> {
        self.local.close(message_id).await?;
        if self.outbox.is_reachable() {
            // Its text there runs out by itself.
            self.heard(self.remote.close(message_id).await);
        }
        Ok(())
    }
}
