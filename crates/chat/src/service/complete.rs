//! The gateway for other programs: one answer to messages that are not stored.
//!
//! A hold before, a settlement after, and nothing in between but the ledger: a process that dies leaves a hold that
//! runs out. The answer is made in a task of its own, so that what was delivered is paid for also when the reader
//! goes away in the middle.

mod writer;

use std::sync::Arc;

use futures::StreamExt;
use futures::channel::mpsc;
use futures::stream::BoxStream;
use kernel::{MessageId, PortError, UserId};

use super::ChatService;
use super::plan::{OUTPUT_TOKENS_MIN, user_tag};
use crate::content::parse_text;
use crate::conversation::CharacterId;
use crate::error::{ChatError, ContentError, Field};
use crate::message::{Failure, MessageUsage};
use crate::ports::{Persona, ReplyRequest, Reservation, Reserved};
use crate::prompt::{self, PromptRole};
use crate::room::Payer;
use writer::Job;

const MESSAGES_MAX: usize = 200;
/// Pieces of text that wait for the reader; they count as delivered, and the model waits beyond them.
const EVENTS_MAX: usize = 4;
const NEUTRAL_ID: &str = "assistant";
const NEUTRAL_NAME: &str = "助手";
const NEUTRAL_INSTRUCTIONS: &str = "你是一位乐于助人的助手，回答准确、简明，不知道就说不知道。";

/// What another program asks. System texts of callers with a user's token are said as that user's text.
#[derive(Debug, Clone, Default)]
pub struct Completion {
    /// The conversation so far; the last one is the person's.
    pub messages: Vec<(PromptRole, String)>,
    /// The model's alias.
    pub model: Option<String>,
    /// A character that answers, by its id or its name; a neutral assistant where no character has either.
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
        user: UserId,
        completion: Completion,
    ) -> Result<(MessageId, BoxStream<'static, CompletionEvent>), ChatError> {
        let inner = &self.inner;
        let (alias, limits) =
            inner.settings.models.resolve(completion.model.as_deref()).ok_or(ChatError::UnknownModel)?;
        let turns = parse_messages(&completion.messages)?;
        let output_tokens_wanted =
            completion.max_tokens.unwrap_or(u32::MAX).clamp(1, limits.output_tokens_max.max(1));
        let prompt = prompt::of_turns(&self.speaker(completion.character.as_deref()).await?, &turns);
        let prompt_tokens_estimate = prompt::tokens_estimate(&prompt);
        if prompt_tokens_estimate > limits.context_tokens_max.saturating_sub(output_tokens_wanted) {
            let error = ContentError::TooLong { limit: limits.context_tokens_max };
            return Err(ChatError::Invalid { field: Field::Messages, error });
        }
        if inner.running.is_handing_over() {
            return Err(PortError::unavailable("server", "this process is stopping").into());
        }
        self.admit(user).await?;
        let message_id: MessageId = inner.runtime.ids.next();
        let streams_max = inner.settings.streams_per_user;
        let guard = inner.running.begin(user, message_id, streams_max);
        let guard = guard.ok_or(ChatError::TooManyStreams { limit: streams_max })?;
        let reservation = Reservation {
            message_id,
            payer: Payer::User(user),
            model_alias: alias.to_owned(),
            prompt_tokens_max: prompt::tokens_bound(&prompt),
            output_tokens_wanted,
            output_tokens_min: OUTPUT_TOKENS_MIN.min(output_tokens_wanted),
            at: inner.now(),
        };
        let (held, tariff, output_tokens_max) = match inner.ports.meter.reserve(&reservation).await {
            Ok(Reserved::Held { amount, tariff, output_tokens_max }) => (amount, tariff, output_tokens_max),
            Ok(Reserved::Insufficient { available, needed }) => {
                return Err(ChatError::InsufficientBalance { available, needed });
            }
            // Whether it was written is unknown.
            Err(error) => {
                inner.give_back(message_id);
                return Err(error.into());
            }
        };
        let user_tag = user_tag(user);
        let model_alias = alias.to_owned();
        let request = ReplyRequest { message_id, model_alias, prompt, output_tokens_max, user_tag };
        let (events, reader) = mpsc::channel(EVENTS_MAX);
        let job = Job { request, held, tariff, prompt_tokens_estimate };
        inner.runtime.tasks.spawn(Box::pin(writer::run(Arc::clone(inner), job, guard, events)));
        Ok((message_id, reader.boxed()))
    }

    /// Who answers. A name that no character has is the other program's own affair.
    async fn speaker(&self, character: Option<&str>) -> Result<Persona, ChatError> {
        let personas = &self.inner.ports.personas;
        if let Some(named) = character {
            let by_id = match named.parse::<CharacterId>() {
                Ok(id) => personas.persona(&id).await?,
                Err(_no_id) => None,
            };
            let found = match by_id {
                Some(persona) => Some(persona),
                None => personas.by_name(named).await?,
            };
            if let Some(persona) = found {
                return Ok(persona);
            }
        }
        let id: CharacterId = NEUTRAL_ID.parse().map_err(|_impossible| ChatError::UnknownCharacter)?;
        Ok(Persona::named(id, NEUTRAL_NAME, NEUTRAL_INSTRUCTIONS))
    }
}

/// The conversation so far, without blank parts; the last word is a person's.
fn parse_messages(messages: &[(PromptRole, String)]) -> Result<Vec<(PromptRole, String)>, ChatError> {
    let invalid = |error| Err(ChatError::Invalid { field: Field::Messages, error });
    if messages.len() > MESSAGES_MAX {
        return invalid(ContentError::Range);
    }
    let Some((PromptRole::User, _)) = messages.last() else { return invalid(ContentError::Blank) };
    let said = messages.iter().enumerate().filter(|(at, (_, text))| {
        // The last one is refused where it is blank, the others say nothing.
        at + 1 == messages.len() || !text.trim().is_empty()
    });
    said.map(|(_, (role, text))| Ok((*role, parse_text(Field::Messages, text, 0)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(messages: &[(PromptRole, &str)]) -> Result<Vec<(PromptRole, String)>, ChatError> {
        let owned: Vec<_> = messages.iter().map(|(role, text)| (*role, (*text).to_owned())).collect();
        parse_messages(&owned)
    }

    #[test]
    fn the_last_word_is_a_persons_and_blank_ones_before_it_say_nothing() {
        let kept = parsed(&[(PromptRole::Assistant, " "), (PromptRole::User, " 问 ")]).unwrap();
        assert_eq!(kept, [(PromptRole::User, "问".to_owned())]);
        assert!(parsed(&[]).is_err());
        assert!(parsed(&[(PromptRole::User, "问"), (PromptRole::Assistant, "答")]).is_err());
        assert!(parsed(&[(PromptRole::User, "问"), (PromptRole::User, " ")]).is_err());
        assert!(parsed(&[(PromptRole::User, "a\0b")]).is_err());
        assert!(parsed(&vec![(PromptRole::User, "问"); MESSAGES_MAX + 1]).is_err());
    }
}
