//! What a person may use because it was bought, unlocked or given.

use std::str::FromStr;

use kernel::{Id, Timestamp, UserId};

use crate::transfer::UnknownKind;

/// Kind of a right to use something.
pub enum EntitlementKind {}

/// An entitlement's id.
pub type EntitlementId = Id<EntitlementKind>;

/// What may be used.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// A character.
    Character(String),
    /// A skill of a character.
    Skill {
        /// The character.
        character_id: String,
        /// The skill.
        skill_id: String,
    },
    /// Membership.
    Vip,
}

/// Where it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntitlementSource {
    /// An order.
    Order,
    /// A free unlock.
    Free,
    /// An operator.
    Admin,
}

impl EntitlementSource {
    /// Every source.
    pub const ALL: [Self; 3] = [Self::Order, Self::Free, Self::Admin];

    /// Its name, as stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Free => "free",
            Self::Admin => "admin",
        }
    }
}

impl FromStr for EntitlementSource {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|source| source.as_str() == text).ok_or(UnknownKind)
    }
}

/// A right to use something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entitlement {
    /// Its id.
    pub id: EntitlementId,
    /// Whose.
    pub user: UserId,
    /// What.
    pub subject: Subject,
    /// Where from.
    pub source: EntitlementSource,
    /// Which delivery, unique in the store: `order:{order}:{place}`, `free:{user}:{subject}`.
    pub key: String,
    /// From when on.
    pub from: Timestamp,
    /// Until when; `None` for ever.
    pub until: Option<Timestamp>,
    /// When it was taken back, by a refund.
    pub revoked_at: Option<Timestamp>,
}

impl Entitlement {
    /// Whether it can be used now.
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.from <= now && self.until.is_none_or(|until| now < until)
    }
}

/// A month of membership, in milliseconds: thirty days.
pub const MONTH_MS: i64 = 30 * 86_400_000;

/// When a membership of `months` begins and ends, bought at `now` while another runs until `running`.
pub fn membership(running: Option<Timestamp>, months: u32, now: Timestamp) -> (Timestamp, Timestamp) {
    let from = running.map_or(now, |end| end.max(now));
    (from, from.plus_millis(i64::from(months).saturating_mul(MONTH_MS)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_membership_follows_the_running_one() {
        let at = Timestamp::from_millis;
        assert_eq!(membership(None, 1, at(5)), (at(5), at(5 + MONTH_MS)));
        assert_eq!(membership(Some(at(4)), 1, at(5)), (at(5), at(5 + MONTH_MS)));
        assert_eq!(membership(Some(at(9)), 12, at(5)), (at(9), at(9 + 12 * MONTH_MS)));
    }
}
