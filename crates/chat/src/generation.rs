//! The saga of a reply: queued with a hold, streaming, ended, settled.
//!
//! The row is keyed by the reply's message id, which also names its hold in billing; the two share no
//! transaction, so this row is what a sweep reads to finish a saga whose owner died.

use kernel::{Credits, Id, MessageId, Tariff, TokenUsage, UserId};

use crate::conversation::ConversationId;
use crate::message::EndReason;

/// Kind of a running server process.
pub enum Instance {}

/// A running server process's id, fresh at each start.
pub type InstanceId = Id<Instance>;

/// How far the saga is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GenerationState {
    /// `ai_start` is in the log and the owner is at work.
    Streaming,
    /// `ai_end` is in the log, the charge is decided and not yet taken.
    Ended,
    /// The hold was settled or voided: nothing is left to do.
    Settled,
}

/// One reply's saga, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    /// The reply.
    pub message_id: MessageId,
    /// Where.
    pub conversation_id: ConversationId,
    /// Fences writers: a flush or an end of another generation is refused.
    pub generation: u32,
    /// Who is at work on it.
    pub owner: InstanceId,
    /// Who pays.
    pub payer: UserId,
    /// The model's alias.
    pub model_alias: String,
    /// The prices of the hold.
    pub tariff: Tariff,
    /// How much is held: no charge is more.
    pub held: Credits,
    /// The likely number of the prompt's tokens, for the charge of a stopped reply.
    pub prompt_tokens_estimate: u32,
    /// How far it is.
    pub state: GenerationState,
    /// Text at the last checkpoint.
    pub checkpoint: String,
    /// What is to be charged, once ended.
    pub charge: Option<Charge>,
}

/// What an ended reply costs. Nothing to charge means that the hold is voided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charge {
    /// The tokens that are charged for.
    pub tokens: TokenUsage,
    /// Their price by the tariff of the hold, at most the hold.
    pub credits: Credits,
}

/// The charge for these tokens: their price by the tariff, at most what is held; `None` where nothing is
/// charged.
pub fn charge(tokens: TokenUsage, tariff: Tariff, held: Credits) -> Option<Charge> {
    if tokens.is_empty() {
        return None;
    }
    // A cost beyond 64 bits is more than any hold.
    let credits = tariff.cost(tokens).map_or(held, |cost| cost.min(held));
    Some(Charge { tokens, credits })
}

/// The tokens to charge for, by how the reply ended.
///
/// `upstream` is the provider's own count where it arrived. Done and length: exactly that. Stopped: the
/// prompt and what was delivered. Error and lost: what was delivered only. Blocked: the prompt only.
pub fn billable(
    why: EndReason,
    upstream: Option<TokenUsage>,
    prompt_tokens_estimate: u32,
    delivered: &str,
) -> TokenUsage {
    let prompt = upstream.map_or(prompt_tokens_estimate, |usage| usage.prompt);
    let cached = upstream.map_or(0, |usage| usage.cached);
    let shown = estimate_tokens(delivered);
    match why {
        EndReason::Done | EndReason::Length => {
            upstream.unwrap_or(TokenUsage { prompt, cached, completion: shown, reasoning: 0 })
        }
        EndReason::Stopped => TokenUsage { prompt, cached, completion: shown, reasoning: 0 },
        EndReason::Error | EndReason::Lost => {
            TokenUsage { prompt: 0, cached: 0, completion: shown, reasoning: 0 }
        }
        EndReason::Blocked => TokenUsage { prompt, cached, completion: 0, reasoning: 0 },
    }
}

/// Tokens in a text where no tokenizer was asked: 0.3 for an ASCII character and 0.6 for any other, rounded up, which is
/// DeepSeek's own rule of thumb.
pub fn estimate_tokens(text: &str) -> u32 {
    let tenths: usize = text.chars().map(|c| if c.is_ascii() { 3 } else { 6 }).sum();
    u32::try_from(tenths.div_ceil(10)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UPSTREAM: TokenUsage = TokenUsage { prompt: 100, cached: 40, completion: 50, reasoning: 10 };

    #[test]
    fn a_charge_is_never_more_than_the_hold() {
        let tariff = Tariff { miss: 1_000_000, hit: 1_000_000, output: 1_000_000 };
        let charged = |held| charge(UPSTREAM, tariff, Credits::new(held)).map(|charge| charge.credits);
        assert_eq!(charged(1_000), Some(Credits::new(150)));
        assert_eq!(charged(120), Some(Credits::new(120)));
        assert_eq!(charge(TokenUsage::default(), tariff, Credits::new(9)), None);
    }

    #[test]
    fn a_whole_reply_is_charged_exactly() {
        assert_eq!(billable(EndReason::Done, Some(UPSTREAM), 900, "学而"), UPSTREAM);
        assert_eq!(billable(EndReason::Length, Some(UPSTREAM), 900, "学而"), UPSTREAM);
    }

    #[test]
    fn a_failed_reply_is_charged_for_what_was_shown() {
        let nothing = billable(EndReason::Error, Some(UPSTREAM), 900, "");
        assert!(nothing.is_empty());
        let some = billable(EndReason::Lost, None, 900, "学而时习之");
        assert_eq!(some, TokenUsage { prompt: 0, cached: 0, completion: 3, reasoning: 0 });
    }

    #[test]
    fn a_stopped_reply_is_charged_for_the_prompt_and_what_was_shown() {
        let stopped = billable(EndReason::Stopped, None, 900, "学而时习之");
        assert_eq!(stopped, TokenUsage { prompt: 900, cached: 0, completion: 3, reasoning: 0 });
    }

    #[test]
    fn a_blocked_reply_is_charged_for_the_prompt() {
        let blocked = billable(EndReason::Blocked, Some(UPSTREAM), 900, "学而");
        assert_eq!(blocked, TokenUsage { prompt: 100, cached: 40, completion: 0, reasoning: 0 });
    }
}
