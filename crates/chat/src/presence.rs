//! Who is here: arrivals, grace, and what others are told of it.
//!
//! A person may be in a conversation on several connections, of several instances. Each instance counts its own
//! connections; the first one enters the person for all to see, the last one begins a grace, since phones go away
//! for seconds all day. Where the common count cannot be reached, the own one holds.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::{StreamExt, stream};
use kernel::{PortError, Timestamp, UserId};

use crate::conversation::ConversationId;
use crate::error::ChatError;
use crate::event::Frame;
use crate::ports::{Arrival, Attendance, Online};
use crate::service::{ChatService, Inner};

/// An entry counts for so long unless it is renewed.
const LIFE_SECONDS: i64 = 60;
/// Entries are renewed this often.
const REFRESH_MS: i64 = 25_000;
/// Who has no connection any more counts for so long.
const GRACE_SECONDS: i64 = 15;
/// A conversation that everybody has left is looked after until the last entry of this instance is surely over.
const AFTERCARE_SECONDS: i64 = 90;
/// Conversations that are tended at the same time.
const TENDED_AT_ONCE: usize = 16;

/// Connections on this instance.
#[derive(Default)]
pub(crate) struct Here(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    conversations: HashMap<ConversationId, Conversation>,
    refreshed_at: Timestamp,
}

#[derive(Default)]
struct Conversation {
    connections: HashMap<UserId, usize>,
    /// When the last of this instance's people left.
    left_at: Option<Timestamp>,
}

impl Here {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a connection; whether it is the person's first.
    fn enter(&self, conversation: &ConversationId, user: UserId) -> bool {
        let mut counts = self.counts();
        let here = counts.conversations.entry(conversation.clone()).or_default();
        let connections = here.connections.entry(user).or_default();
        *connections += 1;
        *connections == 1
    }

    /// Takes a connection away; whether it was the person's last.
    fn leave(&self, conversation: &ConversationId, user: UserId, now: Timestamp) -> bool {
        let mut counts = self.counts();
        let Some(here) = counts.conversations.get_mut(conversation) else { return false };
        let Some(connections) = here.connections.get_mut(&user) else { return false };
        *connections = connections.saturating_sub(1);
        let was_last = *connections == 0;
        if was_last {
            here.connections.remove(&user);
            here.left_at = Some(now);
        }
        was_last
    }

    fn has(&self, conversation: &ConversationId, user: UserId) -> bool {
        let counts = self.counts();
        counts.conversations.get(conversation).is_some_and(|here| here.connections.contains_key(&user))
    }

    fn online(&self, conversation: &ConversationId, users_max: u32) -> Online {
        let counts = self.counts();
        let Some(here) = counts.conversations.get(conversation) else { return Online::default() };
        let most = usize::try_from(users_max).unwrap_or(usize::MAX);
        Online {
            count: u32::try_from(here.connections.len()).unwrap_or(u32::MAX),
            users: here.connections.keys().take(most).copied().collect(),
        }
    }

    /// Everybody here, where it is time to renew them.
    fn due(&self, now: Timestamp) -> Vec<(ConversationId, UserId)> {
        let mut counts = self.counts();
        if now.millis_since(counts.refreshed_at) < REFRESH_MS {
            return Vec::new();
        }
        counts.refreshed_at = now;
        let entries = counts.conversations.iter();
        entries.flat_map(|(id, here)| here.connections.keys().map(|user| (id.clone(), *user))).collect()
    }

    /// The next look renews everybody.
    fn renew_soon(&self) {
        self.counts().refreshed_at = Timestamp::default();
    }

    /// Conversations to look after; those that need it no longer are forgotten.
    fn tended(&self, now: Timestamp) -> Vec<ConversationId> {
        let mut counts = self.counts();
        counts.conversations.retain(|_, here| {
            let left_lately = |at: Timestamp| now < at.plus_seconds(AFTERCARE_SECONDS);
            !here.connections.is_empty() || here.left_at.is_some_and(left_lately)
        });
        counts.conversations.keys().cloned().collect()
    }
}

/// Takes a connection out of the count again where it was refused, or gone before it was answered.
struct Counted<'a> {
    inner: &'a Inner,
    conversation: &'a ConversationId,
    user: UserId,
    stays: bool,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        if !self.stays {
            self.inner.here.leave(self.conversation, self.user, self.inner.now());
        }
    }
}

impl ChatService {
    /// A connection of this person enters a conversation. Refused with `Full` where so many people are here already.
    pub async fn arrive(&self, conversation: &ConversationId, user: UserId) -> Result<Arrival, ChatError> {
        let inner = &self.inner;
        let mut counted = Counted { inner, conversation, user, stays: false };
        let is_first = inner.here.enter(conversation, user);
        let arrival = match inner.enter(conversation, user).await {
            Ok(arrival) => arrival,
            Err(error) => {
                tracing::warn!(%error, "who is here is counted by this instance alone");
                inner.here.renew_soon();
                inner.arrival_here(conversation, is_first)
            }
        };
        match arrival {
            Arrival::Here { came, online } => {
                counted.stays = true;
                if came {
                    inner.tell(conversation, user, true, online).await;
                }
            }
            Arrival::Full { .. } => {}
        }
        Ok(arrival)
    }

    /// A connection of this person leaves it; the last one begins the grace. Never fails: presence runs out by itself.
    pub async fn depart(&self, conversation: &ConversationId, user: UserId) {
        let inner = &self.inner;
        if !inner.here.leave(conversation, user, inner.now()) {
            return;
        }
        let until = inner.now().plus_seconds(GRACE_SECONDS);
        if let Err(error) = inner.ports.presence.depart(inner.attendance(conversation, user), until).await {
            tracing::debug!(%error, "a departure was not noted; the entry runs out by itself");
        }
        // Somebody who came back meanwhile must not be in grace.
        if inner.here.has(conversation, user)
            && let Err(error) = inner.enter(conversation, user).await
        {
            tracing::debug!(%error, "a return was not noted");
            inner.here.renew_soon();
        }
    }

    /// Who is here now; of at most `users_max` it is said who.
    pub async fn online(&self, conversation: &ConversationId, users_max: u32) -> Result<Online, ChatError> {
        let inner = &self.inner;
        match inner.ports.presence.online(conversation, inner.now(), users_max).await {
            Ok(online) => Ok(online),
            Err(error) => {
                tracing::debug!(%error, "who is here is counted by this instance alone");
                Ok(inner.here.online(conversation, users_max))
            }
        }
    }

    /// Renews the presence of everybody here, and tells of those whose grace ended. Called every five seconds.
    pub async fn tend_presence(&self) -> Result<(), ChatError> {
        let inner = &self.inner;
        let now = inner.now();
        let due = inner.here.due(now);
        if !due.is_empty() {
            let until = now.plus_seconds(LIFE_SECONDS);
            let renewed = inner.ports.presence.refresh(&due, inner.settings.instance, until).await;
            if let Err(error) = renewed {
                inner.here.renew_soon();
                return Err(error.into());
            }
        }
        let tended = inner.here.tended(now);
        let sweeps = tended.iter().map(|conversation| inner.sweep_presence(conversation, now));
        let swept: Vec<Result<(), PortError>> =
            stream::iter(sweeps).buffer_unordered(TENDED_AT_ONCE).collect().await;
        Ok(swept.into_iter().collect::<Result<(), PortError>>()?)
    }
}

impl Inner {
    fn attendance<'a>(&self, conversation: &'a ConversationId, user: UserId) -> Attendance<'a> {
        Attendance { conversation, user, instance: self.settings.instance }
    }

    async fn enter(&self, conversation: &ConversationId, user: UserId) -> Result<Arrival, PortError> {
        let now = self.now();
        let who = self.attendance(conversation, user);
        let until = now.plus_seconds(LIFE_SECONDS);
        self.ports.presence.arrive(who, now, until, self.settings.room_online).await
    }

    /// An arrival, judged by this instance's own count, which has it already.
    fn arrival_here(&self, conversation: &ConversationId, is_first: bool) -> Arrival {
        let (online, most) = (self.here.online(conversation, 0).count, self.settings.room_online);
        if is_first && most > 0 && online > most {
            Arrival::Full { online: online - 1 }
        } else {
            Arrival::Here { came: is_first, online }
        }
    }

    async fn sweep_presence(&self, conversation: &ConversationId, now: Timestamp) -> Result<(), PortError> {
        let gone = self.ports.presence.expire(conversation, now).await?;
        if gone.is_empty() {
            return Ok(());
        }
        let online = self.ports.presence.online(conversation, now, 0).await?.count;
        for user in gone {
            self.tell(conversation, user, false, online).await;
        }
        Ok(())
    }

    async fn tell(&self, conversation: &ConversationId, user_id: UserId, on: bool, online: u32) {
        self.publish(conversation, Frame::Presence { user_id, on, online }).await;
    }
}
