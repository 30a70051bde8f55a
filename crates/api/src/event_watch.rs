//! Watching a conversation over plain HTTP, where there is no socket: one audience for one request.
//!
//! Only committed events count here; growing text, presence and typing belong to the socket. What is noted is
//! bounded: a reader that is too slow reads the log again.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use chat::event::departed;
use chat::feed::{Audience, Batch, ClientPlace, FeedHandle, FeedItem, Recovery};
use chat::{ChatService, ConversationId};
use futures::future::{BoxFuture, Shared};
use kernel::UserId;
use tokio::sync::Notify;

use crate::problem::{Problem, Slug};

/// Ends when the server begins to stop: whoever waits is answered.
pub type Stopping = Shared<BoxFuture<'static, ()>>;

/// Batches that are noted for one reader.
const BATCHES_MAX: usize = 64;
/// A reader of too many streams may try again after so long.
const RETRY_MS: i64 = 5_000;

/// How many watches each person has open on this instance.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    open: Mutex<HashMap<UserId, u32>>,
}

impl Watches {
    /// One more watch of this person, unless there are so many; 0 is no limit.
    pub(crate) fn admit(self: &Arc<Self>, user: UserId, limit: u32) -> Result<Permit, Problem> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(user).or_insert(0);
        if limit > 0 && *count >= limit {
            return Err(Problem::new(Slug::TooManyStreams).used_up(limit, RETRY_MS));
        }
        *count += 1;
        Ok(Permit { watches: Arc::clone(self), user })
    }

    fn leave(&self, user: UserId) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&user) {
            *count -= 1;
            if *count == 0 {
                open.remove(&user);
            }
        }
    }
}

/// The place of one watch; dropping it gives it back.
pub(crate) struct Permit {
    watches: Arc<Watches>,
    user: UserId,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.watches.leave(self.user);
    }
}

/// What a watch brings.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum News {
    /// Committed events, in a batch of the feed.
    Events(Arc<Batch>),
    /// More came than was noted: the log has it.
    Lagged,
    /// The person was shown out, or the log is another one.
    Over,
}

/// One watch.
pub(crate) struct EventWatch {
    chat: Arc<ChatService>,
    feed: FeedHandle,
    notes: Arc<Notes>,
    /// Batches up to here were part of a recovery.
    position: u64,
    _permit: Permit,
}

impl EventWatch {
    /// Watches from now on. The caller has checked that the person may.
    pub(crate) async fn open(
        chat: Arc<ChatService>,
        permit: Permit,
        conversation: &ConversationId,
    ) -> Result<Self, Problem> {
        let notes = Arc::new(Notes::of(permit.user));
        let audience: Arc<dyn Audience> = Arc::<Notes>::clone(&notes);
        let feed = chat.feed(conversation, audience).await?;
        Ok(Self { chat, feed, notes, position: 0, _permit: permit })
    }

    /// What a client at this place has missed; what is noted already is part of it.
    pub(crate) async fn recover(&mut self, place: &ClientPlace) -> Result<Recovery, Problem> {
        let recovery = self.chat.recover(&self.feed, place).await?;
        self.position = recovery.position;
        Ok(recovery)
    }

    /// Whose words are hidden from the person who watches.
    pub(crate) async fn hidden(&self) -> Result<Arc<[UserId]>, Problem> {
        Ok(self.chat.hidden_from(self.notes.user).await?)
    }

    /// Waits for what was not part of a recovery.
    pub(crate) async fn next(&self) -> News {
        loop {
            if let Some(news) = self.notes.take(self.position) {
                return news;
            }
            self.notes.wake.notified().await;
        }
    }
}

struct Notes {
    user: UserId,
    noted: Mutex<Noted>,
    wake: Notify,
}

#[derive(Default)]
struct Noted {
    batches: VecDeque<Arc<Batch>>,
    lagged: bool,
    /// The place of an event that ended the person's membership: what was recovered beyond it may be seen.
    departed_at: Option<u64>,
    over: bool,
}

impl Notes {
    fn of(user: UserId) -> Self {
        Self { user, noted: Mutex::default(), wake: Notify::new() }
    }

    fn take(&self, after: u64) -> Option<News> {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.over || noted.departed_at.is_some_and(|at| at > after) {
            return Some(News::Over);
        }
        if std::mem::take(&mut noted.lagged) {
            return Some(News::Lagged);
        }
        while let Some(batch) = noted.batches.pop_front() {
            if batch.position > after {
                return Some(News::Events(batch));
            }
        }
        None
    }
}

impl Audience for Notes {
    fn deliver(&self, _conversation: &ConversationId, batch: &Arc<Batch>) {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if let FeedItem::Events(events) = &batch.item
            && departed(events).contains(&self.user)
        {
            noted.departed_at = Some(batch.position);
        }
        match &batch.item {
            FeedItem::Events(_) if noted.batches.len() < BATCHES_MAX => {
                noted.batches.push_back(Arc::clone(batch));
            }
            FeedItem::Events(_) => {
                noted.batches.clear();
                noted.lagged = true;
            }
            FeedItem::Reset => noted.over = true,
            FeedItem::Expelled { user_id } if *user_id == self.user => noted.over = true,
            FeedItem::Delta { .. }
            | FeedItem::Typing { .. }
            | FeedItem::Read { .. }
            | FeedItem::Presence { .. }
            | FeedItem::TurnOver { .. }
            | FeedItem::Notice { .. }
            | FeedItem::Expelled { .. } => return,
        }
        drop(noted);
        self.wake.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use chat::MemberAction;
    use chat::event::{Event, EventBody};
    use kernel::{Id, Timestamp};

    use super::*;

    fn user(n: u128) -> UserId {
        Id::from_uuid(uuid::Uuid::from_u128(n))
    }

    fn batch(position: u64, item: FeedItem) -> Arc<Batch> {
        Arc::new(Batch { position, item })
    }

    fn notes_of(items: impl IntoIterator<Item = FeedItem>) -> Notes {
        let (notes, room) = (Notes::of(user(1)), "r".parse().unwrap());
        for (n, item) in items.into_iter().enumerate() {
            notes.deliver(&room, &batch(u64::try_from(n).unwrap() + 1, item));
        }
        notes
    }

    #[test]
    fn a_person_has_so_many_watches_and_gives_them_back() {
        let watches = Arc::new(Watches::default());
        let first = watches.admit(user(1), 1).ok().unwrap();
        assert!(watches.admit(user(1), 1).is_err());
        assert!(watches.admit(user(2), 1).is_ok() && watches.admit(user(1), 0).is_ok());
        drop(first);
        assert!(watches.admit(user(1), 1).is_ok());
        assert!(watches.open.lock().unwrap().is_empty());
    }

    #[test]
    fn only_events_that_were_not_recovered_are_news() {
        let typing = FeedItem::Typing { user_id: user(2), connection: String::new() };
        let notes = notes_of([FeedItem::Events(Vec::new()), typing, FeedItem::Events(Vec::new())]);
        assert_eq!(notes.take(1), Some(News::Events(batch(3, FeedItem::Events(Vec::new())))));
        assert_eq!(notes.take(1), None);
    }

    #[test]
    fn a_slow_reader_is_sent_back_to_the_log() {
        let notes = notes_of((0..=BATCHES_MAX).map(|_| FeedItem::Events(Vec::new())));
        assert_eq!((notes.take(0), notes.take(0)), (Some(News::Lagged), None));
    }

    #[test]
    fn the_log_shows_out_who_was_not_told() {
        let members = |actions: &[MemberAction]| {
            let event = |(seq, action): (u64, &MemberAction)| Event {
                seq,
                body: EventBody::Member { user_id: user(1), action: *action },
                created_at: Timestamp::from_millis(0),
                message: None,
                author: None,
            };
            notes_of([FeedItem::Events((1..).zip(actions).map(event).collect())])
        };
        assert_eq!(members(&[MemberAction::Banned]).take(0), Some(News::Over));
        assert_eq!(members(&[MemberAction::Banned]).take(1), None, "it was part of what was recovered");
        let again = members(&[MemberAction::Left, MemberAction::Joined]).take(0);
        assert!(matches!(again, Some(News::Events(_))), "{again:?}");
    }

    #[test]
    fn being_shown_out_ends_ones_own_watch_only() {
        assert_eq!(notes_of([FeedItem::Expelled { user_id: user(2) }]).take(0), None);
        assert_eq!(notes_of([FeedItem::Expelled { user_id: user(1) }]).take(0), Some(News::Over));
        assert_eq!(notes_of([FeedItem::Reset]).take(0), Some(News::Over));
    }
}
