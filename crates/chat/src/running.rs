//! The replies and the rooms' turns that this instance is at work on.
//!
//! A sweep must tell an orphan from a reply that is merely slow, a person may have only so many replies growing
//! at once, and a stop must reach a reply of this process whether or not the buffer can be reached; all ask here. In a conversation one task at a time works turns off; who brings another turn tells it to look
//! again. An entry goes when its guard is dropped, also when the task panics.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kernel::{MessageId, UserId};

use crate::conversation::ConversationId;

/// Replies at work on this instance, and for whom; and conversations whose turns are worked off.
#[derive(Debug, Default)]
pub(crate) struct Running {
    replies: Mutex<HashMap<MessageId, Entry>>,
    rooms: Mutex<HashMap<ConversationId, RoomEntry>>,
    handing_over: AtomicBool,
}

#[derive(Debug)]
struct Entry {
    user: UserId,
    stop: Arc<AtomicBool>,
}

#[derive(Debug)]
struct RoomEntry {
    /// Which guard it belongs to.
    ticket: Arc<()>,
    /// Whether a turn came since the task last looked.
    has_news: bool,
}

/// Keeps a conversation's turns registered as worked off while it lives.
pub(crate) struct RoomGuard {
    running: Arc<Running>,
    room: ConversationId,
    ticket: Arc<()>,
}

impl RoomGuard {
    /// The conversation.
    pub(crate) fn room(&self) -> &ConversationId {
        &self.room
    }

    /// Whether a turn came since this was asked last. Where none did, the conversation is given up: who comes next
    /// begins a new task.
    pub(crate) fn has_news(&self) -> bool {
        let mut rooms = self.running.rooms();
        match rooms.get_mut(&self.room) {
            Some(entry) if Arc::ptr_eq(&entry.ticket, &self.ticket) => {
                let has_news = std::mem::take(&mut entry.has_news);
                if !has_news {
                    rooms.remove(&self.room);
                }
                has_news
            }
            Some(_) | None => false,
        }
    }
}

impl Drop for RoomGuard {
    fn drop(&mut self) {
        let mut rooms = self.running.rooms();
        if rooms.get(&self.room).is_some_and(|entry| Arc::ptr_eq(&entry.ticket, &self.ticket)) {
            rooms.remove(&self.room);
        }
    }
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

    /// Registers a task for a conversation's turns; `None` where one is at work, which is told to look again.
    pub(crate) fn begin_room(self: &Arc<Self>, room: &ConversationId) -> Option<RoomGuard> {
        let mut rooms = self.rooms();
        if let Some(entry) = rooms.get_mut(room) {
            entry.has_news = true;
            return None;
        }
        let ticket = Arc::new(());
        rooms.insert(room.clone(), RoomEntry { ticket: Arc::clone(&ticket), has_news: false });
        Some(RoomGuard { running: Arc::clone(self), room: room.clone(), ticket })
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

    /// In how many conversations turns are worked off here.
    pub(crate) fn room_count(&self) -> usize {
        self.rooms().len()
    }

    fn rooms(&self) -> MutexGuard<'_, HashMap<ConversationId, RoomEntry>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
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

    #[test]
    fn one_task_works_a_room_off_and_hears_of_what_comes_meanwhile() {
        let running = Arc::new(Running::default());
        let room = "room".parse().unwrap();
        let first = running.begin_room(&room).unwrap();
        assert!(running.begin_room(&room).is_none());
        assert!(first.has_news());
        assert!(!first.has_news(), "and so it is given up");
        let second = running.begin_room(&room).unwrap();
        drop(first);
        assert_eq!(running.room_count(), 1, "an old guard does not end a new task");
        drop(second);
        assert_eq!(running.room_count(), 0);
    }
}
