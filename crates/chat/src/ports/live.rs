//! Ports of what may be lost: the bus, and the growing text of running replies.

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use kernel::{MessageId, PortError};

use crate::conversation::ConversationId;

/// What a watcher of the bus gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusSignal {
    /// A frame, as it was published.
    Frame(Bytes),
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
    async fn publish(&self, conversation: &ConversationId, frame: Bytes) -> Result<(), PortError>;

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
    /// What is published to watchers after the append; empty for none.
    pub frame: Bytes,
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
