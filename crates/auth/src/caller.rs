//! Who calls, and the memory of verified tokens that spares the signature check.
//!
//! A cached caller is worth something only while its session is not in the set of ended ones, and is asked of the
//! store again when it gets old. The cache may always be dropped: what is not in it is verified anew.

use std::sync::atomic::{AtomicU64, Ordering};

use kernel::{BoundedMap, Timestamp, UserId};
use sha2::{Digest, Sha256};

use crate::session::{RECHECK_MS, SessionId};
use crate::user::Role;

/// What a verified access token says of its bearer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// Who.
    pub user_id: UserId,
    /// In which session.
    pub session_id: SessionId,
    /// What they may do.
    pub role: Role,
    /// Until when the token is good.
    pub expires_at: Timestamp,
}

/// What the cache knows of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// Verified not long ago.
    Fresh(Caller),
    /// Verified, and its session is to be asked of the store again.
    Stale(Caller),
    /// Its session has ended.
    Ended,
    /// It was good and is over.
    Expired,
    /// Nothing.
    Unknown,
}

pub(crate) type TokenDigest = [u8; 32];

pub(crate) fn digest(token: &str) -> TokenDigest {
    Sha256::digest(token.as_bytes()).into()
}

#[derive(Clone, Copy)]
struct Entry {
    caller: Caller,
    checked_at: Timestamp,
}

/// Verified tokens by their digest, and the sessions that have ended lately.
pub(crate) struct CallerCache {
    tokens: BoundedMap<TokenDigest, Entry>,
    ended: BoundedMap<SessionId, ()>,
    /// Counts the drops; a verification that began before one is not remembered after it.
    epoch: AtomicU64,
    ended_memory_ms: i64,
}

/// About 200 bytes each.
const TOKENS_MAX: usize = 100_000;
const ENDED_MAX: usize = 100_000;

impl CallerCache {
    /// Ended sessions are remembered for `ended_memory_ms`: no access token lives longer.
    pub(crate) fn new(ended_memory_ms: i64) -> Self {
        Self {
            tokens: BoundedMap::new(TOKENS_MAX),
            ended: BoundedMap::new(ENDED_MAX),
            epoch: AtomicU64::new(0),
            ended_memory_ms,
        }
    }

    pub(crate) fn look_up(&self, token: &TokenDigest, now: Timestamp) -> Lookup {
        let Some(Entry { caller, checked_at }) = self.tokens.get(token) else {
            return Lookup::Unknown;
        };
        if self.ended.get(&caller.session_id).is_some() {
            return Lookup::Ended;
        }
        if now >= caller.expires_at {
            return Lookup::Expired;
        }
        if now.millis_since(checked_at) >= RECHECK_MS {
            return Lookup::Stale(caller);
        }
        Lookup::Fresh(caller)
    }

    /// To be read before a verification begins.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Remembers a caller whose session was alive at `now`, unless the cache was dropped since `epoch`.
    pub(crate) fn remember(&self, token: TokenDigest, caller: Caller, epoch: u64, now: Timestamp) {
        if self.epoch() != epoch {
            return;
        }
        self.tokens.insert(token, Entry { caller, checked_at: now }, caller.expires_at, now);
        if self.epoch() != epoch {
            self.tokens.remove(&token);
        }
    }

    /// Whether a session is known to have ended.
    pub(crate) fn has_ended(&self, session: SessionId) -> bool {
        self.ended.get(&session).is_some()
    }

    /// Ends a session's tokens here.
    pub(crate) fn end(&self, session: SessionId, now: Timestamp) {
        let until = now.plus_millis(self.ended_memory_ms);
        if self.ended.insert(session, (), until, now) {
            // An ended session was forgotten for want of room, so cached tokens may not be trusted.
            self.drop_all();
        }
    }

    /// Forgets every verified token: announcements may have been missed.
    pub(crate) fn drop_all(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
        self.tokens.clear();
    }
}

#[cfg(test)]
mod tests {
    use kernel::Id;
    use uuid::Uuid;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn caller(session: u128) -> Caller {
        Caller {
            user_id: Id::from_uuid(Uuid::from_u128(1)),
            session_id: Id::from_uuid(Uuid::from_u128(session)),
            role: Role::User,
            expires_at: NOW.plus_seconds(900),
        }
    }

    #[test]
    fn a_token_is_fresh_then_stale_then_expired() {
        let cache = CallerCache::new(900_000);
        let token = digest("t");
        assert_eq!(cache.look_up(&token, NOW), Lookup::Unknown);
        cache.remember(token, caller(2), cache.epoch(), NOW);
        assert_eq!(cache.look_up(&token, NOW.plus_millis(39_999)), Lookup::Fresh(caller(2)));
        assert_eq!(cache.look_up(&token, NOW.plus_millis(40_000)), Lookup::Stale(caller(2)));
        assert_eq!(cache.look_up(&token, NOW.plus_seconds(900)), Lookup::Expired);
    }

    #[test]
    fn an_ended_session_ends_its_tokens_even_if_they_are_remembered_later() {
        let cache = CallerCache::new(900_000);
        cache.end(caller(2).session_id, NOW);
        cache.remember(digest("t"), caller(2), cache.epoch(), NOW);
        assert_eq!(cache.look_up(&digest("t"), NOW), Lookup::Ended);
        assert!(cache.has_ended(caller(2).session_id));
        assert!(!cache.has_ended(caller(3).session_id));
    }

    #[test]
    fn a_verification_that_began_before_a_drop_is_not_remembered() {
        let cache = CallerCache::new(900_000);
        let epoch = cache.epoch();
        cache.drop_all();
        cache.remember(digest("t"), caller(2), epoch, NOW);
        assert_eq!(cache.look_up(&digest("t"), NOW), Lookup::Unknown);
    }
}
