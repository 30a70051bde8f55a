//! The port of a language model.

use async_trait::async_trait;
use futures::stream::BoxStream;
use kernel::{MessageId, TokenUsage};
use thiserror::Error;

use crate::prompt::Prompt;

/// What a reply is made from.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplyRequest {
    /// The reply, for logs and for the provider's idempotency where it has one.
    pub message_id: MessageId,
    /// The model's alias; the adapter knows the provider's name for it.
    pub model_alias: String,
    /// What is said to the model.
    pub prompt: Prompt,
    /// Upper limit of the answer's tokens, reasoning included; always sent.
    pub output_tokens_max: u32,
    /// A stable tag of the person who asks, without personal data (`[A-Za-z0-9_-]`, at most 64).
    pub user_tag: String,
}

/// One thing that a model's stream said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplyEvent {
    /// Text of the answer; never empty.
    Text(String),
    /// The model is thinking: life, and no text.
    Thinking,
    /// The provider's count; the last one wins.
    Usage(TokenUsage),
    /// The model finished. Nothing but usage follows.
    Finish {
        /// Why.
        reason: FinishReason,
        /// The name that the provider answered with.
        model: Option<String>,
    },
}

/// Why a model finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FinishReason {
    /// The answer is whole.
    Stop,
    /// The output limit was reached.
    Length,
    /// The provider's filter withheld the rest.
    ContentFilter,
    /// The provider ran out of capacity in the middle, or said a word we do not know.
    Other(String),
}

/// How a model fails. The caller keeps the text that came before.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ModelError {
    /// It cannot be reached, is overloaded, or refused our credentials; retries are used up.
    #[error("the model is unavailable: {0}")]
    Unavailable(String),
    /// No content came in time.
    #[error("the model did not answer in time")]
    Timeout,
    /// The stream ended, or turned to garbage, before the model said that it was finished.
    #[error("the model's answer was cut off: {0}")]
    Cut(String),
}

/// A model's stream.
pub type ReplyEvents = BoxStream<'static, Result<ReplyEvent, ModelError>>;

/// A language model that answers in a stream.
#[async_trait]
pub trait ReplyModel: Send + Sync {
    /// Begins an answer.
    ///
    /// The stream MUST yield exactly one [`ReplyEvent::Finish`] or one error, and end after it (usage may
    /// follow a finish). It MUST NOT end without either. It MUST be bounded in time and size. Dropping it MUST
    /// cancel the call. Retries MUST happen before the first event only.
    async fn stream(&self, request: &ReplyRequest) -> Result<ReplyEvents, ModelError>;

    /// Whether the model can be asked now, for readiness; MUST answer within two seconds.
    async fn is_ready(&self) -> bool;
}
