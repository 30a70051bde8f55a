//! Squads: a room of one's own, whose characters answer in turn.

mod audience;
mod watch;

use std::sync::Arc;

use futures::stream::BoxStream;
use kernel::{MessageId, UserId};

use super::plan::{Budget, HISTORY_MESSAGES, OUTPUT_TOKENS_MIN, Plan};
use super::post::Said;
use super::rooms::{CreatedRoom, Founding, parse_characters};
use super::{ChatService, Draft};
use crate::content::parse_text;
use crate::conversation::{CharacterId, ConversationKind};
use crate::error::{ChatError, Field, Forbidden};
use crate::idempotency::IdempotencyKey;
use crate::message::Failure;
use crate::ports::{HistoryQuery, NewMessage};
use crate::prompt::{self, PromptParts};
use crate::room::{Payer, PayerRule, Room, RoomProfile, RoomSettings, TurnStrategy};
use crate::turn::Turn;
use audience::Listener;
use watch::Watch;

const TITLE_CHARS_MAX: u32 = 100;
const TOPIC_CHARS_MAX: u32 = 200;
const CHARACTERS_MAX: usize = 8;

/// A squad that somebody wants.
#[derive(Debug, Clone, Default)]
pub struct NewSquad {
    /// Its title.
    pub title: String,
    /// What it talks about.
    pub topic: String,
    /// Who is in it, one to eight.
    pub characters: Vec<String>,
}

/// What the watcher of a squad's turn sees, in order; [`SquadFrame::Done`] is the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SquadFrame {
    /// A character begins.
    Start {
        /// Who.
        character_id: CharacterId,
        /// Its reply.
        message_id: MessageId,
    },
    /// New text.
    Chunk {
        /// Whose.
        character_id: CharacterId,
        /// The text.
        text: String,
    },
    /// A character has ended.
    End {
        /// Who.
        character_id: CharacterId,
    },
    /// A character could not (go on to) speak.
    Error {
        /// Who.
        character_id: CharacterId,
        /// Why.
        failure: SquadFailure,
    },
    /// The turn is over.
    Done,
}

/// Why a character could not speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SquadFailure {
    /// The reply failed.
    Reply(Failure),
    /// It was withheld.
    Blocked,
    /// The owner cannot afford it.
    InsufficientBalance,
}

impl ChatService {
    /// Makes a squad.
    pub async fn create_squad(
        &self,
        user: UserId,
        squad: NewSquad,
        key: Option<IdempotencyKey>,
    ) -> Result<CreatedRoom, ChatError> {
        let profile = RoomProfile {
            name: parse_title(&squad.title)?,
            description: parse_topic(&squad.topic)?,
            ..RoomProfile::default()
        };
        let characters = self.squad_characters(&squad.characters).await?;
        let settings = RoomSettings {
            allow_guest_join: false,
            turn_strategy: TurnStrategy::List,
            payer: PayerRule::Owner,
            ..RoomSettings::default()
        };
        let founding = Founding { kind: ConversationKind::Squad, profile, settings, characters };
        self.found(user, founding, key).await
    }

    /// One of the person's own squads.
    pub async fn squad(&self, user: UserId, id: &str) -> Result<Room, ChatError> {
        let (room, standing) = self.visible(user, id).await?;
        let is_own = room.kind == ConversationKind::Squad && standing.owner == Some(user);
        if is_own { Ok(room) } else { Err(ChatError::NotFound) }
    }

    /// Says something in one's squad and watches the turn. A balance that does not pay the first reply is refused
    /// before anything is stored. The turn goes on whatever becomes of the watcher.
    pub async fn ask_squad(
        &self,
        user: UserId,
        id: &str,
        draft: Draft,
    ) -> Result<BoxStream<'static, SquadFrame>, ChatError> {
        let said = Said::parse(&draft, self.inner.settings.message_chars)?;
        let squad = self.squad(user, id).await?;
        if let Some(earlier) = self.earlier(user, &squad.id, &said).await? {
            return self.watch_turn(&squad, earlier.id).await;
        }
        if squad.closed_at.is_some() {
            return Err(ChatError::Forbidden(Forbidden::Closed));
        }
        let answered = self.answered(&squad, &said).await?;
        if let Some(earlier) = self.limited(user, &squad, &said).await? {
            return self.watch_turn(&squad, earlier.message_id).await;
        }
        let message = self.new_message(user, &squad, said);
        let turn = self.decide(&squad, &message, answered.as_ref()).await?;
        if let Some(turn) = &turn {
            self.check_balance(&message, turn).await?;
        }
        // Watched before it is said, so that nothing of the answer is missed.
        let (listener, batches) = Listener::new();
        let feed = self.feed(&squad.id, Arc::new(listener)).await?;
        let posted = self.append(&squad, NewMessage { turn, ..message }).await?;
        Ok(Watch::new(self.clone(), feed, batches, posted.message_id).into_stream())
    }

    async fn watch_turn(
        &self,
        squad: &Room,
        question: MessageId,
    ) -> Result<BoxStream<'static, SquadFrame>, ChatError> {
        let (listener, batches) = Listener::new();
        let feed = self.feed(&squad.id, Arc::new(listener)).await?;
        Ok(Watch::new(self.clone(), feed, batches, question).into_stream())
    }

    /// Refuses what the payer could not even begin to pay. What is held for it is freed at once: each step holds its
    /// own when its time comes, by a prompt that nobody knows yet.
    async fn check_balance(&self, message: &NewMessage, turn: &Turn) -> Result<(), ChatError> {
        let Some(step) = turn.next_step() else { return Ok(()) };
        let ports = &self.inner.ports;
        let persona = ports.personas.persona(&step.character_id).await?.ok_or(ChatError::UnknownCharacter)?;
        let newest = HistoryQuery::Newest { limit: HISTORY_MESSAGES };
        let history = ports.log.history(&message.conversation_id, newest).await?.messages;
        let budget = self.inner.budget(None)?;
        let prompt = prompt::build(PromptParts {
            persona: &persona,
            passages: &[],
            history: &history,
            question: &message.content,
            tokens_max: budget.prompt_tokens_max,
        });
        // No more than the least answer is held, so that nobody else is refused for a mere question.
        let output_tokens_wanted = budget.output_tokens_wanted.min(OUTPUT_TOKENS_MIN);
        let plan = Plan {
            reply_id: self.inner.runtime.ids.next(),
            budget: Budget { output_tokens_wanted, ..budget },
            prompt,
            asker: message.author,
            payer: Payer::User(turn.payer),
        };
        let reserved = self.inner.reserve(&message.conversation_id, &plan).await;
        let is_void = reserved.is_ok() && ports.meter.void(plan.reply_id, self.inner.now()).await.is_ok();
        if !is_void {
            self.inner.give_back(plan.reply_id);
        }
        reserved.map(drop)
    }

    /// One to eight characters that are made for squads, each once.
    pub(super) async fn squad_characters(&self, ids: &[String]) -> Result<Vec<CharacterId>, ChatError> {
        if ids.is_empty() || ids.len() > CHARACTERS_MAX {
            return Err(ChatError::SquadSize);
        }
        let characters = parse_characters(ids)?;
        for id in &characters {
            let persona = self.inner.ports.personas.persona(id).await?;
            // A squad character has one letter of a type, any other one a whole type or none.
            if persona.is_none_or(|persona| persona.dimension.len() != 1) {
                return Err(ChatError::UnknownCharacter);
            }
        }
        Ok(characters)
    }
}

pub(super) fn parse_title(title: &str) -> Result<String, ChatError> {
    parse_text(Field::Title, title, TITLE_CHARS_MAX)
}

pub(super) fn parse_topic(topic: &str) -> Result<String, ChatError> {
    parse_text(Field::Topic, topic, TOPIC_CHARS_MAX)
}
