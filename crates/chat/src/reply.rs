//! The owner's side of a reply: read the model, flush to watchers, keep checkpoints, end once.

mod checkpoint;
mod closing;
mod writer;

use std::sync::Arc;

use kernel::{Credits, Tariff};

use crate::conversation::ConversationId;
use crate::ports::ReplyRequest;
use crate::running::RunningGuard;
use crate::service::Inner;

pub(crate) use closing::{Closing, Saga, close, give_back, retried, settle};
use writer::{Outcome, Writer};

/// A reply that has begun: its hold is taken and its `ai_start` is in the log.
pub(crate) struct ReplyJob {
    pub(crate) conversation_id: ConversationId,
    pub(crate) generation: u32,
    pub(crate) held: Credits,
    pub(crate) tariff: Tariff,
    pub(crate) prompt_tokens_estimate: u32,
    pub(crate) request: ReplyRequest,
    /// How many people watch, as far as it is known.
    pub(crate) watchers: u32,
}

impl ReplyJob {
    fn saga(&self) -> Saga {
        Saga {
            message_id: self.request.message_id,
            conversation_id: self.conversation_id.clone(),
            generation: self.generation,
            tariff: self.tariff,
            held: self.held,
            prompt_tokens_estimate: self.prompt_tokens_estimate,
        }
    }
}

/// Makes the reply, from the model's first word to the settled charge. What cannot be written even after
/// retries is left to the sweep, which finds it because the guard is gone.
pub(crate) async fn run(inner: Arc<Inner>, job: ReplyJob, guard: RunningGuard) {
    let message_id = job.request.message_id;
    let mut writer = Writer::new(&inner, &job, &guard);
    match writer.write().await {
        Outcome::Ended(closing) => {
            if let Err(error) = close(&inner, &job.saga(), closing).await {
                tracing::error!(%error, message.id = %message_id, "a reply was not closed; the sweep will");
            }
        }
        Outcome::Fenced => {
            tracing::warn!(message.id = %message_id, "another instance closed this reply");
        }
    }
    drop(guard);
}
