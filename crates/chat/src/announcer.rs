//! The announcer: tells watchers of committed events, many at a time.
//!
//! A commit may have the events of many callers, who all come here at once. What waits is gathered by conversation
//! and published as one frame each, by a task that lives only while something waits. The log has the truth: under
//! too much, the oldest are left out, and watchers find the hole.

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kernel::{Clock, Tasks};

use crate::conversation::ConversationId;
use crate::event::{Event, Frame};
use crate::ports::Broadcaster;

/// Events that wait at most.
const EVENTS_MAX: usize = 10_000;
/// A round less than this ago means that the house is busy, in milliseconds.
const BUSY_WITHIN_MS: i64 = 20;
/// Events of one frame at most, so that no frame of the bus grows without bound.
const FRAME_EVENTS_MAX: usize = 256;

/// Publishes committed events. Cheap to clone; all clones are one.
#[derive(Clone)]
pub(crate) struct Announcer {
    shared: Arc<Shared>,
    tasks: Arc<dyn Tasks>,
}

struct Shared {
    broadcaster: Arc<dyn Broadcaster>,
    clock: Arc<dyn Clock>,
    gather_ms: i64,
    /// When the last round began, in Unix milliseconds.
    last_round_at: AtomicI64,
    waiting: Mutex<Waiting>,
    dropped: AtomicU64,
}

#[derive(Default)]
struct Waiting {
    /// In order of arrival.
    parts: VecDeque<(ConversationId, Vec<Event>)>,
    events: usize,
    is_draining: bool,
}

impl Announcer {
    /// Rounds follow each other so many milliseconds apart where more than one message waits for the second; 0: at
    /// once.
    pub(crate) fn new(
        broadcaster: Arc<dyn Broadcaster>,
        tasks: Arc<dyn Tasks>,
        clock: Arc<dyn Clock>,
        gather_ms: u32,
    ) -> Self {
        let shared = Shared {
            broadcaster,
            clock,
            gather_ms: i64::from(gather_ms),
            last_round_at: AtomicI64::new(i64::MIN),
            waiting: Mutex::default(),
            dropped: AtomicU64::new(0),
        };
        Self { shared: Arc::new(shared), tasks }
    }

    /// Takes events to be told of, and returns at once.
    pub(crate) fn announce(&self, conversation: &ConversationId, events: Vec<Event>) {
        if events.is_empty() {
            return;
        }
        if self.shared.take(conversation.clone(), events) {
            let drain = Drain { shared: Arc::clone(&self.shared), is_over: false };
            self.tasks.spawn(Box::pin(async move { drain.run().await }));
        }
    }
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether somebody has to begin publishing.
    fn take(&self, conversation: ConversationId, events: Vec<Event>) -> bool {
        let mut waiting = self.waiting();
        waiting.events += events.len();
        waiting.parts.push_back((conversation, events));
        while waiting.events > EVENTS_MAX && waiting.parts.len() > 1 {
            let Some((_, oldest)) = waiting.parts.pop_front() else { break };
            waiting.events -= oldest.len();
            self.dropped.fetch_add(u64::try_from(oldest.len()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
        !mem::replace(&mut waiting.is_draining, true)
    }

    /// The callers of one commit come here one after the other: in a busy house, a round lets them all come.
    async fn gather(&self) {
        let now = self.clock.now();
        let last = self.last_round_at.swap(now.as_millis(), Ordering::Relaxed);
        if self.gather_ms > 0 && now.as_millis().saturating_sub(last) < BUSY_WITHIN_MS {
            self.clock.sleep_until(now.plus_millis(self.gather_ms)).await;
        }
    }

    /// All that waits; empty when the publisher may go.
    fn next_round(&self) -> VecDeque<(ConversationId, Vec<Event>)> {
        let mut waiting = self.waiting();
        waiting.events = 0;
        let parts = mem::take(&mut waiting.parts);
        waiting.is_draining = !parts.is_empty();
        parts
    }
}

/// The one publisher; dropped half-way, it lets the next event begin another.
struct Drain {
    shared: Arc<Shared>,
    is_over: bool,
}

impl Drain {
    async fn run(mut self) {
        loop {
            self.shared.gather().await;
            let round = self.shared.next_round();
            if round.is_empty() {
                self.is_over = true;
                return;
            }
            for (conversation, events) in gathered(round) {
                self.publish(&conversation, events).await;
            }
            let dropped = self.shared.dropped.swap(0, Ordering::Relaxed);
            if dropped > 0 {
                tracing::warn!(dropped, "{dropped} events were not announced; watchers read the log");
            }
        }
    }

    async fn publish(&self, conversation: &ConversationId, events: Vec<Event>) {
        for events in runs(events) {
            let frame = Arc::new(Frame::Committed { events });
            if let Err(error) = self.shared.broadcaster.publish(conversation, frame).await {
                tracing::warn!(%error, "events were not announced; watchers catch up from the log");
            }
        }
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        // One that was cut short leaves what waits to its successor; one that is over may have one already.
        if !self.is_over {
            self.shared.waiting().is_draining = false;
        }
    }
}

/// Events by conversation, in the order in which the conversations came.
fn gathered(
    parts: impl IntoIterator<Item = (ConversationId, Vec<Event>)>,
) -> Vec<(ConversationId, Vec<Event>)> {
    let mut places: HashMap<ConversationId, usize> = HashMap::new();
    let mut by_conversation: Vec<(ConversationId, Vec<Event>)> = Vec::new();
    for (conversation, events) in parts {
        let place = places.get(&conversation).and_then(|place| by_conversation.get_mut(*place));
        if let Some((_, gathered)) = place {
            gathered.extend(events);
        } else {
            places.insert(conversation.clone(), by_conversation.len());
            by_conversation.push((conversation, events));
        }
    }
    by_conversation
}

/// Ascending runs without a hole, each small enough for a frame.
fn runs(mut events: Vec<Event>) -> Vec<Vec<Event>> {
    events.sort_by_key(|event| event.seq);
    events.dedup_by_key(|event| event.seq);
    let mut runs: Vec<Vec<Event>> = Vec::new();
    for event in events {
        let goes_on = |run: &&mut Vec<Event>| {
            run.len() < FRAME_EVENTS_MAX && run.last().is_some_and(|last| last.seq + 1 == event.seq)
        };
        match runs.last_mut().filter(goes_on) {
            Some(run) => run.push(event),
            None => runs.push(vec![event]),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use futures::FutureExt;
    use futures::future::BoxFuture;
    use futures::stream::BoxStream;
    use kernel::{PortError, Timestamp};

    use super::*;
    use crate::event::EventBody;
    use crate::ports::BusSignal;
    use crate::room::MemberAction;

    /// Notes what was published.
    #[derive(Default)]
    struct Notes(Mutex<Vec<(String, Vec<u64>)>>);

    #[async_trait]
    impl Broadcaster for Notes {
        async fn publish(&self, to: &ConversationId, frame: Arc<Frame>) -> Result<(), PortError> {
            if let Frame::Committed { events } = &*frame {
                let seqs = events.iter().map(|event| event.seq).collect();
                self.0.lock().unwrap().push((to.to_string(), seqs));
            }
            Ok(())
        }

        async fn subscribe(&self, _: &ConversationId) -> Result<BoxStream<'static, BusSignal>, PortError> {
            Err(PortError::unavailable("bus", "only notes"))
        }
    }

    /// Keeps tasks until they are run.
    #[derive(Default)]
    struct Later(Mutex<Vec<BoxFuture<'static, ()>>>);

    impl Later {
        fn run(&self) -> usize {
            let tasks = mem::take(&mut *self.0.lock().unwrap());
            let count = tasks.len();
            let ended = tasks.into_iter().filter_map(FutureExt::now_or_never).count();
            assert_eq!(ended, count);
            count
        }
    }

    impl Tasks for Later {
        fn spawn(&self, task: BoxFuture<'static, ()>) {
            self.0.lock().unwrap().push(task);
        }
    }

    fn event(seq: u64) -> Event {
        let user_id = "00000000-0000-7000-8000-000000000001".parse().unwrap();
        let body = EventBody::Member { user_id, action: MemberAction::Joined };
        Event { seq, body, created_at: Timestamp::from_millis(1), message: None, author: None }
    }

    fn parts() -> (Arc<Notes>, Arc<Later>, Announcer) {
        let (notes, later) = (Arc::new(Notes::default()), Arc::new(Later::default()));
        let clock = Arc::new(kernel::ManualClock::at(Timestamp::from_millis(1)));
        let announcer = Announcer::new(notes.clone(), later.clone(), clock, 0);
        (notes, later, announcer)
    }

    fn room(name: &str) -> ConversationId {
        name.parse().unwrap()
    }

    #[test]
    fn what_waits_is_one_ascending_frame_for_each_conversation() {
        let (notes, later, announcer) = parts();
        for seq in [2, 1, 3] {
            announcer.announce(&room("a"), vec![event(seq)]);
        }
        announcer.announce(&room("b"), vec![event(7)]);
        announcer.announce(&room("a"), vec![event(9), event(3)]);
        assert_eq!(later.run(), 1);
        let told = notes.0.lock().unwrap().clone();
        assert_eq!(told, [("a".into(), vec![1, 2, 3]), ("a".into(), vec![9]), ("b".into(), vec![7])]);
        announcer.announce(&room("b"), vec![event(8)]);
        assert_eq!(later.run(), 1);
    }

    #[test]
    fn a_publisher_that_was_cut_short_has_a_successor() {
        let (notes, later, announcer) = parts();
        announcer.announce(&room("a"), vec![event(1)]);
        later.0.lock().unwrap().clear();
        announcer.announce(&room("a"), vec![event(2)]);
        later.run();
        assert_eq!(*notes.0.lock().unwrap(), [("a".to_owned(), vec![1, 2])]);
    }

    #[test]
    fn too_much_leaves_the_oldest_out() {
        let (notes, later, announcer) = parts();
        let many = u64::try_from(EVENTS_MAX).unwrap() + 5;
        for seq in 1..=many {
            announcer.announce(&room("a"), vec![event(seq)]);
        }
        assert_eq!(announcer.shared.dropped.load(Ordering::Relaxed), 5);
        later.run();
        let told: Vec<u64> = notes.0.lock().unwrap().iter().flat_map(|(_, seqs)| seqs.clone()).collect();
        assert_eq!(told, (6..=many).collect::<Vec<_>>());
    }
}
