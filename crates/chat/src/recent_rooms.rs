//! Rooms as they stood a moment ago: who speaks in them and by which rule, for messages that come by the thousand.
//!
//! Neither permission nor balance is judged by them: membership, silence and closing are judged where the message is
//! written.

use std::sync::Arc;

use kernel::{BoundedMap, Timestamp};

use crate::conversation::ConversationId;
use crate::room::Room;

const ROOMS_MAX: usize = 4_096;
const LIFE_MS: i64 = 1_000;

/// Rooms that were read within the last second.
pub(crate) struct RecentRooms {
    rooms: BoundedMap<ConversationId, Arc<Room>>,
}

impl Default for RecentRooms {
    fn default() -> Self {
        Self { rooms: BoundedMap::new(ROOMS_MAX) }
    }
}

impl RecentRooms {
    /// The room, if it was read within the last second.
    pub(crate) fn get(&self, id: &ConversationId, now: Timestamp) -> Option<Arc<Room>> {
        let (room, ends_at) = self.rooms.get_with_end(id)?;
        (now < ends_at).then_some(room)
    }

    /// Remembers a room whose reading began at `read_at`.
    pub(crate) fn remember(&self, room: &Arc<Room>, read_at: Timestamp) {
        self.rooms.insert(room.id.clone(), Arc::clone(room), read_at.plus_millis(LIFE_MS), read_at);
    }

    /// Forgets a room that has changed.
    pub(crate) fn forget(&self, id: &ConversationId) {
        self.rooms.remove(id);
    }
}
