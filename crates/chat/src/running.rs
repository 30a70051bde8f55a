//! The replies that this instance is at work on.
//!
//! A sweep must tell an orphan from a reply that is merely slow, and a person may have only so many replies
//! growing at once; both ask here. An entry goes when its guard is dropped, also when the task panics.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kernel::{MessageId, UserId};

/// Replies at work on this instance, and for whom.
#[derive(Debug, Default)]
pub(crate) struct Running {
    replies: Mutex<HashMap<MessageId, UserId>>,
}

/// Keeps a reply registered while it lives.
pub(crate) struct RunningGuard {
    running: Arc<Running>,
    message_id: MessageId,
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
        let of_user = replies.values().filter(|owner| **owner == user).count();
        let limit = usize::try_from(streams_max).unwrap_or(usize::MAX);
        if streams_max > 0 && of_user >= limit {
            return None;
        }
        replies.insert(message_id, user);
        Some(RunningGuard { running: Arc::clone(self), message_id })
    }

    /// Whether this instance is at work on the reply.
    pub(crate) fn contains(&self, message_id: MessageId) -> bool {
        self.replies().contains_key(&message_id)
    }

    /// How many replies are growing here.
    pub(crate) fn count(&self) -> usize {
        self.replies().len()
    }

    fn replies(&self) -> MutexGuard<'_, HashMap<MessageId, UserId>> {
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
