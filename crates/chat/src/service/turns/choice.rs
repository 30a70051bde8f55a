//! Who answers a message: reads what the pure choice needs, and nothing where it needs nothing.

use kernel::{PageRequest, PortError, Timestamp};

use super::stage::{Cast, Lately};
use crate::conversation::{CharacterId, ConversationKind};
use crate::error::ChatError;
use crate::message::{Author, Message};
use crate::ports::NewMessage;
use crate::room::{Payer, Room, TurnStrategy, payer};
use crate::service::{ChatService, Inner};
use crate::turn::strategy::{Decision, Scene, Speaker, decide};
use crate::turn::{Reason, Step, StepState, Turn, TurnState, follow_ups};

/// With so many turns waiting even who is named is not heard: a queue must end.
const WAITING_TURNS_MAX: u32 = 48;
/// So many turns are looked at for who has waited longest.
const TURNS_READ: u32 = 40;

impl ChatService {
    /// Who answers a message that is about to be appended, if anybody. `answered` is the message that it replies to.
    pub(crate) async fn decide(
        &self,
        room: &Room,
        message: &NewMessage,
        answered: Option<&Message>,
    ) -> Result<Option<Turn>, ChatError> {
        if room.characters.is_empty() {
            return Ok(None);
        }
        let inner = &self.inner;
        let cast = inner.cast(&room.characters).await?;
        let by_name = cast.names.named_in(&message.content);
        let replied_to = answered.and_then(|answered| match &answered.author {
            Author::Character(id) => Some(id),
            Author::User(_) | Author::System => None,
        });
        let is_anybody_named = !message.mentions.is_empty() || !by_name.is_empty() || replied_to.is_some();
        if !is_anybody_named && room.settings.turn_strategy == TurnStrategy::Manual {
            return Ok(None);
        }
        let lately = inner.lately(room).await?;
        if lately.open_turns >= WAITING_TURNS_MAX {
            tracing::warn!(room.id = %room.id, "so many turns wait that a message is not answered");
            return Ok(None);
        }
        let speakers = inner.speakers(room, &cast, &lately, !is_anybody_named).await?;
        let seed = inner.seed();
        let decision = decide(&Scene {
            strategy: room.settings.turn_strategy,
            speakers: &speakers,
            text: &message.content,
            room_topics: &room.profile.topics,
            by_id: &message.mentions,
            by_name: &by_name,
            replied_to,
            last_speaker: lately.spoke.first().map(|(id, _)| id),
            open_turns: lately.open_turns,
            seed,
            now: message.at,
        });
        Ok(inner.turn(room, message, decision, seed))
    }
}

impl Inner {
    async fn speakers(
        &self,
        room: &Room,
        cast: &Cast,
        lately: &Lately,
        by_strategy: bool,
    ) -> Result<Vec<Speaker>, PortError> {
        let last = lately.spoke.first().map(|(id, _)| id);
        let mut spoke = lately.spoke.clone();
        if by_strategy && room.settings.turn_strategy == TurnStrategy::Pooled {
            spoke.extend(self.spoke_long_ago(room).await?);
        }
        let affinity = |id: &CharacterId| last.map_or(50, |last| self.ports.personas.affinity(id, last));
        let speaker = |persona: &crate::ports::Persona| Speaker {
            id: persona.id.clone(),
            talkativeness: persona.talkativeness,
            affinity: affinity(&persona.id),
            topics: persona.topics.clone(),
            is_muted: room.settings.muted_characters.contains(&persona.id),
            spoke_at: spoke.iter().find(|(id, _)| *id == persona.id).map(|(_, at)| *at),
        };
        Ok(cast.personas.iter().map(speaker).collect())
    }

    /// Who spoke in the last turns, the latest first: further back than the history that is read each time.
    async fn spoke_long_ago(&self, room: &Room) -> Result<Vec<(CharacterId, Timestamp)>, PortError> {
        let turns = self.ports.turns.list(&room.id, PageRequest::new(1, TURNS_READ, TURNS_READ)).await?;
        let begun = turns.items.iter().flat_map(|turn| {
            let steps = turn.steps.iter().rev().filter(|step| step.state == StepState::Begun);
            steps.map(|step| (step.character_id.clone(), turn.created_at))
        });
        Ok(begun.collect())
    }

    fn seed(&self) -> u64 {
        let mut bytes = [0; 8];
        self.runtime.entropy.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// What is to be said, and behind it who was named in vain.
    fn steps(
        &self,
        message: &NewMessage,
        speakers: Vec<(CharacterId, Reason)>,
        silenced: Vec<CharacterId>,
    ) -> Vec<Step> {
        let speaking = speakers.into_iter().map(|(id, reason)| (id, reason, StepState::Waiting));
        let left_out = silenced.into_iter().map(|id| (id, Reason::Muted, StepState::Skipped));
        let step = |(character_id, reason, state)| Step {
            reply: self.runtime.ids.next(),
            character_id,
            reason,
            reply_to: message.id,
            state,
        };
        speaking.chain(left_out).map(step).collect()
    }

    fn turn(&self, room: &Room, message: &NewMessage, decision: Decision, seed: u64) -> Option<Turn> {
        let steps = self.steps(message, decision.speakers, decision.silenced);
        if steps.is_empty() {
            return None;
        }
        let is_open = steps.iter().any(|step| step.state == StepState::Waiting);
        let strategy = room.settings.turn_strategy;
        let talk_among_themselves = room.kind == ConversationKind::Room && strategy == TurnStrategy::Natural;
        Some(Turn {
            id: self.runtime.ids.next(),
            conversation_id: room.id.clone(),
            question: message.id,
            asker: message.author,
            payer: match payer(room.settings.payer, message.author, room.owner, &room.id) {
                Payer::User(user) => user,
                // The room pays; the asker is who is told that its pool is empty.
                Payer::Pool(_) => message.author,
            },
            strategy,
            seed,
            candidates: decision.candidates,
            follow_ups_left: if talk_among_themselves { follow_ups(&steps) } else { 0 },
            steps,
            // Where only silenced ones were named there is nothing to do: the turn tells why.
            state: if is_open { TurnState::Open } else { TurnState::Done },
            owner: self.settings.instance,
            created_at: message.at,
        })
    }
}
