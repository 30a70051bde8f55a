//! The rooms of each person, remembered for five seconds: a profile is read far more often than rooms are joined.

use std::sync::Arc;

use chat::ChatService;
use kernel::{BoundedMap, Clock, UserId};

use crate::problem::Problem;
use crate::routes::rooms::joined_rooms;

const PEOPLE_MAX: usize = 20_000;
const LIFE_MS: i64 = 5_000;

/// Rooms that were read lately.
pub(crate) struct JoinedRooms {
    rooms: BoundedMap<UserId, Arc<[String]>>,
    clock: Arc<dyn Clock>,
}

impl JoinedRooms {
    /// An empty memory on this clock.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { rooms: BoundedMap::new(PEOPLE_MAX), clock }
    }

    /// The rooms that a person is a member of; may be five seconds old.
    pub(crate) async fn of(&self, chat: &ChatService, user: UserId) -> Result<Arc<[String]>, Problem> {
        let now = self.clock.now();
        if let Some((rooms, ends_at)) = self.rooms.get_with_end(&user)
            && now < ends_at
        {
            return Ok(rooms);
        }
        let rooms: Arc<[String]> = joined_rooms(chat, user).await?.into();
        self.rooms.insert(user, Arc::clone(&rooms), now.plus_millis(LIFE_MS), now);
        Ok(rooms)
    }

    /// Forgets a person's rooms, which have changed.
    pub(crate) fn forget(&self, user: UserId) {
        self.rooms.remove(&user);
    }
}
