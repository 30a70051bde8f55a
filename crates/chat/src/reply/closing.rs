//! The end of a reply: `ai_end` once, then the charge, then the word that it is final.
//!
//! The owner and the sweep both come through here, so there is one way to end a reply and one to pay for it.

use std::future::Future;

use kernel::{Credits, MessageId, PortError, Tariff, TokenUsage};

use crate::conversation::ConversationId;
use crate::event::{Event, Frame};
use crate::generation::{Charge, GenerationState, billable, charge};
use crate::message::{Citation, EndReason, Failure, Message, MessageStatus, MessageUsage};
use crate::ports::{EndOutcome, ReplyEnd, Settlement};
use crate::service::Inner;

/// What is known of a reply that is to be closed.
pub(crate) struct Saga {
    pub(crate) message_id: MessageId,
    pub(crate) conversation_id: ConversationId,
    pub(crate) generation: u32,
    pub(crate) tariff: Tariff,
    pub(crate) held: Credits,
    pub(crate) prompt_tokens_estimate: u32,
}

/// How it ends.
pub(crate) struct Closing {
    pub(crate) why: EndReason,
    pub(crate) failure: Option<Failure>,
    pub(crate) content: String,
    pub(crate) citations: Vec<Citation>,
    pub(crate) upstream: Option<TokenUsage>,
    pub(crate) model: Option<String>,
    pub(crate) generation_after: u32,
}

/// Ends a reply and settles it, unless somebody else ended it first.
pub(crate) async fn close(inner: &Inner, saga: &Saga, closing: Closing) -> Result<(), PortError> {
    let tokens = if was_taken_back_unseen(inner, saga, &closing).await? {
        TokenUsage::default()
    } else {
        billable(closing.why, closing.upstream, saga.prompt_tokens_estimate, &closing.content)
    };
    let charge = charge(tokens, saga.tariff, saga.held);
    let end = ReplyEnd {
        message_id: saga.message_id,
        generation: saga.generation,
        generation_after: closing.generation_after,
        why: closing.why,
        failure: closing.failure,
        content: closing.content,
        citations: closing.citations,
        usage: charge.map(|charge| MessageUsage { tokens: charge.tokens, credits: charge.credits }),
        charge,
        model: closing.model,
        at: inner.now(),
    };
    let log = &inner.ports.log;
    match retried(inner, || log.append_end(&end)).await? {
        EndOutcome::Ended { seq } => announce(inner, saga, seq, &end).await,
        EndOutcome::NoMessage => {}
        EndOutcome::AlreadyEnded => {
            // The answer to an earlier try may be lost, and with it the word of it.
            inner.bid_look(&saga.conversation_id).await;
            close_buffer(inner, saga.message_id).await;
            return settle_ended(inner, saga).await;
        }
    }
    close_buffer(inner, saga.message_id).await;
    settle(inner, &saga.conversation_id, saga.message_id, charge).await
}

async fn close_buffer(inner: &Inner, message_id: MessageId) {
    if let Err(error) = inner.ports.buffer.close(message_id).await {
        tracing::warn!(%error, "a stream buffer was not closed; its text runs out by itself");
    }
}

/// Whether a reply was stopped before its first text because it, or its question, was recalled: then it costs nothing.
/// (A mere stop pays for the prompt.)
async fn was_taken_back_unseen(inner: &Inner, saga: &Saga, closing: &Closing) -> Result<bool, PortError> {
    if closing.why != EndReason::Stopped || !closing.content.is_empty() {
        return Ok(false);
    }
    let log = &inner.ports.log;
    let is_recalled = |message: &Message| message.status == MessageStatus::Recalled;
    let Some(reply) = retried(inner, || log.message(saga.message_id)).await? else { return Ok(false) };
    if is_recalled(&reply) {
        return Ok(true);
    }
    let Some(question) = reply.reply_to else { return Ok(false) };
    Ok(retried(inner, || log.message(question)).await?.as_ref().is_some_and(is_recalled))
}

/// Finishes a saga that an earlier try ended: the answer to a commit may be lost. Another closer's saga may be
/// settled twice at the same time, which changes nothing.
async fn settle_ended(inner: &Inner, saga: &Saga) -> Result<(), PortError> {
    let generations = &inner.ports.generations;
    match retried(inner, || generations.get(saga.message_id)).await? {
        Some(found) if found.state == GenerationState::Ended => {
            settle(inner, &saga.conversation_id, saga.message_id, found.charge).await
        }
        Some(_) | None => Ok(()),
    }
}

/// Frees the hold of a reply that may not have begun: where the log has its saga, the sweep ends that instead.
pub(crate) async fn give_back(inner: &Inner, message_id: MessageId) -> Result<(), PortError> {
    let generations = &inner.ports.generations;
    if retried(inner, || generations.get(message_id)).await?.is_some() {
        return Ok(());
    }
    let meter = &inner.ports.meter;
    retried(inner, || meter.void(message_id, inner.now())).await
}

/// Takes the charge of an ended reply, or frees its hold, and says so.
pub(crate) async fn settle(
    inner: &Inner,
    conversation: &ConversationId,
    message_id: MessageId,
    charge: Option<Charge>,
) -> Result<(), PortError> {
    let at = inner.now();
    let meter = &inner.ports.meter;
    match charge {
        Some(Charge { tokens, credits }) => {
            let settlement = Settlement { message_id, tokens, credits, at };
            retried(inner, || meter.settle(&settlement)).await?;
        }
        None => retried(inner, || meter.void(message_id, at)).await?,
    }
    let generations = &inner.ports.generations;
    retried(inner, || generations.mark_settled(message_id)).await?;
    inner.publish(conversation, Frame::Settled { message_id }).await;
    Ok(())
}

/// A message that cannot be read now is left out: watchers read it themselves.
async fn announce(inner: &Inner, saga: &Saga, seq: u64, end: &ReplyEnd) {
    let message = match inner.ports.log.message(end.message_id).await {
        Ok(message) => message,
        Err(error) => {
            tracing::warn!(%error, "an ended reply was not read; watchers do it themselves");
            None
        }
    };
    let is_recalled = message.as_ref().is_some_and(|message| message.status == MessageStatus::Recalled);
    // A reply that was recalled meanwhile ended without text, and so the log says.
    let body = if is_recalled {
        ReplyEnd { content: String::new(), ..end.clone() }.event_body()
    } else {
        end.event_body()
    };
    let event = Event { seq, body, created_at: end.at, message, author: None };
    inner.announce(&saga.conversation_id, vec![event]);
}

/// Milliseconds to wait before each further try: the database may be restarting.
const RETRY_DELAYS_MS: [i64; 4] = [100, 400, 1_600, 4_000];

pub(crate) async fn retried<T, F>(inner: &Inner, mut attempt: impl FnMut() -> F) -> Result<T, PortError>
where
    F: Future<Output = Result<T, PortError>>,
{
    for delay in RETRY_DELAYS_MS {
        match attempt().await {
            Err(PortError::Unavailable { .. } | PortError::Full { .. }) => {
                let clock = &inner.runtime.clock;
                clock.sleep_until(clock.now().plus_millis(delay)).await;
            }
            Ok(value) => return Ok(value),
            Err(error @ (PortError::Corrupt { .. } | PortError::Rejected { .. })) => return Err(error),
        }
    }
    attempt().await
}
