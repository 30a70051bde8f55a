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

/// The end of a membership that has none: the last moment of the year 9999.
const FOR_EVER: Timestamp = Timestamp::from_millis(253_402_300_799_000);

/// Until when a membership that runs now goes on without a gap; `None` if none runs.
pub fn membership_end(rights: &[Entitlement], now: Timestamp) -> Option<Timestamp> {
    let mut memberships: Vec<_> = rights
        .iter()
        .filter(|right| right.subject == Subject::Vip && right.revoked_at.is_none())
        .map(|right| (right.from, right.until.unwrap_or(FOR_EVER)))
        .collect();
    memberships.sort_unstable();
    let end = memberships
        .into_iter()
        .fold(now, |end, (from, until)| if from <= end { end.max(until) } else { end });
    (end > now).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vip(from: i64, until: Option<i64>) -> Entitlement {
        Entitlement {
            id: Id::from_uuid(uuid::Uuid::nil()),
            user: Id::from_uuid(uuid::Uuid::nil()),
            subject: Subject::Vip,
            source: EntitlementSource::Order,
            key: String::new(),
            from: Timestamp::from_millis(from),
            until: until.map(Timestamp::from_millis),
            revoked_at: None,
        }
    }

    #[test]
    fn a_membership_lasts_until_the_first_gap() {
        let at = Timestamp::from_millis;
        let rights = [vip(20, Some(30)), vip(0, Some(10)), vip(10, Some(15))];
        assert_eq!(membership_end(&rights, at(5)), Some(at(15)));
        assert_eq!(membership_end(&rights, at(15)), None, "an end is not part of it");
        assert_eq!(membership_end(&rights, at(25)), Some(at(30)));
        assert_eq!(membership_end(&[], at(5)), None);
        assert_eq!(membership_end(&[vip(0, None)], at(5)), Some(FOR_EVER));
        let revoked = Entitlement { revoked_at: Some(at(1)), ..vip(0, Some(10)) };
        assert_eq!(membership_end(&[revoked], at(5)), None);
    }

    #[test]
    fn a_membership_follows_the_running_one() {
        let at = Timestamp::from_millis;
        assert_eq!(membership(None, 1, at(5)), (at(5), at(5 + MONTH_MS)));
        assert_eq!(membership(Some(at(4)), 1, at(5)), (at(5), at(5 + MONTH_MS)));
        assert_eq!(membership(Some(at(9)), 12, at(5)), (at(9), at(9 + 12 * MONTH_MS)));
    }
}
