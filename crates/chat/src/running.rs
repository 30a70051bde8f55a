//! The replies that this instance is at work on.
//!
//! A sweep must tell an orphan from a reply that is merely slow, a person may have only so many replies growing
//! at once, and a stop must reach a reply of this process whether or not the buffer can be reached; all ask here.
//! An entry goes when its guard is dropped, also when the task panics.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kernel::{MessageId, UserId};

/// Replies at work on this instance, and for whom.
#[derive(Debug, Default)]
pub(crate) struct Running {
    replies: Mutex<HashMap<MessageId, Entry>>,
    handing_over: AtomicBool,
}

#[derive(Debug)]
struct Entry {
    user: UserId,
    stop: Arc<AtomicBool>,
}

/// Keeps a reply registered while it lives.
pub(crate) struct RunningGuard {
    running: Arc<Running>,
    message_id: MessageId,
    stop: Arc<AtomicBool>,
}

impl RunningGuard {
    /// Whether somebody asked this process to stop the reply.
    pub(crate) fn stop_requested(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Whether this process gives up what it is at work on.
    pub(crate) fn is_handed_over(&self) -> bool {
        self.running.handing_over.load(Ordering::Relaxed)
    }
}

impl Running {
    /// Registers a reply, unless the person has `streams_max` already (`0`: no limit).
    pub(crate) fn begin(
        self: &Arc<Self>,
        user: UserId,
        message_id: MessageId,
        streams_max: u32,
    ) -> Option<RunningGuard> {
        let mut replies = self.replies();
        let of_user = replies.values().filter(|entry| entry.user == user).count();
        let limit = usize::try_from(streams_max).unwrap_or(usize::MAX);
        if streams_max > 0 && of_user >= limit {
            return None;
        }
        let stop = Arc::new(AtomicBool::new(false));
        replies.insert(message_id, Entry { user, stop: Arc::clone(&stop) });
        Some(RunningGuard { running: Arc::clone(self), message_id, stop })
    }

    /// Asks a reply of this process to stop; `false` if it is another's.
    pub(crate) fn request_stop(&self, message_id: MessageId) -> bool {
        match self.replies().get(&message_id) {
            Some(entry) => {
                entry.stop.store(true, Ordering::Relaxed);
                true
            }
            None => false,
        }
    }

    /// From now on no reply begins here, and those at work are closed with the text they have.
    pub(crate) fn hand_over(&self) {
        self.handing_over.store(true, Ordering::Relaxed);
    }

    /// Whether this instance is at work on the reply.
    pub(crate) fn contains(&self, message_id: MessageId) -> bool {
        self.replies().contains_key(&message_id)
    }

    /// Whether this process ends.
    pub(crate) fn is_handing_over(&self) -> bool {
        self.handing_over.load(Ordering::Relaxed)
    }

    /// How many replies are growing here.
    pub(crate) fn count(&self) -> usize {
        self.replies().len()
    }

    fn replies(&self) -> MutexGuard<'_, HashMap<MessageId, Entry>> {
        self.replies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RunningGuard {
    fn drop(&mut self) {
        self.running.replies().remove(&self.message_id);
    }
}

#[cfg(test)]
mod tests {
    use kernel::Id;

    use super::*;

    fn id<K>(n: u32) -> Id<K> {
        format!("00000000-0000-7000-8000-{n:012}").parse().unwrap()
    }

    #[test]
    fn a_person_has_so_many_replies_at_once_and_the_guard_frees_the_place() {
        let running = Arc::new(Running::default());
        let first = running.begin(id(1), id(10), 2).unwrap();
        let _second = running.begin(id(1), id(11), 2).unwrap();
        assert!(running.begin(id(1), id(12), 2).is_none());
        assert!(running.begin(id(2), id(13), 2).is_some());
        drop(first);
        assert!(!running.contains(id(10)));
        assert!(running.begin(id(1), id(12), 2).is_some());
    }
}
