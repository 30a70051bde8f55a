//! Checkpoints of a growing reply: now and then its text goes to the database, so that a crash loses little.
//!
//! They are written by tasks of their own, one at a time for each reply: a slow database delays no text.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use kernel::{MessageId, Timestamp};

use crate::service::Inner;

const CHECKPOINT_MS: i64 = 2_000;
const CHECKPOINT_BYTES: usize = 2_048;

/// The checkpoints of one reply.
pub(super) struct Checkpoints {
    message_id: MessageId,
    generation: u32,
    last: Timestamp,
    shared: Arc<Shared>,
}

/// What the writing task tells.
#[derive(Default)]
struct Shared {
    is_busy: AtomicBool,
    /// Whether the last try failed: then the next one waits, so that an outage is not met with a storm.
    has_failed: AtomicBool,
    is_fenced: AtomicBool,
    kept_bytes: AtomicUsize,
}

/// Frees the place also where the task is dropped.
struct Busy(Arc<Shared>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.is_busy.store(false, Ordering::Release);
    }
}

impl Checkpoints {
    pub(super) fn new(message_id: MessageId, generation: u32, now: Timestamp) -> Self {
        Self { message_id, generation, last: now, shared: Arc::default() }
    }

    /// Whether a checkpoint was refused: the reply is somebody else's, or is gone.
    pub(super) fn is_fenced(&self) -> bool {
        self.shared.is_fenced.load(Ordering::Relaxed)
    }

    /// Begins a checkpoint if one is due and none is being written; answers whether it did.
    pub(super) fn tend(&mut self, inner: &Arc<Inner>, text: &str, now: Timestamp) -> bool {
        let new_bytes = text.len().saturating_sub(self.shared.kept_bytes.load(Ordering::Relaxed));
        let due = now.millis_since(self.last) >= CHECKPOINT_MS && new_bytes > 0;
        let much = new_bytes >= CHECKPOINT_BYTES && !self.shared.has_failed.load(Ordering::Relaxed);
        if !(due || much) || self.shared.is_busy.swap(true, Ordering::Acquire) {
            return false;
        }
        self.last = now;
        let (busy, inner, text) = (Busy(Arc::clone(&self.shared)), Arc::clone(inner), text.to_owned());
        let (message_id, generation) = (self.message_id, self.generation);
        let tasks = Arc::clone(&inner.runtime.tasks);
        tasks.spawn(Box::pin(async move {
            let kept = inner.ports.generations.checkpoint(message_id, generation, &text).await;
            busy.0.has_failed.store(kept.is_err(), Ordering::Relaxed);
            match kept {
                Ok(true) => busy.0.kept_bytes.store(text.len(), Ordering::Relaxed),
                Ok(false) => busy.0.is_fenced.store(true, Ordering::Relaxed),
                Err(error) => {
                    tracing::warn!(%error, message.id = %message_id, "a checkpoint failed; the next one will do");
                }
            }
        }));
        true
    }
}
