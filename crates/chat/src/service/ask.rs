//! Asking: from a question to a reply that has begun.
//!
//! The order is the contract: replay of a known `clientMsgId`, limits, prompt, **hold**, one append of question
//! and `ai_start`, and only then the model. Whatever is refused before the append has stored nothing.

use std::sync::Arc;

use kernel::{PortError, UserId};
use sha2::{Digest, Sha256};

use super::ChatService;
use super::plan::{HISTORY_MESSAGES, Plan};
use crate::content::{parse_text, title_of};
use crate::conversation::{Conversation, ConversationId};
use crate::error::{ChatError, ContentError, Field};
use crate::event::{Event, EventBody};
use crate::message::{Author, Message, MessageStatus};
use crate::ports::{Admission, Exchange, ExchangeOutcome, HistoryQuery, NewQuestion, NewReply};
use crate::prompt::{self, PromptParts};
use crate::reply::{self, ReplyJob};
use crate::room::Payer;
use crate::running::RunningGuard;

const CLIENT_MSG_ID_CHARS_MAX: u32 = 64;
pub(super) const TITLE_CHARS: usize = 20;

/// What a person asks.
#[derive(Debug, Clone, Default)]
pub struct Question {
    /// The text.
    pub content: String,
    /// The sender's own id for it: a repeat is answered by what is stored.
    pub client_msg_id: Option<String>,
    /// Whether to answer from the library; the character decides where this is absent.
    pub use_knowledge: Option<bool>,
    /// The model's alias.
    pub model: Option<String>,
}

/// A question that was taken, and the reply to it.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The question as stored.
    pub question: Message,
    /// The reply, which has begun.
    pub reply: Message,
    /// Whether this is an earlier question, repeated.
    pub replayed: bool,
}

/// A question after all checks that need no store.
struct Draft {
    content: String,
    client_msg_id: Option<String>,
    body_hash: String,
}

impl ChatService {
    /// Takes a question and starts the reply, which goes on whatever becomes of the caller.
    ///
    /// Call it in a task that outlives the connection: dropped half-way, it leaves a hold that only a sweep frees.
    pub async fn ask(&self, user: UserId, id: &str, question: Question) -> Result<Asked, ChatError> {
        let draft = self.draft(&question)?;
        let conversation = self.session(user, id).await?;
        if let Some(asked) = self.replay(&conversation.id, user, &draft).await? {
            return Ok(asked);
        }
        if self.inner.running.is_handing_over() {
            return Err(PortError::unavailable("server", "this process is stopping").into());
        }
        self.admit(user).await?;
        let plan = match self.plan(user, &conversation, &draft, &question).await {
            // Of two retries at once the slower one meets the reply that the other has begun.
            Err(ChatError::ReplyInProgress) => {
                let asked = self.replay(&conversation.id, user, &draft).await?;
                return asked.ok_or(ChatError::ReplyInProgress);
            }
            planned => planned?,
        };
        let streams_max = self.inner.settings.streams_per_user;
        let guard = self.inner.running.begin(user, plan.reply_id, streams_max);
        let guard = guard.ok_or(ChatError::TooManyStreams { limit: streams_max })?;
        self.begin(user, &conversation, draft, plan, guard).await
    }

    fn draft(&self, question: &Question) -> Result<Draft, ChatError> {
        let content = parse_text(Field::Content, &question.content, self.inner.settings.message_chars)?;
        let client_msg_id = match &question.client_msg_id {
            Some(id) => Some(parse_client_msg_id(id)?),
            None => None,
        };
        let body_hash = body_hash(&content, question);
        Ok(Draft { content, client_msg_id, body_hash })
    }

    async fn replay(
        &self,
        conversation: &ConversationId,
        user: UserId,
        draft: &Draft,
    ) -> Result<Option<Asked>, ChatError> {
        let Some(client_msg_id) = &draft.client_msg_id else { return Ok(None) };
        let log = &self.inner.ports.log;
        let Some(earlier) = log.by_client_msg_id(conversation, user, client_msg_id).await? else {
            return Ok(None);
        };
        if earlier.body_hash.as_deref() != Some(draft.body_hash.as_str()) {
            return Err(ChatError::ClientMsgIdConflict);
        }
        let reply = log.reply_to(earlier.id).await?.ok_or(ChatError::NotFound)?;
        Ok(Some(Asked { question: earlier, reply, replayed: true }))
    }

    pub(super) async fn admit(&self, user: UserId) -> Result<(), ChatError> {
        match self.inner.ports.throttle.message(user).await? {
            Admission::Admitted => Ok(()),
            Admission::Limited { retry_after_ms, limit } => {
                Err(ChatError::RateLimited { retry_after_ms, limit })
            }
        }
    }

    async fn plan(
        &self,
        user: UserId,
        conversation: &Conversation,
        draft: &Draft,
        question: &Question,
    ) -> Result<Plan, ChatError> {
        let budget = self.inner.budget(question.model.as_deref())?;
        let ports = &self.inner.ports;
        let persona =
            ports.personas.persona(&conversation.character_id).await?.ok_or(ChatError::UnknownCharacter)?;
        let passages = if question.use_knowledge.unwrap_or(persona.uses_knowledge) {
            self.inner.passages(&persona, &draft.content).await
        } else {
            Vec::new()
        };
        let newest = HistoryQuery::Newest { limit: HISTORY_MESSAGES };
        let history = ports.log.history(&conversation.id, newest).await?.messages;
        if history.last().is_some_and(|message| message.status == MessageStatus::Streaming) {
            return Err(ChatError::ReplyInProgress);
        }
        let prompt = prompt::build(PromptParts {
            persona: &persona,
            passages: &passages,
            history: &history,
            question: &draft.content,
            tokens_max: budget.prompt_tokens_max,
        });
        Ok(Plan {
            reply_id: self.inner.runtime.ids.next(),
            budget,
            prompt,
            asker: user,
            payer: Payer::User(user),
        })
    }

    async fn begin(
        &self,
        user: UserId,
        conversation: &Conversation,
        draft: Draft,
        plan: Plan,
        guard: RunningGuard,
    ) -> Result<Asked, ChatError> {
        let job = match self.inner.reserve(&conversation.id, &plan).await {
            Ok(job) => job,
            // Whether it was written is unknown.
            Err(error) => {
                self.inner.give_back(plan.reply_id);
                return Err(error);
            }
        };
        let exchange = self.exchange(user, conversation, &draft, &job);
        match self.inner.ports.log.append_exchange(&exchange).await {
            Ok(ExchangeOutcome::Appended { question_seq, reply_seq }) => {
                self.inner.counts.forget(user);
                let asked = asked(&exchange, question_seq, reply_seq);
                self.announce(&exchange, &asked);
                let inner = Arc::clone(&self.inner);
                self.inner.runtime.tasks.spawn(Box::pin(reply::run(inner, job, guard)));
                Ok(asked)
            }
            Ok(refused) => {
                self.inner.give_back(plan.reply_id);
                match refused {
                    ExchangeOutcome::Repeated { .. } => {
                        self.inner.bid_look(&conversation.id).await;
                        self.replay(&conversation.id, user, &draft).await?.ok_or(ChatError::NotFound)
                    }
                    ExchangeOutcome::ReplyInProgress => Err(ChatError::ReplyInProgress),
                    ExchangeOutcome::NoConversation | ExchangeOutcome::Appended { .. } => {
                        Err(ChatError::NotFound)
                    }
                }
            }
            // Whether it was written is unknown: the guard goes, so that the sweep ends what was begun, and the
            // hold is freed where nothing was. Watchers look.
            Err(error) => {
                self.inner.give_back(plan.reply_id);
                self.inner.bid_look(&conversation.id).await;
                Err(error.into())
            }
        }
    }

    fn exchange(&self, user: UserId, conversation: &Conversation, draft: &Draft, job: &ReplyJob) -> Exchange {
        Exchange {
            conversation_id: conversation.id.clone(),
            question: NewQuestion {
                id: self.inner.runtime.ids.next(),
                author: user,
                content: draft.content.clone(),
                client_msg_id: draft.client_msg_id.clone(),
                body_hash: draft.body_hash.clone(),
            },
            reply: NewReply {
                id: job.request.message_id,
                character_id: conversation.character_id.clone(),
                owner: self.inner.settings.instance,
                payer: user,
                model_alias: job.request.model_alias.clone(),
                tariff: job.tariff,
                held: job.held,
                prompt_tokens_estimate: job.prompt_tokens_estimate,
            },
            title_if_empty: title_of(&draft.content, TITLE_CHARS),
            at: self.inner.now(),
        }
    }

    fn announce(&self, exchange: &Exchange, asked: &Asked) {
        let Asked { question, reply, .. } = asked;
        let event = |body, message: &Message| Event {
            seq: message.seq,
            body,
            created_at: exchange.at,
            message: Some(message.clone()),
            author: None,
        };
        let said = event(EventBody::Message { message_id: question.id }, question);
        let began = event(EventBody::AiStart { message_id: reply.id, generation: 1 }, reply);
        self.inner.announce(&exchange.conversation_id, vec![said, began]);
    }
}

/// Both messages as the log has them now.
fn asked(exchange: &Exchange, question_seq: u64, reply_seq: u64) -> Asked {
    let Exchange { question, reply, .. } = exchange;
    let blank =
        |id, seq, author| Message::blank(id, exchange.conversation_id.clone(), seq, author, exchange.at);
    let question = Message {
        content: question.content.clone(),
        client_msg_id: question.client_msg_id.clone(),
        body_hash: Some(question.body_hash.clone()),
        ..blank(question.id, question_seq, Author::User(question.author))
    };
    let reply = Message {
        status: MessageStatus::Streaming,
        reply_to: Some(question.id),
        generation: 1,
        ..blank(reply.id, reply_seq, Author::Character(reply.character_id.clone()))
    };
    Asked { question, reply, replayed: false }
}

pub(super) fn parse_client_msg_id(id: &str) -> Result<String, ChatError> {
    let id = parse_text(Field::ClientMsgId, id, CLIENT_MSG_ID_CHARS_MAX)?;
    let plain = id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if plain {
        Ok(id)
    } else {
        Err(ChatError::Invalid { field: Field::ClientMsgId, error: ContentError::Format })
    }
}

/// Two requests with the same hash ask for the same thing.
fn body_hash(content: &str, question: &Question) -> String {
    let mut hasher = Sha256::new();
    hasher.update(content);
    hasher.update([0]);
    hasher.update(question.model.as_deref().unwrap_or_default());
    hasher.update([0, question.use_knowledge.map_or(2, u8::from)]);
    hex::encode(hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_tells_another_question_from_a_retry() {
        let question = Question { content: "学而".into(), ..Question::default() };
        let other_model = Question { model: Some("m".into()), ..question.clone() };
        let other_switch = Question { use_knowledge: Some(false), ..question.clone() };
        assert_eq!(body_hash("学而", &question), body_hash("学而", &question));
        assert_ne!(body_hash("学而", &question), body_hash("学而", &other_model));
        assert_ne!(body_hash("学而", &question), body_hash("学而", &other_switch));
    }

    #[test]
    fn a_client_message_id_is_short_and_plain() {
        assert!(parse_client_msg_id("a-1_B").is_ok());
        assert!(parse_client_msg_id("a b").is_err());
        assert!(parse_client_msg_id(&"a".repeat(65)).is_err());
    }
}
