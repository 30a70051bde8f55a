//! Context to context: the needs that chat states as ports, answered by the other contexts' services.
//!
//! Nothing is decided here; a bridge changes one context's words into another's.

use std::sync::Arc;

use async_trait::async_trait;
use auth::{AuthError, AuthService, RateRule};
use billing::{
    BillingError, BillingService, Charge, HoldOutcome, HoldRequest, HoldState, Owner, SettleOutcome,
};
use chat::ports::{
    Admission, Knowledge, Levels, Meter, People, Persona, Personas, Reservation, Reserved, Retrieved,
    Settlement, Throttle,
};
use chat::{CharacterId, ConversationId, Payer, UserCard};
use futures::{StreamExt, TryStreamExt, stream};
use kernel::{Credits, MessageId, PageRequest, PortError, Timestamp, TokenUsage, UserId};
use mbti_roles::{CharacterFilter, CharacterService, SquadCharacter, affinity, speaker};
use rag::{Hit, LibraryService, RagError, SearchQuery};

/// Payment, by billing.
pub struct BillingMeter(pub Arc<BillingService>);

#[async_trait]
impl Meter for BillingMeter {
    async fn reserve(&self, reservation: &Reservation) -> Result<Reserved, PortError> {
        let request = HoldRequest {
            message_id: reservation.message_id,
            payer: owner(&reservation.payer)?,
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
            // To chat all of these say the same: so much may be spent, and it is not enough.
            HoldOutcome::Insufficient { available, needed }
            | HoldOutcome::CapReached { left: available, needed } => {
                Ok(Reserved::Insufficient { available, needed })
            }
            HoldOutcome::Frozen { needed } => Ok(Reserved::Insufficient { available: Credits::ZERO, needed }),
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
            is_estimated: false,
            at: settlement.at,
        };
        let outcome = self.0.settle(charge).await.map_err(billing_failure)?;
        if let SettleOutcome::Settled { charged, lost, .. } = outcome {
            count("billing_charged_credits_total", charged);
            count("billing_lost_credits_total", lost);
        }
        Ok(())
    }

    async fn void(&self, message_id: MessageId, at: Timestamp) -> Result<(), PortError> {
        self.0.void(message_id, at).await.map(|_outcome| ()).map_err(billing_failure)
    }

    fn progress(&self, message_id: MessageId, tokens: TokenUsage) {
        self.0.progress(message_id, tokens);
    }
}

fn count(name: &'static str, amount: Credits) {
    metrics::counter!(name).increment(u64::try_from(amount.get()).unwrap_or_default());
}

/// A room's pool has the room's id.
fn owner(payer: &Payer) -> Result<Owner, PortError> {
    Ok(match payer {
        Payer::User(user) => Owner::User(*user),
        Payer::Pool(room) => {
            Owner::Pool(room.as_str().parse().map_err(|error| PortError::rejected("billing", error))?)
        }
    })
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
        let Some(character) = self.0.get(id.as_str()) else {
            return Ok(self.0.squad().get(id.as_str()).map(|character| squad_persona(id, character)));
        };
        Ok(Some(Persona {
            id: id.clone(),
            name: character.name.clone(),
            instructions: character.instructions.clone(),
            lines: character.lines.clone(),
            uses_knowledge: character.uses_knowledge,
            works: character.works.clone(),
            aliases: character.aliases.iter().chain([&character.english_name]).cloned().collect(),
            near_names: character.near_names.clone(),
            dimension: character.dimension.as_str().to_owned(),
            avatar: character.avatar.clone(),
            talkativeness: speaker::talkativeness(character.dimension),
            topics: character.topics.clone(),
        }))
    }

    async fn by_name(&self, name: &str) -> Result<Option<Persona>, PortError> {
        let everybody =
            self.0.list(&CharacterFilter::default(), PageRequest::new(1, u32::MAX, u32::MAX)).items;
        let named = everybody.into_iter().find(|character| character.name == name).map(|found| &found.id);
        let in_squads = || self.0.squad().characters().iter().find(|c| c.name == name).map(|found| &found.id);
        match named.or_else(in_squads).map(|id| id.as_str().parse()) {
            Some(Ok(id)) => self.persona(&id).await,
            Some(Err(_)) | None => Ok(None),
        }
    }

    fn affinity(&self, one: &CharacterId, other: &CharacterId) -> u8 {
        match (self.0.get(one.as_str()), self.0.get(other.as_str())) {
            (Some(one), Some(other)) => affinity::affinity(one.dimension, other.dimension),
            (Some(_) | None, _) => affinity::NEUTRAL,
        }
    }
}

/// A character of squads. It answers without the library: squads talk about life.
fn squad_persona(id: &CharacterId, character: &SquadCharacter) -> Persona {
    Persona {
        aliases: character.aliases.iter().chain([&character.english_name]).cloned().collect(),
        dimension: character.dimension.as_str().to_owned(),
        avatar: character.avatar.clone(),
        talkativeness: character.talkativeness,
        topics: character.topics.clone(),
        lines: character.lines.clone(),
        ..Persona::named(id.clone(), &character.name, &character.instructions)
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

/// People, by auth.
pub struct AuthPeople(pub Arc<AuthService>);

/// Profiles that are read at the same time for one list of people.
const READS_MAX: usize = 4;

impl AuthPeople {
    async fn card(&self, user: UserId) -> Result<Option<UserCard>, PortError> {
        match self.0.profile(user).await {
            Ok(found) => Ok(Some(UserCard {
                user_id: user,
                nick_name: found.nick_name.clone(),
                avatar_url: found.avatar_url.clone(),
            })),
            Err(AuthError::NotFound) => Ok(None),
            Err(AuthError::Port(error)) => Err(error),
            Err(error) => Err(PortError::rejected("auth", error)),
        }
    }
}

#[async_trait]
impl People for AuthPeople {
    async fn cards(&self, users: &[UserId]) -> Result<Vec<UserCard>, PortError> {
        let cards =
            stream::iter(users.iter().copied()).map(|user| self.card(user)).buffer_unordered(READS_MAX);
        cards.try_filter_map(|card| async move { Ok(card) }).try_collect().await
    }
}

/// Rates, by auth's rate limiter.
pub struct AuthThrottle {
    /// Where the counters are.
    pub auth: Arc<AuthService>,
    /// Messages a person may send.
    pub messages: RateRule,
    /// Messages a room takes.
    pub room: RateRule,
    /// Likes a person may give and take back.
    pub likes: RateRule,
    /// Reports a person may make.
    pub reports: RateRule,
}

impl AuthThrottle {
    async fn admit(&self, rule: &RateRule, key: &str) -> Result<Admission, PortError> {
        let rate = self.auth.admit(rule, key).await?;
        if rate.allowed {
            Ok(Admission::Admitted)
        } else {
            Ok(Admission::Limited { retry_after_ms: rate.retry_after_ms, limit: rule.limit })
        }
    }
}

#[async_trait]
impl Throttle for AuthThrottle {
    fn counts_messages(&self) -> bool {
        !(self.messages.is_off() && self.room.is_off())
    }

    async fn message(&self, author: UserId) -> Result<Admission, PortError> {
        self.admit(&self.messages, &author.to_string()).await
    }

    async fn room(&self, room: &ConversationId) -> Result<Admission, PortError> {
        self.admit(&self.room, room.as_str()).await
    }

    async fn like(&self, user: UserId) -> Result<Admission, PortError> {
        self.admit(&self.likes, &user.to_string()).await
    }

    async fn report(&self, user: UserId) -> Result<Admission, PortError> {
        self.admit(&self.reports, &user.to_string()).await
    }
}

/// Levels, before anybody can rise: everybody has the first.
pub struct FirstLevel;

const FIRST_LEVEL: u32 = 1;

#[async_trait]
impl Levels for FirstLevel {
    async fn level(&self, _user: UserId) -> Result<u32, PortError> {
        Ok(FIRST_LEVEL)
    }
}
