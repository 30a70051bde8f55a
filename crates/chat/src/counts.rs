//! How many messages each person has written, remembered for five seconds: a profile is read far more often than
//! its owner writes.

use kernel::{BoundedMap, Timestamp, UserId};

const PEOPLE_MAX: usize = 20_000;
const LIFE_MS: i64 = 5_000;

/// Counts that were read lately.
pub(crate) struct MessageCounts {
    counts: BoundedMap<UserId, u64>,
}

impl Default for MessageCounts {
    fn default() -> Self {
        Self { counts: BoundedMap::new(PEOPLE_MAX) }
    }
}

impl MessageCounts {
    /// The count, if it was read within the last five seconds.
    pub(crate) fn get(&self, user: UserId, now: Timestamp) -> Option<u64> {
        let (count, ends_at) = self.counts.get_with_end(&user)?;
        (now < ends_at).then_some(count)
    }

    /// Remembers a count that was asked for at `now`.
    pub(crate) fn remember(&self, user: UserId, count: u64, now: Timestamp) {
        self.counts.insert(user, count, now.plus_millis(LIFE_MS), now);
    }

    /// Forgets a person's count, which has changed.
    pub(crate) fn forget(&self, user: UserId) {
        self.counts.remove(&user);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_remembered_for_five_seconds_unless_it_changes() {
        let (counts, user) =
            (MessageCounts::default(), "00000000-0000-7000-8000-000000000001".parse().unwrap());
        let at = Timestamp::from_millis;
        counts.remember(user, 3, at(0));
        assert_eq!((counts.get(user, at(4_999)), counts.get(user, at(5_000))), (Some(3), None));
        counts.forget(user);
        assert_eq!(counts.get(user, at(0)), None);
    }
}
