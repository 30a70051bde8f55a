//! What every reply needs before it begins: a model, passages, room for a prompt, and a hold. Sessions and rooms
//! come through here alike.

use std::sync::Arc;

use kernel::{MessageId, UserId};
use sha2::{Digest, Sha256};

use super::Inner;
use crate::conversation::ConversationId;
use crate::error::ChatError;
use crate::ports::{Persona, ReplyRequest, Reservation, Reserved, Retrieved};
use crate::prompt::{self, Prompt};
use crate::reply::{self, ReplyJob};
use crate::room::Payer;

/// So many messages of the history are read for a prompt.
pub(super) const HISTORY_MESSAGES: u32 = 30;
/// History and passages beyond this are left out even where the model could read more: it is the asker's money.
const PROMPT_TOKENS_MAX: u32 = 8_000;
/// An answer shorter than this is not worth its prompt.
pub(super) const OUTPUT_TOKENS_MIN: u32 = 256;

/// A model, and how much may be said to it and by it.
pub(super) struct Budget {
    pub(super) alias: String,
    pub(super) prompt_tokens_max: u32,
    pub(super) output_tokens_wanted: u32,
}

/// What the model will be asked, and what it may cost.
pub(super) struct Plan {
    pub(super) reply_id: MessageId,
    pub(super) budget: Budget,
    pub(super) prompt: Prompt,
    /// Whose question it is.
    pub(super) asker: UserId,
    pub(super) payer: Payer,
}

impl Inner {
    /// The budget of the model that is meant.
    pub(super) fn budget(&self, alias: Option<&str>) -> Result<Budget, ChatError> {
        let (alias, limits) = self.settings.models.resolve(alias).ok_or(ChatError::UnknownModel)?;
        let readable = limits.context_tokens_max.saturating_sub(limits.output_tokens_max);
        Ok(Budget {
            alias: alias.to_owned(),
            prompt_tokens_max: readable.min(PROMPT_TOKENS_MAX),
            output_tokens_wanted: limits.output_tokens_max,
        })
    }

    /// A library that fails costs the answer its passages, not the person their answer.
    pub(super) async fn passages(&self, persona: &Persona, question: &str) -> Vec<Retrieved> {
        let limit = self.settings.passages;
        match self.ports.knowledge.retrieve(question, &persona.works, limit).await {
            Ok(passages) => passages,
            Err(error) => {
                tracing::error!(%error, "retrieval failed; answering without passages");
                Vec::new()
            }
        }
    }

    /// Holds the worst case of a reply. Asked again for the same reply it finds the same hold.
    pub(super) async fn reserve(
        &self,
        conversation: &ConversationId,
        plan: &Plan,
    ) -> Result<ReplyJob, ChatError> {
        let Plan { reply_id, budget, prompt, .. } = plan;
        let reservation = Reservation {
            message_id: *reply_id,
            payer: plan.payer.clone(),
            model_alias: budget.alias.clone(),
            prompt_tokens_max: prompt::tokens_bound(prompt),
            output_tokens_wanted: budget.output_tokens_wanted,
            output_tokens_min: OUTPUT_TOKENS_MIN.min(budget.output_tokens_wanted),
            at: self.now(),
        };
        match self.ports.meter.reserve(&reservation).await? {
            Reserved::Held { amount, tariff, output_tokens_max } => Ok(ReplyJob {
                conversation_id: conversation.clone(),
                generation: 1,
                watchers: 0,
                held: amount,
                tariff,
                prompt_tokens_estimate: prompt::tokens_estimate(prompt),
                request: ReplyRequest {
                    message_id: *reply_id,
                    model_alias: budget.alias.clone(),
                    prompt: prompt.clone(),
                    output_tokens_max,
                    user_tag: user_tag(plan.asker),
                },
            }),
            Reserved::Insufficient { available, needed } => {
                Err(ChatError::InsufficientBalance { available, needed })
            }
        }
    }

    /// Frees the hold of a reply that did not begin, in a task of its own.
    pub(super) fn give_back(self: &Arc<Self>, message_id: MessageId) {
        let inner = Arc::clone(self);
        self.runtime.tasks.spawn(Box::pin(async move {
            if let Err(error) = reply::give_back(&inner, message_id).await {
                tracing::warn!(%error, message.id = %message_id, "a hold was not freed; it will run out");
            }
        }));
    }
}

/// A tag that is the same for one person and says nothing about them.
pub(super) fn user_tag(user: UserId) -> String {
    let digest = Sha256::digest(format!("jixia-user-tag:{user}"));
    hex::encode(digest).chars().take(32).collect()
}
