//! News of ended sessions within one process.

use async_trait::async_trait;
use auth::SessionId;
use auth::ports::{RevocationFeed, RevocationSignal};
use futures::stream::{self, BoxStream};
use kernel::PortError;
use tokio::sync::broadcast::{self, error::RecvError};

/// The feed; a listener that falls behind is told that it missed news.
pub struct MemoryRevocationFeed {
    ring: broadcast::Sender<SessionId>,
}

impl MemoryRevocationFeed {
    /// A feed that holds at most `signals_max` signals for its slowest listener.
    pub fn new(signals_max: usize) -> Self {
        Self { ring: broadcast::Sender::new(signals_max.max(1)) }
    }
}

#[async_trait]
impl RevocationFeed for MemoryRevocationFeed {
    async fn announce(&self, sessions: &[SessionId]) -> Result<(), PortError> {
        for session in sessions {
            // Nobody listening is no failure: there is nobody to tell.
            let _ = self.ring.send(*session);
        }
        Ok(())
    }

    async fn subscribe(&self) -> Result<BoxStream<'static, RevocationSignal>, PortError> {
        Ok(Box::pin(stream::unfold(self.ring.subscribe(), |mut receiver| async move {
            match receiver.recv().await {
                Ok(session) => Some((RevocationSignal::Ended(session), receiver)),
                Err(RecvError::Lagged(_)) => Some((RevocationSignal::Missed, receiver)),
                Err(RecvError::Closed) => None,
            }
        })))
    }
}
