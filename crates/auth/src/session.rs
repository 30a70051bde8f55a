//! Sessions: one sign-in on one device, which is one family of refresh tokens.
//!
//! What may be done with a refresh token is decided here, from the stored session and the time alone.

use std::net::IpAddr;

use kernel::{Id, Timestamp, UserId};

use crate::login_log::LoginMethod;

/// Kind of a session.
pub enum SessionKind {}
/// A session's id: the `sid` of its access tokens, the family of its refresh tokens.
pub type SessionId = Id<SessionKind>;

const DAY_MS: i64 = 86_400_000;
/// No session outlives this, however busy: 60 days.
pub const FAMILY_SECONDS: i64 = 60 * DAY_MS / 1_000;
/// A session that was not refreshed for so long is over: 30 days.
pub const IDLE_SECONDS: i64 = 30 * DAY_MS / 1_000;
/// For so long after a rotation the token before it still answers with the same successor.
pub const GRACE_MS: i64 = 10_000;
/// A user's open sessions at most: a sign-in beyond them ends the oldest.
pub const OPEN_MAX: usize = 50;
/// A verified token's session is asked of the store again when the last answer is so old. The promise is a minute where
/// no news arrives; what is left of it belongs to those who show a token again only now and then, as a socket does.
pub const RECHECK_MS: i64 = 40_000;
/// An ended session is kept for so long, so that its tokens are known as spent.
pub const ENDED_KEPT_MS: i64 = 7 * DAY_MS;

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// Its owner signed out.
    Logout,
    /// Its owner ended it from another session.
    Revoked,
    /// The password changed.
    PasswordChanged,
    /// A spent refresh token came back: somebody has a copy.
    TokenReused,
    /// The account was disabled.
    Disabled,
    /// It was the oldest of more than a user may have open.
    Crowded,
}

impl EndReason {
    const ALL: [Self; 6] = [
        Self::Logout,
        Self::Revoked,
        Self::PasswordChanged,
        Self::TokenReused,
        Self::Disabled,
        Self::Crowded,
    ];

    /// The word in storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::Revoked => "revoked",
            Self::PasswordChanged => "password_changed",
            Self::TokenReused => "token_reused",
            Self::Disabled => "disabled",
            Self::Crowded => "crowded",
        }
    }

    /// From that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }
}

/// One sign-in on one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Whose.
    pub user_id: UserId,
    /// How it began; decides how long its access tokens live.
    pub method: LoginMethod,
    /// Number of the newest refresh token, from 0.
    pub counter: u32,
    /// From where it began.
    pub ip: IpAddr,
    /// By which program it began.
    pub user_agent: Option<String>,
    /// When it began.
    pub created_at: Timestamp,
    /// When the newest refresh token was made.
    pub rotated_at: Timestamp,
    /// From then on it is over, unless it is refreshed before. Never after `expires_at`.
    pub idle_until: Timestamp,
    /// From then on it is over, whatever happens.
    pub expires_at: Timestamp,
    /// When and why it was ended before that.
    pub ended: Option<(Timestamp, EndReason)>,
}

impl Session {
    /// Whether its tokens are worth something at `now`.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.ended.is_none() && now < self.idle_until && now < self.expires_at
    }
}

/// How a client asks for fresh tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presented {
    /// With the refresh token of this number.
    Counter(u32),
    /// With an access token of the session.
    Access,
}

/// What is to be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefreshDecision {
    /// Make the next token.
    Rotate {
        /// Number of the newest.
        from: u32,
        /// Number of the next.
        to: u32,
    },
    /// Give the newest token again.
    Repeat {
        /// Its number.
        counter: u32,
    },
    /// A spent token came back: end the session.
    Reused,
    /// The session is over by time.
    Expired,
    /// The session was ended, or the number was never given out.
    Refused,
}

/// Decides on a request for fresh tokens.
pub(crate) fn decide(session: &Session, presented: Presented, now: Timestamp) -> RefreshDecision {
    if session.ended.is_some() {
        return RefreshDecision::Refused;
    }
    if !session.is_live(now) {
        return RefreshDecision::Expired;
    }
    let newest = session.counter;
    let rotated_lately = newest > 0 && now.millis_since(session.rotated_at) <= GRACE_MS;
    let is_newest = match presented {
        Presented::Counter(counter) if counter > newest => return RefreshDecision::Refused,
        Presented::Counter(counter) if counter == newest => true,
        Presented::Counter(counter) if counter.saturating_add(1) == newest && rotated_lately => false,
        Presented::Counter(_) => return RefreshDecision::Reused,
        Presented::Access => !rotated_lately,
    };
    match newest.checked_add(1) {
        Some(to) if is_newest => RefreshDecision::Rotate { from: newest, to },
        Some(_) => RefreshDecision::Repeat { counter: newest },
        None => RefreshDecision::Expired,
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn session(counter: u32) -> Session {
        Session {
            id: Id::from_uuid(Uuid::from_u128(1)),
            user_id: Id::from_uuid(Uuid::from_u128(2)),
            method: LoginMethod::Email,
            counter,
            ip: IpAddr::from([127, 0, 0, 1]),
            user_agent: None,
            created_at: NOW,
            rotated_at: NOW,
            idle_until: NOW.plus_seconds(IDLE_SECONDS),
            expires_at: NOW.plus_seconds(FAMILY_SECONDS),
            ended: None,
        }
    }

    fn after(millis: i64) -> Timestamp {
        NOW.plus_millis(millis)
    }

    #[test]
    fn the_newest_token_is_followed_by_the_next() {
        let decision = decide(&session(4), Presented::Counter(4), NOW);
        assert_eq!(decision, RefreshDecision::Rotate { from: 4, to: 5 });
    }

    #[test]
    fn the_token_before_it_gets_the_same_successor_for_ten_seconds() {
        let presented = Presented::Counter(3);
        assert_eq!(decide(&session(4), presented, after(10_000)), RefreshDecision::Repeat { counter: 4 });
        assert_eq!(decide(&session(4), presented, after(10_001)), RefreshDecision::Reused);
    }

    #[test]
    fn an_older_token_is_a_reuse_at_any_time() {
        assert_eq!(decide(&session(4), Presented::Counter(2), NOW), RefreshDecision::Reused);
        assert_eq!(decide(&session(4), Presented::Counter(0), NOW), RefreshDecision::Reused);
    }

    #[test]
    fn a_number_that_was_never_given_out_is_refused_without_ending_the_session() {
        assert_eq!(decide(&session(4), Presented::Counter(5), NOW), RefreshDecision::Refused);
    }

    #[test]
    fn an_access_token_rotates_but_not_twice_within_the_grace() {
        let first = decide(&session(0), Presented::Access, NOW);
        assert_eq!(first, RefreshDecision::Rotate { from: 0, to: 1 });
        let second = decide(&session(1), Presented::Access, after(10_000));
        assert_eq!(second, RefreshDecision::Repeat { counter: 1 });
        let third = decide(&session(1), Presented::Access, after(10_001));
        assert_eq!(third, RefreshDecision::Rotate { from: 1, to: 2 });
    }

    #[test]
    fn an_idle_session_and_an_old_one_are_over() {
        let presented = Presented::Counter(0);
        let idle_end = NOW.plus_seconds(IDLE_SECONDS);
        assert_eq!(decide(&session(0), presented, idle_end), RefreshDecision::Expired);
        let end = NOW.plus_seconds(FAMILY_SECONDS);
        let busy = Session { idle_until: end.plus_seconds(1), ..session(0) };
        assert!(busy.is_live(end.plus_millis(-1)));
        assert_eq!(decide(&busy, presented, end), RefreshDecision::Expired);
    }

    #[test]
    fn an_ended_session_is_refused() {
        let ended = Session { ended: Some((NOW, EndReason::Logout)), ..session(0) };
        assert_eq!(decide(&ended, Presented::Counter(0), NOW), RefreshDecision::Refused);
        assert_eq!(decide(&ended, Presented::Access, NOW), RefreshDecision::Refused);
    }

    #[test]
    fn a_clock_that_fell_back_does_not_end_a_family() {
        assert_eq!(
            decide(&session(4), Presented::Counter(3), after(-5)),
            RefreshDecision::Repeat { counter: 4 }
        );
    }

    #[test]
    fn words_come_back_as_what_they_were() {
        for reason in EndReason::ALL {
            assert_eq!(EndReason::parse(reason.as_str()), Some(reason));
        }
    }
}
