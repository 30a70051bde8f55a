//! Holds: how much is set aside before a model is called, and how it is divided afterwards.

use std::str::FromStr;

use kernel::{Credits, Id, MessageId, MoneyOverflow, Tariff, Timestamp, TokenUsage};

use crate::account::Owner;
use crate::transfer::UnknownKind;

/// Kind of a running server process.
pub enum Instance {}

/// The running server process that keeps a hold alive.
pub type InstanceId = Id<Instance>;

/// A hold that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldRequest {
    /// The reply, which names the hold.
    pub message_id: MessageId,
    /// Who pays.
    pub payer: Owner,
    /// The model's alias, which has a price.
    pub model_alias: String,
    /// Upper bound of the prompt's tokens.
    pub prompt_tokens_max: u32,
    /// Output tokens wanted at most.
    pub output_tokens_wanted: u32,
    /// Output tokens below which it is not worth asking; more than wanted means as many as wanted.
    pub output_tokens_min: u32,
    /// When it was asked for.
    pub at: Timestamp,
}

impl HoldRequest {
    /// Whether the other asks for the same, apart from when: a repeat and not another use of the message's id.
    pub fn repeats(&self, other: &Self) -> bool {
        let at_the_same_time = Self { at: self.at, ..other.clone() };
        *self == at_the_same_time
    }

    /// The least that is worth holding.
    pub fn least(&self, tariff: Tariff) -> Result<Offer, MoneyOverflow> {
        self.offer(tariff, self.output_floor())
    }

    /// The most output that `available` pays for, as far as it was wanted; `None` if not even the least.
    pub fn best(&self, tariff: Tariff, available: Credits) -> Result<Option<Offer>, MoneyOverflow> {
        let Some(affordable) = self.affordable_output(tariff, available) else {
            return Ok(None);
        };
        let output = affordable.min(self.output_tokens_wanted);
        if output < self.output_floor() { Ok(None) } else { self.offer(tariff, output).map(Some) }
    }

    fn output_floor(&self) -> u32 {
        self.output_tokens_min.min(self.output_tokens_wanted)
    }

    fn offer(&self, tariff: Tariff, output_tokens_max: u32) -> Result<Offer, MoneyOverflow> {
        // No part of the prompt counts as cached, and the table of prices sees to it that a hit costs no more.
        let worst = TokenUsage {
            prompt: self.prompt_tokens_max,
            cached: 0,
            completion: output_tokens_max,
            reasoning: 0,
        };
        Ok(Offer { amount: tariff.cost(worst)?, output_tokens_max })
    }

    /// Inverts [`Tariff::cost`]: rounded up, a cost is within the balance exactly if it is before rounding.
    fn affordable_output(&self, tariff: Tariff, available: Credits) -> Option<u32> {
        let prompt = i128::from(self.prompt_tokens_max) * i128::from(tariff.miss);
        let left = i128::from(available.get()) * TOKENS_PER_PRICE - prompt;
        if left < 0 {
            return None;
        }
        if tariff.output <= 0 {
            return Some(u32::MAX);
        }
        Some(u32::try_from(left / i128::from(tariff.output)).unwrap_or(u32::MAX))
    }
}

const TOKENS_PER_PRICE: i128 = 1_000_000;

/// What a hold would set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// The worst case of the request.
    pub amount: Credits,
    /// The output tokens that it pays for.
    pub output_tokens_max: u32,
}

/// How far a hold is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HoldState {
    /// The amount is set aside.
    Open,
    /// The charge was taken and the rest went back.
    Settled,
    /// All of it went back.
    Voided,
    /// All of it went back, since nobody renewed it in time. It may still be settled.
    Expired,
}

impl HoldState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Open, Self::Settled, Self::Voided, Self::Expired];

    /// Its name, as stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Settled => "settled",
            Self::Voided => "voided",
            Self::Expired => "expired",
        }
    }
}

impl FromStr for HoldState {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(UnknownKind)
    }
}

/// A hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// What was asked for; `request.at` is when it was made.
    pub request: HoldRequest,
    /// The prices at that time, which its settlement goes by.
    pub tariff: Tariff,
    /// Which prices those were, as [`crate::Price::id`] names them.
    pub price_id: String,
    /// What is set aside.
    pub amount: Credits,
    /// The output tokens that the amount pays for.
    pub output_tokens_max: u32,
    /// How far it is.
    pub state: HoldState,
    /// Who renews it.
    pub instance: InstanceId,
    /// When it ends by itself, unless it is renewed.
    pub expires_at: Timestamp,
}

/// What became of a [`HoldRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldOutcome {
    /// The worst case is held.
    Held(Hold),
    /// It was held before; nothing changed. Its state says whether it still is.
    Replayed(Hold),
    /// The payer cannot afford the least answer: nothing is held.
    Insufficient {
        /// What the payer has.
        available: Credits,
        /// What the least answer needs.
        needed: Credits,
    },
    /// The message's id names a hold that was asked for otherwise; nothing changed.
    Conflict,
    /// The payer's account is frozen: nothing is held.
    Frozen {
        /// What the least answer needs.
        needed: Credits,
    },
    /// The payer's limit for the day does not allow the least answer: nothing is held.
    CapReached {
        /// What it still allows.
        left: Credits,
        /// What the least answer needs.
        needed: Credits,
    },
}

/// The charge for an ended reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charge {
    /// The reply, which names the hold.
    pub message_id: MessageId,
    /// The tokens charged for.
    pub tokens: TokenUsage,
    /// Their price, as the payer saw it.
    pub credits: Credits,
    /// Whether we counted the tokens ourselves, since the provider had not.
    pub is_estimated: bool,
    /// When.
    pub at: Timestamp,
}

/// How a charge is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Split {
    /// What the payer pays.
    pub charged: Credits,
    /// What the house pays.
    pub lost: Credits,
}

impl Charge {
    /// Divides the charge: the payer pays at most `limit`, the house what the tokens cost beyond that.
    ///
    /// `limit` is the hold's amount, or less where the hold has expired and the payer has spent it since.
    pub fn split(&self, tariff: Tariff, limit: Credits) -> Result<Split, MoneyOverflow> {
        let asked = self.credits.max(Credits::ZERO);
        let charged = asked.min(limit).max(Credits::ZERO);
        let cost = tariff.cost(self.tokens)?.max(asked);
        Ok(Split { charged, lost: cost.minus(charged)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARIFF: Tariff = Tariff { miss: 1_000_000, hit: 20_000, output: 4_000_000 };

    fn request(prompt: u32, wanted: u32, min: u32) -> HoldRequest {
        HoldRequest {
            message_id: Id::from_uuid(uuid::Uuid::from_u128(1)),
            payer: Owner::User(Id::from_uuid(uuid::Uuid::from_u128(2))),
            model_alias: "deepseek-flash".into(),
            prompt_tokens_max: prompt,
            output_tokens_wanted: wanted,
            output_tokens_min: min,
            at: Timestamp::from_millis(0),
        }
    }

    fn best(request: &HoldRequest, available: i64) -> Option<(i64, u32)> {
        let offer = request.best(TARIFF, Credits::new(available)).unwrap();
        offer.map(|offer| (offer.amount.get(), offer.output_tokens_max))
    }

    #[test]
    fn a_full_purse_holds_the_worst_case_of_all_that_is_wanted() {
        assert_eq!(best(&request(1_000, 500, 256), 3_000), Some((3_000, 500)));
        assert_eq!(best(&request(1_000, 500, 256), i64::MAX), Some((3_000, 500)));
    }

    #[test]
    fn a_short_purse_lowers_the_output_to_what_it_pays_for() {
        assert_eq!(best(&request(1_000, 500, 256), 2_999), Some((2_996, 499)));
        assert_eq!(best(&request(1_000, 500, 256), 2_024), Some((2_024, 256)));
    }

    #[test]
    fn a_purse_below_the_least_answer_holds_nothing() {
        let asked = request(1_000, 500, 256);
        assert_eq!(best(&asked, 2_023), None);
        assert_eq!(best(&asked, 0), None);
        assert_eq!(asked.least(TARIFF).unwrap().amount, Credits::new(2_024));
    }

    #[test]
    fn a_minimum_above_the_wish_asks_for_no_more_than_the_wish() {
        assert_eq!(request(0, 10, 256).least(TARIFF).unwrap().output_tokens_max, 10);
        assert_eq!(best(&request(0, 10, 256), 40), Some((40, 10)));
    }

    #[test]
    fn a_free_model_holds_nothing_and_gives_everything() {
        let free = Tariff { miss: 0, hit: 0, output: 0 };
        let offer = request(9, 7, 1).best(free, Credits::ZERO).unwrap();
        assert_eq!(offer, Some(Offer { amount: Credits::ZERO, output_tokens_max: 7 }));
    }

    #[test]
    fn the_best_offer_is_affordable_and_the_next_token_is_not() {
        let odd = Tariff { miss: 333_333, hit: 1, output: 777_777 };
        let asked = request(1_001, u32::MAX, 0);
        for available in 334..2_000 {
            let offer = asked.best(odd, Credits::new(available)).unwrap().unwrap();
            assert!(offer.amount.get() <= available);
            let more = asked.offer(odd, offer.output_tokens_max + 1).unwrap();
            assert!(more.amount.get() > available, "{available}");
        }
    }

    #[test]
    fn a_repeat_may_come_later_but_not_ask_for_something_else() {
        let first = request(1, 2, 3);
        assert!(first.repeats(&HoldRequest { at: Timestamp::from_millis(9), ..first.clone() }));
        assert!(!first.repeats(&request(1, 2, 4)));
        assert!(!first.repeats(&HoldRequest { model_alias: "other".into(), ..first.clone() }));
    }

    fn charge(credits: i64, completion: u32) -> Charge {
        let tokens = TokenUsage { completion, ..TokenUsage::default() };
        let message_id = Id::from_uuid(uuid::Uuid::from_u128(1));
        let credits = Credits::new(credits);
        Charge { message_id, tokens, credits, is_estimated: false, at: Timestamp::from_millis(0) }
    }

    fn split(charge: &Charge, limit: i64) -> (i64, i64) {
        let split = charge.split(TARIFF, Credits::new(limit)).unwrap();
        (split.charged.get(), split.lost.get())
    }

    #[test]
    fn a_charge_within_the_hold_is_paid_whole() {
        assert_eq!(split(&charge(40, 10), 100), (40, 0));
        assert_eq!(split(&charge(0, 0), 100), (0, 0));
    }

    #[test]
    fn what_a_reply_costs_beyond_the_hold_is_lost() {
        assert_eq!(split(&charge(140, 35), 100), (100, 40));
        // A caller that has cut the price to the hold already does not hide the loss.
        assert_eq!(split(&charge(100, 35), 100), (100, 40));
        assert_eq!(split(&charge(140, 35), 0), (0, 140));
    }

    #[test]
    fn a_negative_charge_takes_nothing() {
        assert_eq!(split(&charge(-5, 0), 100), (0, 0));
    }
}
