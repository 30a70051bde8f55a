//! Whom each person has blocked, remembered for five seconds: every page of a room's history asks for it.
//!
//! It only decides what is shown to the person themselves. What they change on this instance is forgotten at once;
//! other instances show it within five seconds.

use std::sync::Arc;

use kernel::{BoundedMap, Timestamp, UserId};

const PEOPLE_MAX: usize = 20_000;
const LIFE_MS: i64 = 5_000;

/// Lists that were read lately.
pub(crate) struct BlockLists {
    lists: BoundedMap<UserId, Arc<[UserId]>>,
}

impl Default for BlockLists {
    fn default() -> Self {
        Self { lists: BoundedMap::new(PEOPLE_MAX) }
    }
}

impl BlockLists {
    /// The list, if it was read within the last five seconds.
    pub(crate) fn get(&self, user: UserId, now: Timestamp) -> Option<Arc<[UserId]>> {
        let (list, ends_at) = self.lists.get_with_end(&user)?;
        (now < ends_at).then_some(list)
    }

    /// Remembers a list whose reading began at `read_at`.
    pub(crate) fn remember(&self, user: UserId, list: &Arc<[UserId]>, read_at: Timestamp) {
        self.lists.insert(user, Arc::clone(list), read_at.plus_millis(LIFE_MS), read_at);
    }

    /// Forgets a person's list, which has changed.
    pub(crate) fn forget(&self, user: UserId) {
        self.lists.remove(&user);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_remembered_for_five_seconds_unless_it_changes() {
        let user: UserId = "00000000-0000-7000-8000-000000000001".parse().unwrap();
        let (lists, list) = (BlockLists::default(), Arc::from([user]));
        let at = Timestamp::from_millis;
        lists.remember(user, &list, at(0));
        assert_eq!((lists.get(user, at(4_999)), lists.get(user, at(5_000))), (Some(list), None));
        lists.forget(user);
        assert_eq!(lists.get(user, at(0)), None);
    }
}
