//! The growing text of running replies, in process.
//!
//! One lock covers the check, the append and the publish, so that a snapshot and the live frames have one
//! order. What is left behind (a stop for a reply that never began, the fence of a closed one) expires.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chat::ports::{Flush, FlushOutcome, Snapshot, StreamBuffer};
use kernel::{Clock, MessageId, PortError, Timestamp};

use crate::broadcaster::MemoryBroadcaster;

/// A text lives so long after its last flush, in milliseconds.
const TEXT_LIFE_MS: i64 = 600_000;
/// A closed reply refuses late flushes so long, in milliseconds.
const FENCE_LIFE_MS: i64 = 300_000;
/// Expired entries are looked for at most so often, in milliseconds.
const PURGE_EVERY_MS: i64 = 30_000;

/// The texts of this process; publishes on the bus it was made with.
#[derive(Clone)]
pub struct MemoryStreamBuffer {
    bus: MemoryBroadcaster,
    clock: Arc<dyn Clock>,
    replies: Arc<Mutex<Replies>>,
}

#[derive(Default)]
struct Replies {
    entries: HashMap<MessageId, Entry>,
    purge_at: Timestamp,
}

struct Entry {
    body: Body,
    stop_requested: bool,
    expires_at: Timestamp,
}

enum Body {
    /// Only a stop was asked for so far.
    Unopened,
    Open(Snapshot),
    Closed,
}

/// How a writer's generation stands to what is held.
enum Standing {
    Owner,
    Fenced,
    Unknown,
}

impl MemoryStreamBuffer {
    /// An empty buffer that publishes on `bus`.
    pub fn new(bus: MemoryBroadcaster, clock: Arc<dyn Clock>) -> Self {
        Self { bus, clock, replies: Arc::default() }
    }

    /// Entries held: running replies, fences of closed ones, stops for replies to come.
    pub fn entry_count(&self) -> usize {
        self.replies().entries.len()
    }

    fn replies(&self) -> MutexGuard<'_, Replies> {
        let now = self.clock.now();
        let mut replies = self.replies.lock().unwrap_or_else(PoisonError::into_inner);
        replies.purge(now);
        replies
    }

    fn append_and_publish(&self, flush: &Flush) -> FlushOutcome {
        let now = self.clock.now();
        let mut replies = self.replies();
        let Some(entry) = replies.entries.get_mut(&flush.message_id) else { return FlushOutcome::Diverged };
        match entry.standing(flush.generation) {
            Standing::Owner => {}
            Standing::Fenced => return FlushOutcome::Fenced,
            Standing::Unknown => return FlushOutcome::Diverged,
        }
        let Body::Open(held) = &mut entry.body else { return FlushOutcome::Fenced };
        if u64::try_from(held.text.len()) != Ok(flush.length_before) {
            return FlushOutcome::Diverged;
        }
        held.text.push_str(&flush.text);
        entry.expires_at = now.plus_millis(TEXT_LIFE_MS);
        if let Some(frame) = &flush.frame {
            self.bus.publish_now(&flush.conversation_id, Arc::clone(frame));
        }
        FlushOutcome::Accepted { stop_requested: entry.stop_requested }
    }
}

impl Replies {
    fn purge(&mut self, now: Timestamp) {
        if now >= self.purge_at {
            self.entries.retain(|_, entry| entry.expires_at > now);
            self.purge_at = now.plus_millis(PURGE_EVERY_MS);
        }
    }

    fn entry(&mut self, message_id: MessageId) -> &mut Entry {
        self.entries.entry(message_id).or_insert(Entry {
            body: Body::Unopened,
            stop_requested: false,
            expires_at: Timestamp::default(),
        })
    }
}

impl Entry {
    fn standing(&self, generation: u32) -> Standing {
        match &self.body {
            Body::Closed => Standing::Fenced,
            Body::Open(held) if held.generation > generation => Standing::Fenced,
            Body::Open(held) if held.generation == generation => Standing::Owner,
            Body::Open(_) | Body::Unopened => Standing::Unknown,
        }
    }
}

#[async_trait]
impl StreamBuffer for MemoryStreamBuffer {
    async fn open(
        &self,
        message_id: MessageId,
        generation: u32,
        text: &str,
    ) -> Result<FlushOutcome, PortError> {
        let expires_at = self.clock.now().plus_millis(TEXT_LIFE_MS);
        let mut replies = self.replies();
        let entry = replies.entry(message_id);
        match entry.standing(generation) {
            Standing::Fenced => return Ok(FlushOutcome::Fenced),
            Standing::Owner | Standing::Unknown => {}
        }
        entry.body = Body::Open(Snapshot { generation, text: text.to_owned() });
        entry.expires_at = expires_at;
        Ok(FlushOutcome::Accepted { stop_requested: entry.stop_requested })
    }

    async fn flush(&self, flush: &Flush) -> Result<FlushOutcome, PortError> {
        Ok(self.append_and_publish(flush))
    }

    async fn snapshot(&self, message_id: MessageId) -> Result<Option<Snapshot>, PortError> {
        let replies = self.replies();
        let held = replies.entries.get(&message_id).and_then(|entry| match &entry.body {
            Body::Open(held) => Some(held.clone()),
            Body::Unopened | Body::Closed => None,
        });
        Ok(held)
    }

    async fn request_stop(&self, message_id: MessageId) -> Result<(), PortError> {
        let expires_at = self.clock.now().plus_millis(TEXT_LIFE_MS);
        let mut replies = self.replies();
        let entry = replies.entry(message_id);
        entry.stop_requested = true;
        entry.expires_at = entry.expires_at.max(expires_at);
        Ok(())
    }

    async fn close(&self, message_id: MessageId) -> Result<(), PortError> {
        let expires_at = self.clock.now().plus_millis(FENCE_LIFE_MS);
        let fence = Entry { body: Body::Closed, stop_requested: false, expires_at };
        self.replies().entries.insert(message_id, fence);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use kernel::ManualClock;

    use super::*;

    #[test]
    fn what_nobody_closed_expires() {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1)));
        let buffer = MemoryStreamBuffer::new(MemoryBroadcaster::new(8), clock.clone());
        let reply: MessageId = "0193d5c8-0000-7000-8000-000000000000".parse().unwrap();
        buffer.open(reply, 1, "学而").now_or_never().unwrap().unwrap();
        clock.advance_millis(TEXT_LIFE_MS - 1);
        assert_eq!(buffer.entry_count(), 1);
        clock.advance_millis(PURGE_EVERY_MS);
        assert_eq!(buffer.entry_count(), 0);
    }
}
