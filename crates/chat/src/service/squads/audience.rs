//! The ear of a squad's watcher: a bounded queue that a feed can fill without waiting.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::channel::mpsc;

use crate::conversation::ConversationId;
use crate::feed::{Audience, Batch};

/// Text comes twenty times a second: a watcher that is so far behind reads the log instead.
const BATCHES_MAX: usize = 256;

/// Takes note of what a feed delivers.
pub(super) struct Listener {
    batches: Mutex<mpsc::Sender<Arc<Batch>>>,
    missed: Arc<AtomicBool>,
}

/// What a [`Listener`] has noted.
pub(super) struct Batches {
    pub(super) batches: mpsc::Receiver<Arc<Batch>>,
    missed: Arc<AtomicBool>,
}

impl Listener {
    pub(super) fn new() -> (Self, Batches) {
        let (sender, batches) = mpsc::channel(BATCHES_MAX);
        let missed = Arc::new(AtomicBool::new(false));
        (Self { batches: Mutex::new(sender), missed: Arc::clone(&missed) }, Batches { batches, missed })
    }
}

impl Audience for Listener {
    fn deliver(&self, _conversation: &ConversationId, batch: &Arc<Batch>) {
        // Nobody else takes the lock; a clone of the sender would have a place of its own, beyond the bound.
        let mut batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
        if batches.try_send(Arc::clone(batch)).is_err() {
            self.missed.store(true, Ordering::Relaxed);
        }
    }
}

impl Batches {
    /// Whether something was missed since this was asked last.
    pub(super) fn has_missed(&self) -> bool {
        self.missed.swap(false, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, StreamExt};

    use super::*;
    use crate::feed::FeedItem;

    #[test]
    fn a_listener_that_is_not_heard_stays_bounded_and_says_so() {
        let (listener, mut heard) = Listener::new();
        let room = "r".parse().unwrap();
        for position in 0..2_000 {
            listener.deliver(&room, &Arc::new(Batch { position, item: FeedItem::Reset }));
        }
        let count = std::iter::from_fn(|| heard.batches.next().now_or_never().flatten()).count();
        assert_eq!(count, BATCHES_MAX + 1);
        assert!(heard.has_missed());
        assert!(!heard.has_missed());
    }
}
