//! What is remembered of a room between two messages, for as long as it saves reads: its characters with their names,
//! folded, and who spoke and waits.
//!
//! Nothing here decides about money or permission; what it gets wrong for half a second is judged again when a step
//! begins.

use std::sync::Arc;

use kernel::{BoundedMap, PortError, Timestamp};

use super::OPEN_TURNS_READ;
use crate::conversation::{CharacterId, ConversationId};
use crate::message::{Author, Message, MessageStatus};
use crate::ports::{HistoryQuery, Persona};
use crate::room::Room;
use crate::service::Inner;
use crate::turn::mention::{NameIndex, Named};
use crate::turn::{StepState, Turn};

const ENTRIES_MAX: usize = 4_096;
const CAST_LIFE_MS: i64 = 60_000;
const SCENE_LIFE_MS: i64 = 500;
/// So far back it is looked who spoke.
const MESSAGES_READ: u32 = 30;

/// A room's characters, in its order.
pub(in crate::service) struct Cast {
    pub(super) personas: Vec<Persona>,
    pub(super) names: NameIndex,
}

impl Cast {
    pub(super) fn persona(&self, id: &CharacterId) -> Option<&Persona> {
        self.personas.iter().find(|persona| persona.id == *id)
    }
}

/// Who spoke of late, and what waits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Lately {
    /// Characters and when they last began to speak, the latest first.
    pub(super) spoke: Vec<(CharacterId, Timestamp)>,
    /// Turns of which something is left that a new message does not cut.
    pub(super) open_turns: u32,
    /// Whether a step waits that nobody asked for.
    pub(super) has_unasked: bool,
}

/// What is remembered of rooms.
pub(in crate::service) struct Stage {
    casts: BoundedMap<Vec<CharacterId>, Arc<Cast>>,
    lately: BoundedMap<ConversationId, Arc<Lately>>,
}

impl Default for Stage {
    fn default() -> Self {
        Self { casts: BoundedMap::new(ENTRIES_MAX), lately: BoundedMap::new(ENTRIES_MAX) }
    }
}

impl Stage {
    /// Forgets who spoke and what waits in a room in which that has changed.
    pub(super) fn forget(&self, room: &ConversationId) {
        self.lately.remove(room);
    }
}

impl Inner {
    /// The characters of a room; one that is gone is left out.
    pub(super) async fn cast(&self, characters: &[CharacterId]) -> Result<Arc<Cast>, PortError> {
        let now = self.now();
        let key = characters.to_vec();
        if let Some((cast, ends_at)) = self.stage.casts.get_with_end(&key)
            && now < ends_at
        {
            return Ok(cast);
        }
        let mut personas = Vec::with_capacity(characters.len());
        for id in characters {
            personas.extend(self.ports.personas.persona(id).await?);
        }
        let named: Vec<Named> = personas.iter().map(Named::from).collect();
        let cast = Arc::new(Cast { personas, names: NameIndex::of(&named) });
        self.stage.casts.insert(key, Arc::clone(&cast), now.plus_millis(CAST_LIFE_MS), now);
        Ok(cast)
    }

    /// Who spoke and what waits in a room, as of half a second ago.
    pub(super) async fn lately(&self, room: &Room) -> Result<Arc<Lately>, PortError> {
        let now = self.now();
        if let Some((lately, ends_at)) = self.stage.lately.get_with_end(&room.id)
            && now < ends_at
        {
            return Ok(lately);
        }
        let newest = HistoryQuery::Newest { limit: MESSAGES_READ };
        let messages = self.ports.log.history(&room.id, newest).await?.messages;
        let open = self.ports.turns.open(&room.id, OPEN_TURNS_READ).await?;
        let lately = Arc::new(lately(&messages, &open, now));
        self.stage.lately.insert(room.id.clone(), Arc::clone(&lately), now.plus_millis(SCENE_LIFE_MS), now);
        Ok(lately)
    }

    /// Whether something may wait in a room that nobody asked for.
    pub(super) async fn may_have_unasked(&self, room: &Room) -> bool {
        match self.lately(room).await {
            Ok(lately) => lately.has_unasked,
            Err(error) => {
                tracing::warn!(%error, "a room's open turns were not read");
                false
            }
        }
    }
}

/// Characters that wait to answer somebody who named them count as speaking now.
fn lately(messages: &[Message], open: &[Turn], now: Timestamp) -> Lately {
    let asked = |turn: &Turn| {
        let steps = turn.steps.iter();
        let waiting = steps.filter(|step| step.state == StepState::Waiting && !step.reason.is_unasked());
        waiting.map(|step| step.character_id.clone()).collect::<Vec<_>>()
    };
    let waiting: Vec<Vec<CharacterId>> = open.iter().map(asked).collect();
    let is_streaming = messages.iter().any(|message| message.status == MessageStatus::Streaming);
    let busy = waiting.iter().filter(|asked| !asked.is_empty()).count() + usize::from(is_streaming);
    let queued = waiting.iter().rev().flat_map(|asked| asked.iter().rev()).map(|id| (id.clone(), now));
    let said = messages.iter().rev().filter_map(|message| match &message.author {
        Author::Character(id) => Some((id.clone(), message.created_at)),
        Author::User(_) | Author::System => None,
    });
    let mut spoke: Vec<(CharacterId, Timestamp)> = Vec::new();
    for (id, at) in queued.chain(said) {
        if !spoke.iter().any(|(known, _)| *known == id) {
            spoke.push((id, at));
        }
    }
    let is_unasked = |turn: &Turn| {
        turn.steps.iter().any(|step| step.state == StepState::Waiting && step.reason.is_unasked())
    };
    Lately {
        spoke,
        open_turns: u32::try_from(busy).unwrap_or(u32::MAX),
        has_unasked: open.iter().any(is_unasked),
    }
}
