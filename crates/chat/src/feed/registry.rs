//! The feeds of this instance: one for each watched conversation, for as long as somebody watches it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::{AbortHandle, abortable};
use kernel::Timestamp;

use super::listener::listen;
use super::state::State;
use super::{Audience, reading};
use crate::conversation::ConversationId;
use crate::error::ChatError;
use crate::service::Inner;

/// Every feed is compared with the log this often, whatever its bus says.
const CHECK_ALL_MS: i64 = 10_000;

/// The feeds by conversation.
#[derive(Default)]
pub(crate) struct Feeds {
    entries: Mutex<HashMap<ConversationId, Entry>>,
    handles: AtomicU64,
    checked_all_at: Mutex<Timestamp>,
}

struct Entry {
    feed: Arc<Feed>,
    handles: usize,
}

/// One conversation's feed.
pub(crate) struct Feed {
    pub(super) conversation: ConversationId,
    state: Mutex<State>,
    /// Whether it has begun. Whoever comes meanwhile waits, and begins it where the first one failed.
    has_begun: futures::lock::Mutex<bool>,
    /// One reads the log at a time.
    pub(super) reading: futures::lock::Mutex<()>,
    /// Whether the bus may have lost something.
    is_dirty: AtomicBool,
    /// Whether the bus tells it nothing at all.
    is_deaf: AtomicBool,
    listener: Mutex<Option<AbortHandle>>,
}

/// A place in a feed; the last one that is dropped ends the feed.
pub(super) struct Place {
    feeds: Arc<Feeds>,
    feed: Arc<Feed>,
    id: u64,
}

impl Feeds {
    /// A place in the feed of a conversation, which may not have begun.
    pub(super) fn enter(self: &Arc<Self>, conversation: &ConversationId) -> Place {
        let mut entries = self.entries();
        let entry = entries
            .entry(conversation.clone())
            .or_insert_with(|| Entry { feed: Arc::new(Feed::new(conversation.clone())), handles: 0 });
        entry.handles += 1;
        let feed = Arc::clone(&entry.feed);
        Place { feeds: Arc::clone(self), feed, id: self.handles.fetch_add(1, Ordering::Relaxed) }
    }

    /// The feed of a conversation, if somebody here watches it.
    pub(super) fn of(&self, conversation: &ConversationId) -> Option<Arc<Feed>> {
        self.entries().get(conversation).map(|entry| Arc::clone(&entry.feed))
    }

    pub(super) fn count(&self) -> usize {
        self.entries().len()
    }

    /// Feeds whose heads are to be compared now, and whether because of a loss.
    pub(super) fn due(&self, now: Timestamp) -> Vec<(Arc<Feed>, bool)> {
        let checks_all = self.checks_all(now);
        let entries = self.entries();
        let judged = entries.values().map(|entry| (Arc::clone(&entry.feed), entry.feed.take_loss()));
        judged.filter(|(_, has_lost)| checks_all || *has_lost).collect()
    }

    fn checks_all(&self, now: Timestamp) -> bool {
        let mut checked_at = self.checked_all_at.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = now.millis_since(*checked_at) >= CHECK_ALL_MS;
        if is_due {
            *checked_at = now;
        }
        is_due
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<ConversationId, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Feed {
    fn new(conversation: ConversationId) -> Self {
        Self {
            state: Mutex::new(State::new(conversation.clone())),
            conversation,
            has_begun: futures::lock::Mutex::new(false),
            reading: futures::lock::Mutex::default(),
            is_dirty: AtomicBool::new(false),
            is_deaf: AtomicBool::new(false),
            listener: Mutex::default(),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Listens to the bus first and reads the log then, so that nothing falls between.
    pub(super) async fn begin(self: &Arc<Self>, inner: &Arc<Inner>) -> Result<(), ChatError> {
        let mut has_begun = self.has_begun.lock().await;
        if *has_begun {
            return Ok(());
        }
        let bus = match inner.ports.broadcaster.subscribe(&self.conversation).await {
            Ok(signals) => Some(signals),
            Err(error) => {
                tracing::warn!(%error, "the bus cannot be watched; the log is asked instead");
                None
            }
        };
        self.set_deaf(bus.is_none());
        reading::place(inner, self).await?.ok_or(ChatError::NotFound)?;
        let (listening, listener) = abortable(listen(Arc::clone(inner), Arc::clone(self), bus));
        *self.listener() = Some(listener);
        inner.runtime.tasks.spawn(Box::pin(async move {
            // Aborted is how it ends.
            let _ = listening.await;
        }));
        *has_begun = true;
        Ok(())
    }

    /// Whether it stands in the log; waits for whoever puts it there just now.
    pub(super) async fn has_begun(&self) -> bool {
        *self.has_begun.lock().await
    }

    /// The bus may have lost something: the next look at the heads tells.
    pub(super) fn mark_dirty(&self) {
        self.is_dirty.store(true, Ordering::Relaxed);
    }

    pub(super) fn set_deaf(&self, is_deaf: bool) {
        self.is_deaf.store(is_deaf, Ordering::Relaxed);
    }

    fn take_loss(&self) -> bool {
        let was_dirty = self.is_dirty.swap(false, Ordering::Relaxed);
        was_dirty || self.is_deaf.load(Ordering::Relaxed)
    }

    fn listener(&self) -> MutexGuard<'_, Option<AbortHandle>> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    pub(super) fn feed(&self) -> &Arc<Feed> {
        &self.feed
    }

    /// From now on this audience is told.
    pub(super) fn attend(&self, audience: Arc<dyn Audience>) {
        self.feed.state().add(self.id, audience);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut entries = self.feeds.entries();
        let left = self.feed.state().remove(self.id);
        let is_last = entries.get_mut(&self.feed.conversation).is_some_and(|entry| {
            entry.handles -= 1;
            entry.handles == 0
        });
        if is_last {
            entries.remove(&self.feed.conversation);
            if let Some(listener) = self.feed.listener().take() {
                listener.abort();
            }
        }
        drop(entries);
        // An audience's own end may be long, and is no business of the other feeds.
        drop(left);
    }
}
