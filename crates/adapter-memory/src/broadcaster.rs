//! The bus of a single instance: one bounded ring of frames per watched conversation.
//!
//! A ring exists exactly as long as somebody watches, so an idle conversation costs nothing and a frame that
//! nobody watches is dropped at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chat::conversation::ConversationId;
use chat::event::Frame;
use chat::ports::{Broadcaster, BusSignal};
use futures::stream::{self, BoxStream};
use kernel::PortError;
use tokio::sync::broadcast::{self, error::RecvError};

type Rings = HashMap<ConversationId, broadcast::Sender<Arc<Frame>>>;

/// The bus; clones are handles on the same one.
#[derive(Clone)]
pub struct MemoryBroadcaster {
    rings: Arc<Mutex<Rings>>,
    frames_max: usize,
}

impl MemoryBroadcaster {
    /// A bus that holds at most `frames_max` frames for its slowest watcher of a conversation.
    pub fn new(frames_max: usize) -> Self {
        Self { rings: Arc::default(), frames_max: frames_max.max(1) }
    }

    /// Conversations that somebody watches; 0 when all watchers have gone.
    pub fn watched_count(&self) -> usize {
        self.rings().len()
    }

    /// Publishes without waiting, for callers that hold their own order.
    pub(crate) fn publish_now(&self, conversation: &ConversationId, frame: Arc<Frame>) {
        if let Some(ring) = self.rings().get(conversation) {
            // A ring without a receiver is about to be removed: nobody misses the frame.
            let _ = ring.send(frame);
        }
    }

    fn watch(&self, conversation: &ConversationId) -> Watch {
        let receiver = self
            .rings()
            .entry(conversation.clone())
            .or_insert_with(|| broadcast::Sender::new(self.frames_max))
            .subscribe();
        Watch { bus: self.clone(), conversation: conversation.clone(), receiver: Some(receiver) }
    }

    fn rings(&self) -> MutexGuard<'_, Rings> {
        self.rings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Broadcaster for MemoryBroadcaster {
    async fn publish(&self, conversation: &ConversationId, frame: Arc<Frame>) -> Result<(), PortError> {
        self.publish_now(conversation, frame);
        Ok(())
    }

    async fn subscribe(
        &self,
        conversation: &ConversationId,
    ) -> Result<BoxStream<'static, BusSignal>, PortError> {
        let watch = self.watch(conversation);
        Ok(Box::pin(stream::unfold(watch, |mut watch| async move {
            let signal = watch.next().await?;
            Some((signal, watch))
        })))
    }
}

/// One watcher; the last one of a conversation takes its ring away.
struct Watch {
    bus: MemoryBroadcaster,
    conversation: ConversationId,
    receiver: Option<broadcast::Receiver<Arc<Frame>>>,
}

impl Watch {
    async fn next(&mut self) -> Option<BusSignal> {
        match self.receiver.as_mut()?.recv().await {
            Ok(frame) => Some(BusSignal::Frame(frame)),
            Err(RecvError::Lagged(_)) => Some(BusSignal::Missed),
            Err(RecvError::Closed) => None,
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut rings = self.bus.rings();
        // The receiver goes while the map is locked: of two watchers that go at once, one is the last.
        drop(self.receiver.take());
        if rings.get(&self.conversation).is_some_and(|ring| ring.receiver_count() == 0) {
            rings.remove(&self.conversation);
        }
    }
}
