//! Token usage and what it costs: the arithmetic that chat shows and billing charges.
//!
//! It stands in the kernel because both must get the same number from the same tokens: the reply carries the
//! price when it ends, before the ledger settles it.

use serde::{Deserialize, Serialize};

use crate::money::{Credits, MoneyOverflow};

/// Tokens of one or more model calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TokenUsage {
    /// All tokens of the prompt, cached ones included.
    pub prompt: u32,
    /// Those of the prompt that the provider took from its cache; never more than `prompt`.
    pub cached: u32,
    /// All tokens of the answer, reasoning included.
    pub completion: u32,
    /// Those of the answer that were reasoning, and not shown.
    pub reasoning: u32,
}

impl TokenUsage {
    /// Usage of two calls together; a sum beyond 32 bits stays at the maximum.
    pub const fn saturating_plus(self, other: Self) -> Self {
        Self {
            prompt: self.prompt.saturating_add(other.prompt),
            cached: self.cached.saturating_add(other.cached),
            completion: self.completion.saturating_add(other.completion),
            reasoning: self.reasoning.saturating_add(other.reasoning),
        }
    }

    /// Whether there is nothing to charge.
    pub const fn is_empty(self) -> bool {
        self.prompt == 0 && self.completion == 0
    }
}

/// Prices of a model, in credits (micro-yuan) per million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tariff {
    /// Prompt tokens that missed the provider's cache.
    pub miss: i64,
    /// Prompt tokens that hit it.
    pub hit: i64,
    /// Tokens of the answer, reasoning included.
    pub output: i64,
}

const TOKENS_PER_PRICE: i128 = 1_000_000;

impl Tariff {
    /// What the usage costs: one rounding, upward, for the whole message.
    pub fn cost(self, usage: TokenUsage) -> Result<Credits, MoneyOverflow> {
        let cached = usage.cached.min(usage.prompt);
        let missed = usage.prompt - cached;
        let total = i128::from(missed) * i128::from(self.miss)
            + i128::from(cached) * i128::from(self.hit)
            + i128::from(usage.completion) * i128::from(self.output);
        let rounded_up = (total + TOKENS_PER_PRICE - 1) / TOKENS_PER_PRICE;
        i64::try_from(rounded_up).map(Credits::new).map_err(|_out_of_range| MoneyOverflow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLASH: Tariff = Tariff { miss: 1_000_000, hit: 20_000, output: 4_000_000 };

    #[test]
    fn a_message_of_the_published_example_costs_2530() {
        let usage = TokenUsage { prompt: 2_000, cached: 1_500, completion: 500, reasoning: 0 };
        assert_eq!(FLASH.cost(usage), Ok(Credits::new(2_530)));
    }

    #[test]
    fn the_one_rounding_goes_upward() {
        let usage = TokenUsage { prompt: 1, cached: 1, completion: 0, reasoning: 0 };
        assert_eq!(FLASH.cost(usage), Ok(Credits::new(1)));
        assert_eq!(FLASH.cost(TokenUsage::default()), Ok(Credits::ZERO));
    }

    #[test]
    fn cached_tokens_beyond_the_prompt_earn_nothing() {
        let usage = TokenUsage { prompt: 10, cached: 99, completion: 0, reasoning: 0 };
        let honest = TokenUsage { prompt: 10, cached: 10, completion: 0, reasoning: 0 };
        assert_eq!(FLASH.cost(usage), FLASH.cost(honest));
    }
}
