//! The way to the shared bus: a bounded queue that nobody waits for.
//!
//! Frames that could not be sent are lost, but not the fact: when the bus is back, the conversations concerned get an
//! empty `Committed`, which makes their watchers look at the log.

use std::collections::{HashSet, VecDeque};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use kernel::{PortError, Tasks};

use super::Lane;
use super::breaker::Breaker;
use crate::conversation::ConversationId;
use crate::event::Frame;

/// Frames that wait at most.
const FRAMES_MAX: usize = 4_096;
/// Frames that are sent together.
const FRAMES_AT_ONCE: usize = 64;
/// Conversations remembered that missed events; watchers of further ones find out by their regular look at the log.
const MISSED_MAX: usize = 10_000;

/// A reply that never was: any answer about it will do.
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";

type Addressed = (ConversationId, Arc<Frame>);

/// Sends frames in their order.
pub(super) struct Outbox {
    remote: Lane,
    breaker: Arc<Breaker>,
    tasks: Arc<dyn Tasks>,
    queue: Mutex<Queue>,
    itself: Weak<Self>,
}

#[derive(Default)]
struct Queue {
    frames: VecDeque<Addressed>,
    missed: HashSet<ConversationId>,
    is_draining: bool,
}

impl Queue {
    fn note_missed(&mut self, (conversation, frame): Addressed) {
        if matches!(&*frame, Frame::Committed { .. }) && self.missed.len() < MISSED_MAX {
            self.missed.insert(conversation);
        }
    }
}

impl Outbox {
    pub(super) fn new(remote: Lane, breaker: Arc<Breaker>, tasks: Arc<dyn Tasks>) -> Arc<Self> {
        let queue = Mutex::default();
        Arc::new_cyclic(|itself| Self { remote, breaker, tasks, queue, itself: itself.clone() })
    }

    /// Takes a frame to be sent, and returns at once.
    pub(super) fn push(&self, conversation: &ConversationId, frame: Arc<Frame>) {
        let addressed = (conversation.clone(), frame);
        if !self.is_reachable() {
            self.queue().note_missed(addressed);
            return;
        }
        let must_begin = {
            let mut queue = self.queue();
            queue.frames.push_back(addressed);
            if queue.frames.len() > FRAMES_MAX
                && let Some(oldest) = queue.frames.pop_front()
            {
                queue.note_missed(oldest);
            }
            !mem::replace(&mut queue.is_draining, true)
        };
        if must_begin {
            self.begin();
        }
    }

    /// Whether the shared bus and buffer are worth asking. While they are not, a probe is made each second.
    pub(super) fn is_reachable(&self) -> bool {
        if !self.breaker.is_open() {
            return true;
        }
        if self.breaker.claim_probe()
            && let Some(outbox) = self.itself.upgrade()
        {
            self.tasks.spawn(Box::pin(async move { outbox.probe().await }));
        }
        false
    }

    /// Says that the shared bus or buffer failed.
    pub(super) fn note_failure(&self, error: &PortError) {
        if self.breaker.trip() {
            tracing::warn!(%error, "the shared bus fails; other instances read the database meanwhile");
        }
    }

    async fn probe(&self) {
        let Ok(nobody) = NOBODY.parse() else { return };
        if let Err(error) = self.remote.buffer.snapshot(nobody).await {
            tracing::debug!(%error, "the shared bus is still away");
            return;
        }
        if self.breaker.close() {
            tracing::info!("the shared bus is back");
            let missed = mem::take(&mut self.queue().missed);
            for conversation in missed {
                self.push(&conversation, Arc::new(Frame::Committed { events: Vec::new() }));
            }
        }
    }

    fn begin(&self) {
        let Some(outbox) = self.itself.upgrade() else { return };
        let drain = Drain { outbox, is_over: false };
        self.tasks.spawn(Box::pin(async move { drain.run().await }));
    }

    fn next_round(&self) -> Vec<Addressed> {
        let mut queue = self.queue();
        let count = queue.frames.len().min(FRAMES_AT_ONCE);
        let round: Vec<Addressed> = queue.frames.drain(..count).collect();
        queue.is_draining = !round.is_empty();
        round
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one sender; dropped half-way, it lets the next frame begin another.
struct Drain {
    outbox: Arc<Outbox>,
    is_over: bool,
}

impl Drain {
    async fn run(mut self) {
        loop {
            let round = self.outbox.next_round();
            if round.is_empty() {
                self.is_over = true;
                return;
            }
            if let Err(error) = self.outbox.remote.broadcaster.publish_all(&round).await {
                self.outbox.note_failure(&error);
                let mut queue = self.outbox.queue();
                for lost in round {
                    queue.note_missed(lost);
                }
                for lost in mem::take(&mut queue.frames) {
                    queue.note_missed(lost);
                }
            }
        }
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        if !self.is_over {
            self.outbox.queue().is_draining = false;
        }
    }
}
