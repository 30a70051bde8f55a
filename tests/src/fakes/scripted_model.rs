//! A model that says what the test says, when the test says it.

use async_trait::async_trait;
use chat::ports::{FinishReason, ModelError, ReplyEvent, ReplyEvents, ReplyModel, ReplyRequest};
use futures::StreamExt;
use futures::channel::mpsc;
use kernel::TokenUsage;

/// Hands every call to the test, which answers it event by event.
pub struct ScriptedModel {
    calls: mpsc::UnboundedSender<Call>,
}

/// Calls in the order in which they were made.
pub type Calls = mpsc::UnboundedReceiver<Call>;

/// One call of the model. Dropping it ends the stream without a finish.
pub struct Call {
    /// What was asked.
    pub request: ReplyRequest,
    events: mpsc::UnboundedSender<Result<ReplyEvent, ModelError>>,
}

impl ScriptedModel {
    /// A model and the calls that it will get.
    pub fn new() -> (Self, Calls) {
        let (calls, receiver) = mpsc::unbounded();
        (Self { calls }, receiver)
    }
}

impl Call {
    /// Says a piece of the answer.
    pub fn say(&self, text: &str) {
        self.send(Ok(ReplyEvent::Text(text.to_owned())));
    }

    /// Fails.
    pub fn fail(self, error: ModelError) {
        self.send(Err(error));
    }

    /// Finishes, with the provider's count.
    pub fn finish(self, usage: TokenUsage) {
        self.send(Ok(ReplyEvent::Usage(usage)));
        self.send(Ok(ReplyEvent::Finish { reason: FinishReason::Stop, model: Some("scripted".to_owned()) }));
    }

    /// Whether the reader has dropped the stream, which cancels a real call.
    pub fn is_cancelled(&self) -> bool {
        self.events.is_closed()
    }

    fn send(&self, event: Result<ReplyEvent, ModelError>) {
        // A reader that stopped does not listen any more, and that is its right.
        let _ = self.events.unbounded_send(event);
    }
}

#[async_trait]
impl ReplyModel for ScriptedModel {
    async fn stream(&self, request: &ReplyRequest) -> Result<ReplyEvents, ModelError> {
        let (events, receiver) = mpsc::unbounded();
        let call = Call { request: request.clone(), events };
        if self.calls.unbounded_send(call).is_err() {
            return Err(ModelError::Unavailable("the test is over".to_owned()));
        }
        Ok(receiver.boxed())
    }

    async fn is_ready(&self) -> bool {
        true
    }
}
