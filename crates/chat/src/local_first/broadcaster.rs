//! The bus: here at once, elsewhere soon.

use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use kernel::{Clock, PortError};

use super::outbox::Outbox;
use crate::conversation::ConversationId;
use crate::event::Frame;
use crate::ports::{Broadcaster, BusSignal};

/// A shared bus that cannot be watched is asked again this often, and its watchers look at the log.
const RETRY_MS: i64 = 1_000;

/// See [`super::local_first`].
pub struct LocalFirstBroadcaster {
    local: Arc<dyn Broadcaster>,
    remote: Arc<dyn Broadcaster>,
    outbox: Arc<Outbox>,
    clock: Arc<dyn Clock>,
}

impl LocalFirstBroadcaster {
    pub(super) fn new(
        local: Arc<dyn Broadcaster>,
        remote: Arc<dyn Broadcaster>,
        outbox: Arc<Outbox>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { local, remote, outbox, clock }
    }
}

#[async_trait]
impl Broadcaster for LocalFirstBroadcaster {
    async fn publish(&self, conversation: &ConversationId, frame: Arc<Frame>) -> Result<(), PortError> {
        self.local.publish(conversation, Arc::clone(&frame)).await?;
        self.outbox.push(conversation, frame);
        Ok(())
    }

    async fn subscribe(
        &self,
        conversation: &ConversationId,
    ) -> Result<BoxStream<'static, BusSignal>, PortError> {
        let near = self.local.subscribe(conversation).await?;
        let mut far = Far {
            remote: Arc::clone(&self.remote),
            clock: Arc::clone(&self.clock),
            conversation: conversation.clone(),
            signals: None,
        };
        if self.outbox.is_reachable()
            && let Err(error) = far.subscribe().await
        {
            self.outbox.note_failure(&error);
        }
        let far = stream::unfold(far, |mut far| async move { Some((far.next().await, far)) });
        Ok(stream::select(near, far).boxed())
    }
}

/// What other instances say.
struct Far {
    remote: Arc<dyn Broadcaster>,
    clock: Arc<dyn Clock>,
    conversation: ConversationId,
    signals: Option<BoxStream<'static, BusSignal>>,
}

impl Far {
    async fn subscribe(&mut self) -> Result<(), PortError> {
        self.signals = Some(self.remote.subscribe(&self.conversation).await?);
        Ok(())
    }

    async fn next(&mut self) -> BusSignal {
        if let Some(signals) = &mut self.signals {
            if let Some(signal) = signals.next().await {
                return signal;
            }
            self.signals = None;
            return BusSignal::Missed;
        }
        self.clock.sleep_until(self.clock.now().plus_millis(RETRY_MS)).await;
        if let Err(error) = self.subscribe().await {
            tracing::debug!(%error, "the shared bus cannot be watched yet");
        }
        // Until now nothing was heard.
        BusSignal::Missed
    }
}
