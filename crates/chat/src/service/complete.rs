//! The gateway for other programs: one answer to messages that are not stored.

use futures::stream::BoxStream;
use kernel::{MessageId, UserId};

use super::{ChatService, unbuilt};
use crate::error::ChatError;
use crate::message::{Failure, MessageUsage};
use crate::prompt::PromptRole;

/// What another program asks. System texts of callers with a user's token are said as that user's text.
#[derive(Debug, Clone, Default)]
pub struct Completion {
    /// The conversation so far; the last one is the person's.
    pub messages: Vec<(PromptRole, String)>,
    /// The model's alias.
    pub model: Option<String>,
    /// A character that answers, by id; its name where the id is absent.
    pub character: Option<String>,
    /// Most tokens of the answer.
    pub max_tokens: Option<u32>,
}

/// What comes of a [`Completion`], in order; `Done` or `Failed` is the last.
#[derive(Debug, Clone, PartialEq)]
pub enum CompletionEvent {
    /// New text.
    Text(String),
    /// The answer is whole and paid for.
    Done {
        /// The whole text.
        text: String,
        /// The name that the model answered with.
        model: String,
        /// What it cost.
        usage: Option<MessageUsage>,
    },
    /// It failed; what was delivered is paid for.
    Failed {
        /// The text until then.
        text: String,
        /// Why.
        failure: Failure,
    },
}

impl ChatService {
    /// Asks the model, with a hold before and a settlement after; nothing but the ledger keeps it. The answer ends
    /// with the stream: a caller that goes away stops it, and pays for what was delivered.
    pub async fn complete(
        &self,
        _user: UserId,
        _completion: Completion,
    ) -> Result<(MessageId, BoxStream<'static, CompletionEvent>), ChatError> {
        Err(unbuilt())
    }
}
