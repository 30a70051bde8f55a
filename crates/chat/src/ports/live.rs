//! Ports of what may be lost: the bus, and the growing text of running replies.

use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use kernel::{MessageId, PortError, Timestamp, UserId};

use crate::conversation::ConversationId;
use crate::event::Frame;
use crate::generation::InstanceId;

/// What a watcher of the bus gets.
#[derive(Debug, Clone, PartialEq)]
pub enum BusSignal {
    /// A frame, as it was published. Within a process it is the publisher's own, not a copy.
    Frame(Arc<Frame>),
    /// Frames may have been lost (the bus reconnected, or this watcher was too slow): read the log.
    Missed,
}

/// Carries frames to all watchers of a conversation, on every instance. At most once: the log is the truth.
#[async_trait]
pub trait Broadcaster: Send + Sync {
    /// Publishes a frame to whoever watches now.
    ///
    /// MUST keep the order of one publisher's frames in one conversation, and reach subscribers of every
    /// instance on the same bus.
    async fn publish(&self, conversation: &ConversationId, frame: Arc<Frame>) -> Result<(), PortError>;

    /// Publishes several frames in this order, with one answer for all of them: after a failure any may be lost.
    async fn publish_all(&self, frames: &[(ConversationId, Arc<Frame>)]) -> Result<(), PortError> {
        for (conversation, frame) in frames {
            self.publish(conversation, Arc::clone(frame)).await?;
        }
        Ok(())
    }

    /// Watches a conversation from now on.
    ///
    /// MUST deliver every frame published after it returned, or [`BusSignal::Missed`] in its place. MUST hold a
    /// bounded number of frames for a slow watcher. Dropping the stream ends the watch.
    async fn subscribe(
        &self,
        conversation: &ConversationId,
    ) -> Result<BoxStream<'static, BusSignal>, PortError>;
}

/// New text of a running reply.
#[derive(Debug, Clone)]
pub struct Flush {
    /// Where the frame is published.
    pub conversation_id: ConversationId,
    /// The reply.
    pub message_id: MessageId,
    /// The writer's generation.
    pub generation: u32,
    /// Length of the text before this, in UTF-8 bytes.
    pub length_before: u64,
    /// The new text; empty to ask for the stop flag only.
    pub text: String,
    /// What is published to watchers after the append, if anything.
    pub frame: Option<Arc<Frame>>,
}

/// What became of a [`Flush`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlushOutcome {
    /// Appended and published.
    Accepted {
        /// Whether a stop was asked for.
        stop_requested: bool,
    },
    /// The buffered text has another length (the store lost or restored data): nothing was written. The writer
    /// restores it by [`StreamBuffer::open`] with the whole text.
    Diverged,
    /// Another generation owns the reply, or it is closed: the writer gives up.
    Fenced,
}

/// The text of a running reply so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Its generation.
    pub generation: u32,
    /// All text flushed.
    pub text: String,
}

/// The growing text of running replies, for late joiners on any instance, and the flag that stops them.
#[async_trait]
pub trait StreamBuffer: Send + Sync {
    /// Begins a reply's text, or replaces it by `text` after a loss. A stop flag that is set already stays set.
    ///
    /// MUST refuse a generation lower than the one it holds, with [`FlushOutcome::Fenced`].
    async fn open(
        &self,
        message_id: MessageId,
        generation: u32,
        text: &str,
    ) -> Result<FlushOutcome, PortError>;

    /// Generation check, length check, append, publish, renewal of the text's life and reading of the stop
    /// flag in one step, so that snapshot and live frames share one order.
    async fn flush(&self, flush: &Flush) -> Result<FlushOutcome, PortError>;

    /// The text so far, while the reply runs.
    async fn snapshot(&self, message_id: MessageId) -> Result<Option<Snapshot>, PortError>;

    /// Asks the owner to stop, whichever instance that is; also before the reply was opened.
    async fn request_stop(&self, message_id: MessageId) -> Result<(), PortError>;

    /// Ends the text's life. A later flush MUST be [`FlushOutcome::Fenced`].
    async fn close(&self, message_id: MessageId) -> Result<(), PortError>;
}

/// What became of an arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// The person is here.
    Here {
        /// Whether they were not here before, nor in grace: others are told.
        came: bool,
        /// How many people are here now, they too.
        online: u32,
    },
    /// So many are here already.
    Full {
        /// How many.
        online: u32,
    },
}

/// Who is here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Online {
    /// How many people; one in grace counts once.
    pub count: u32,
    /// Some of them, at most as many as were asked for.
    pub users: Vec<UserId>,
}

/// An entry of [`Presence`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attendance<'a> {
    /// Where.
    pub conversation: &'a ConversationId,
    /// Who.
    pub user: UserId,
    /// On which instance.
    pub instance: InstanceId,
}

/// Who is in which conversation now, on all instances. May be lost at any time: everybody is refreshed.
///
/// An entry has the time until which it counts; a person is here while one of their entries, of whichever instance,
/// counts.
#[async_trait]
pub trait Presence: Send + Sync {
    /// Enters a person of one instance, until then. MUST refuse with `Full` where `people_max` (0: no limit) others
    /// are here and the person is not; in one step, so that two cannot take the last place.
    async fn arrive(
        &self,
        who: Attendance<'_>,
        now: Timestamp,
        until: Timestamp,
        people_max: u32,
    ) -> Result<Arrival, PortError>;

    /// The person has left this instance: the entry counts until `until`, which ends the grace. An entry that is not
    /// there stays away.
    async fn depart(&self, who: Attendance<'_>, until: Timestamp) -> Result<(), PortError>;

    /// Renews entries of this instance, making lost ones again. Bounded commands for any number of entries.
    async fn refresh(
        &self,
        entries: &[(ConversationId, UserId)],
        instance: InstanceId,
        until: Timestamp,
    ) -> Result<(), PortError>;

    /// Removes what no longer counts in this conversation, and answers with those who are thereby gone: each person
    /// MUST be answered to one caller only. Very many may take several calls.
    async fn expire(&self, conversation: &ConversationId, now: Timestamp) -> Result<Vec<UserId>, PortError>;

    /// Who is here.
    async fn online(
        &self,
        conversation: &ConversationId,
        now: Timestamp,
        users_max: u32,
    ) -> Result<Online, PortError>;
}
