//! Feeds: what happens in a conversation, in order, on this instance.
//!
//! While somebody here watches a conversation there is one feed of it. The feed listens to the bus, applies the next
//! seq, drops lower ones, reads a hole from the log once, keeps the text of growing replies, and hands everything to
//! its audiences in one order. An audience only takes notes: it never waits, so one slow listener delays nobody.

mod listener;
mod reading;
mod recovery;
mod registry;
mod state;

use std::sync::Arc;

use kernel::{MessageId, PortError, UserId};

use crate::conversation::ConversationId;
use crate::error::ChatError;
use crate::event::{Event, Notice};
use crate::service::{ChatService, Inner};
pub use recovery::fitting;
pub(crate) use registry::Feeds;
use registry::{Feed, Place};

/// What happened, at one place in a feed's order.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// From 1, +1, in this feed: what was delivered before a [`Position`] has a lower or the same number.
    pub position: u64,
    /// What.
    pub item: FeedItem,
}

/// What a feed delivers.
#[derive(Debug, Clone, PartialEq)]
pub enum FeedItem {
    /// Committed events, ascending without a hole; the first follows the last delivered before.
    Events(Vec<Event>),
    /// A reply grew. Deltas of one reply are delivered without a hole from a [`Position`]'s text on.
    Delta {
        /// The reply.
        message_id: MessageId,
        /// Its generation.
        generation: u32,
        /// Where the text goes, in UTF-16 units.
        offset: u32,
        /// The new text.
        text: String,
    },
    /// Somebody is writing.
    Typing {
        /// Who.
        user_id: UserId,
        /// On which connection, which is not told of it.
        connection: String,
    },
    /// Somebody has read up to here.
    Read {
        /// Who.
        user_id: UserId,
        /// Up to which seq.
        seq: u64,
    },
    /// Somebody came or went.
    Presence {
        /// Who.
        user_id: UserId,
        /// Whether they are here.
        on: bool,
        /// How many are here.
        online: u32,
    },
    /// All replies of a turn have ended.
    TurnOver {
        /// The message that began the turn.
        question: MessageId,
    },
    /// Something that concerns one person.
    Notice {
        /// Whom.
        user_id: UserId,
        /// The message that began the turn.
        question: MessageId,
        /// What.
        notice: Notice,
    },
    /// Somebody is no longer a member.
    Expelled {
        /// Who.
        user_id: UserId,
    },
    /// The log is another one (its epoch changed) or is gone: everybody has to join again.
    Reset,
}

/// A reply that grows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Growing {
    /// The reply.
    pub message_id: MessageId,
    /// Its generation.
    pub generation: u32,
    /// All text so far.
    pub text: String,
}

/// Where a feed is. Everything up to here is in the log or in `streams`; everything later is delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The number of the last batch.
    pub position: u64,
    /// The log's epoch.
    pub epoch: String,
    /// The last seq that was delivered, or read when the feed began.
    pub head: u64,
    /// Replies that grow.
    pub streams: Vec<Growing>,
}

/// Somebody who is told.
pub trait Audience: Send + Sync {
    /// Takes note of a batch. Called in order, with the feed locked: it MUST NOT wait, nor call the feed.
    fn deliver(&self, conversation: &ConversationId, batch: &Arc<Batch>);
}

/// A watch of a feed; dropping it ends the watch, and the last one ends the feed.
pub struct FeedHandle {
    place: Place,
}

impl FeedHandle {
    /// The conversation.
    pub fn conversation(&self) -> &ConversationId {
        &self.feed().conversation
    }

    /// Where the feed is now: batches delivered to this handle's audience before this call have lower or the same
    /// numbers, those after it have higher ones.
    pub fn position(&self) -> Position {
        self.feed().state().position()
    }

    /// A reply's text so far, while it grows.
    pub fn growing(&self, message_id: MessageId) -> Option<Growing> {
        self.feed().state().growing(message_id)
    }

    fn feed(&self) -> &Arc<Feed> {
        self.place.feed()
    }
}

/// What a (re)joining client needs to be at `position`.
#[derive(Debug, Clone, PartialEq)]
pub struct Recovery {
    /// The log's epoch.
    pub epoch: String,
    /// The seq up to which `events` and `streams` tell everything, unless `more`.
    pub head: u64,
    /// Events after `since`, with authors, ascending: all of them, or the first ones where `more`. Empty without
    /// `since` and at a reset.
    pub events: Vec<Event>,
    /// Whether there are more events than fit: the client pages over HTTP up to `head`.
    pub more: bool,
    /// Whether the client's place is not one of this log: it starts anew.
    pub reset: bool,
    /// Replies that grow.
    pub streams: Vec<Growing>,
    /// Batches with a higher number are to be sent; lower ones are in here.
    pub position: u64,
}

/// Where a client says that it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientPlace {
    /// The last seq it has (exclusive).
    pub since: Option<u64>,
    /// The epoch it knows.
    pub epoch: Option<String>,
}

/// Sees to it that a conversation's watchers on this instance have been told of all that the log has now, though the
/// bus is slower.
pub(crate) async fn deliver_log(inner: &Inner, conversation: &ConversationId) -> Result<(), PortError> {
    match inner.feeds.of(conversation) {
        // One that begins later begins with what the log has by then.
        Some(feed) if feed.has_begun().await => reading::catch_up_with_texts(inner, &feed).await,
        Some(_) | None => Ok(()),
    }
}

impl ChatService {
    /// Watches a conversation on this instance. The caller has checked that the person may.
    pub async fn feed(
        &self,
        conversation: &ConversationId,
        audience: Arc<dyn Audience>,
    ) -> Result<FeedHandle, ChatError> {
        let place = self.inner.feeds.enter(conversation);
        place.feed().begin(&self.inner).await?;
        place.attend(audience);
        Ok(FeedHandle { place })
    }

    /// What a client at this place has missed. A place ahead of the feed but not of the log makes the feed catch up.
    pub async fn recover(&self, feed: &FeedHandle, place: &ClientPlace) -> Result<Recovery, ChatError> {
        recovery::recover(&self.inner, feed, place).await
    }

    /// Events of a conversation after a seq (exclusive), ascending, with their authors, at most `limit` and the
    /// most events of a page.
    pub async fn events(
        &self,
        conversation: &ConversationId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<Event>, ChatError> {
        let limit = limit.min(self.inner.settings.events_size);
        Ok(reading::events(&self.inner, conversation, after, limit).await?)
    }

    /// Compares the heads of watched conversations with the log's, in one read, and lets those that are behind catch
    /// up: those whose bus missed something, and every ten seconds all. Called every second.
    pub async fn check_heads(&self) -> Result<u64, ChatError> {
        let feeds = self.inner.feeds.due(self.inner.now());
        Ok(reading::check_heads(&self.inner, feeds).await?)
    }

    /// Feeds of this instance; 0 when nobody watches.
    pub fn feed_count(&self) -> usize {
        self.inner.feeds.count()
    }
}
