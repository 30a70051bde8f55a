//! What the two ends of one call share: the reader of bytes on the library's task, and the reply's stream.
//!
//! The library carries one [`Waiting`] for all chunks of a beat; the chunks themselves wait here, read once.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chat::ports::ModelError;
use kernel::{Clock, Timestamp};
use serde::Deserialize;
use tokio::sync::Semaphore;

use crate::endpoint::EndpointLimits;
use crate::wire::Chunk;

/// Chunks that are read ahead of a slow consumer. The library's own queue has no bound.
pub(crate) const CHUNKS_AHEAD_MAX: usize = 32;

/// What the library reads in place of a vendor's chunks: that some wait in the call.
#[derive(Debug, Deserialize)]
pub(crate) struct Waiting {}

/// One call.
pub(crate) struct Call {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limits: EndpointLimits,
    /// A number of the call's own, so that many callers do not try again at the same moment.
    pub(crate) seed: u64,
    started_at: Timestamp,
    life_at: AtomicI64,
    has_begun: AtomicBool,
    failure: Mutex<Option<ModelError>>,
    chunks: Mutex<Vec<Chunk>>,
    room: Semaphore,
}

impl Call {
    pub(crate) fn begin(clock: Arc<dyn Clock>, limits: EndpointLimits, seed: u64) -> Self {
        let now = clock.now();
        Self {
            clock,
            limits,
            seed,
            started_at: now,
            life_at: AtomicI64::new(now.as_millis()),
            has_begun: AtomicBool::new(false),
            failure: Mutex::new(None),
            chunks: Mutex::default(),
            room: Semaphore::new(CHUNKS_AHEAD_MAX),
        }
    }

    /// The endpoint gave a sign of life.
    pub(crate) fn note_life(&self) {
        self.life_at.fetch_max(self.clock.now().as_millis(), Ordering::Relaxed);
    }

    /// The first content has come.
    pub(crate) fn note_beginning(&self) {
        self.has_begun.store(true, Ordering::Relaxed);
    }

    /// Whether the first content has come.
    pub(crate) fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::Relaxed)
    }

    /// Until when the first content must have come, as things stand.
    pub(crate) fn first_content_due(&self) -> Timestamp {
        let life_at = Timestamp::from_millis(self.life_at.load(Ordering::Relaxed));
        let by_life = life_at.plus_millis(self.limits.first_content_ms);
        by_life.min(self.started_at.plus_millis(self.limits.first_content_total_ms))
    }

    /// Keeps the reason of the end; the library would pass on only its text. The first one counts.
    pub(crate) fn fail(&self, error: ModelError) {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }

    /// The reason that was kept.
    pub(crate) fn take_failure(&self) -> Option<ModelError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Waits until the consumer has taken enough for one more chunk.
    pub(crate) async fn make_room(&self) {
        if let Ok(permit) = self.room.acquire().await {
            permit.forget();
        }
    }

    /// Whether there is room for one more chunk, which is taken.
    pub(crate) fn has_room(&self) -> bool {
        self.room.try_acquire().is_ok_and(|permit| {
            permit.forget();
            true
        })
    }

    /// Puts a chunk there that has been given room.
    pub(crate) fn put(&self, chunk: Chunk) {
        self.chunks().push(chunk);
    }

    /// All chunks that wait.
    pub(crate) fn take(&self) -> Vec<Chunk> {
        let chunks = std::mem::take(&mut *self.chunks());
        self.room.add_permits(chunks.len());
        chunks
    }

    fn chunks(&self) -> MutexGuard<'_, Vec<Chunk>> {
        self.chunks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
