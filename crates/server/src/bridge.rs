//! Context to context: the needs that chat states as ports, answered by the other contexts' services.
//!
//! Nothing is decided here; a bridge changes one context's words into another's.

use std::sync::Arc;

use async_trait::async_trait;
use auth::{AuthService, RateRule};
use billing::{BillingError, BillingService, Charge, HoldOutcome, HoldRequest, HoldState};
use chat::CharacterId;
use chat::ports::{
    Admission, Knowledge, Meter, Persona, Personas, Reservation, Reserved, Retrieved, Settlement, Throttle,
};
use kernel::{MessageId, PortError, Timestamp, UserId};
use mbti_roles::CharacterService;
use rag::{Hit, LibraryService, RagError, SearchQuery};

/// Payment, by billing.
pub struct BillingMeter(pub Arc<BillingService>);

#[async_trait]
impl Meter for BillingMeter {
    async fn reserve(&self, reservation: &Reservation) -> Result<Reserved, PortError> {
        let request = HoldRequest {
            message_id: reservation.message_id,
            user: reservation.payer,
            model_alias: reservation.model_alias.clone(),
            prompt_tokens_max: reservation.prompt_tokens_max,
            output_tokens_wanted: reservation.output_tokens_wanted,
            output_tokens_min: reservation.output_tokens_min,
            at: reservation.at,
        };
        match self.0.reserve(request).await.map_err(billing_failure)? {
            HoldOutcome::Held(hold) | HoldOutcome::Replayed(hold) if hold.state == HoldState::Open => {
                Ok(Reserved::Held {
                    amount: hold.amount,
                    tariff: hold.tariff,
                    output_tokens_max: hold.output_tokens_max,
                })
            }
            HoldOutcome::Insufficient { available, needed } => {
                Ok(Reserved::Insufficient { available, needed })
            }
            HoldOutcome::Held(_) | HoldOutcome::Replayed(_) | HoldOutcome::Conflict => {
                Err(PortError::rejected("billing", "the message's hold is used up"))
            }
        }
    }

    async fn settle(&self, settlement: &Settlement) -> Result<(), PortError> {
        let charge = Charge {
            message_id: settlement.message_id,
            tokens: settlement.tokens,
            credits: settlement.credits,
            at: settlement.at,
        };
        self.0.settle(charge).await.map(|_outcome| ()).map_err(billing_failure)
    }

    async fn void(&self, message_id: MessageId, at: Timestamp) -> Result<(), PortError> {
        self.0.void(message_id, at).await.map(|_outcome| ()).map_err(billing_failure)
    }
}

fn billing_failure(error: BillingError) -> PortError {
    match error {
        BillingError::Port(error) => error,
        error @ (BillingError::UnknownModel | BillingError::Overflow(_)) => {
            PortError::rejected("billing", error)
        }
    }
}

/// Characters, by mbti-roles.
pub struct CharacterPersonas(pub Arc<CharacterService>);

#[async_trait]
impl Personas for CharacterPersonas {
    async fn persona(&self, id: &CharacterId) -> Result<Option<Persona>, PortError> {
        Ok(self.0.get(id.as_str()).map(|character| Persona {
            id: id.clone(),
            name: character.name.clone(),
            instructions: character.instructions.clone(),
            lines: character.lines.clone(),
            uses_knowledge: character.uses_knowledge,
            works: character.works.clone(),
        }))
    }
}

/// The library, by rag.
pub struct LibraryKnowledge(pub Arc<LibraryService>);

#[async_trait]
impl Knowledge for LibraryKnowledge {
    async fn retrieve(
        &self,
        question: &str,
        works: &[String],
        limit: u32,
    ) -> Result<Vec<Retrieved>, PortError> {
        let Some(query) = SearchQuery::about(question, works.to_vec(), limit) else { return Ok(Vec::new()) };
        let hits = self.0.search(&query).await.map_err(search_failure)?;
        Ok(hits.into_iter().map(retrieved).collect())
    }
}

fn retrieved(hit: Hit) -> Retrieved {
    Retrieved {
        passage_id: hit.passage.id,
        work: hit.passage.work.name.clone(),
        chapter: hit.passage.chapter,
        text: hit.passage.text,
        score: hit.score,
    }
}

fn search_failure(error: RagError) -> PortError {
    match error {
        RagError::Port(error) => error,
        // A character's file names its works: one that the library does not hold is a mistake in that file.
        error @ RagError::UnknownWork { .. } => PortError::rejected("library", error),
    }
}

/// Rates, by auth's rate limiter.
pub struct MessageThrottle {
    /// Where the counters are.
    pub auth: Arc<AuthService>,
    /// Messages a person may send.
    pub rule: RateRule,
}

#[async_trait]
impl Throttle for MessageThrottle {
    async fn message(&self, author: UserId) -> Result<Admission, PortError> {
        let rate = self.auth.admit(&self.rule, &author.to_string()).await?;
        if rate.allowed {
            Ok(Admission::Admitted)
        } else {
            Ok(Admission::Limited { retry_after_ms: rate.retry_after_ms, limit: self.rule.limit })
        }
    }
}
