//! Who is here, in this process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chat::conversation::ConversationId;
use chat::generation::InstanceId;
use chat::ports::{Arrival, Attendance, Online, Presence};
use kernel::{PortError, Timestamp, UserId};

/// By person and instance, the time until which an entry counts.
type People = HashMap<UserId, HashMap<InstanceId, Timestamp>>;

/// Who is here; clones are handles on the same book.
#[derive(Clone, Default)]
pub struct MemoryPresence {
    conversations: Arc<Mutex<HashMap<ConversationId, People>>>,
}

impl MemoryPresence {
    /// Conversations with an entry, whether it counts or not.
    pub fn conversation_count(&self) -> usize {
        self.conversations().len()
    }

    fn conversations(&self) -> MutexGuard<'_, HashMap<ConversationId, People>> {
        self.conversations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn counts(entries: &HashMap<InstanceId, Timestamp>, now: Timestamp) -> bool {
    entries.values().any(|until| *until > now)
}

fn online(people: &People, now: Timestamp) -> u32 {
    u32::try_from(people.values().filter(|entries| counts(entries, now)).count()).unwrap_or(u32::MAX)
}

#[async_trait]
impl Presence for MemoryPresence {
    async fn arrive(
        &self,
        who: Attendance<'_>,
        now: Timestamp,
        until: Timestamp,
        people_max: u32,
    ) -> Result<Arrival, PortError> {
        let mut conversations = self.conversations();
        let people = conversations.entry(who.conversation.clone()).or_default();
        let is_here = people.get(&who.user).is_some_and(|entries| counts(entries, now));
        let others = online(people, now);
        if !is_here && people_max > 0 && others >= people_max {
            return Ok(Arrival::Full { online: others });
        }
        let held = people.entry(who.user).or_default().entry(who.instance).or_insert(until);
        *held = until.max(*held);
        Ok(Arrival::Here { came: !is_here, online: online(people, now) })
    }

    async fn depart(&self, who: Attendance<'_>, until: Timestamp) -> Result<(), PortError> {
        let mut conversations = self.conversations();
        let people = conversations.get_mut(who.conversation);
        let held = people.and_then(|people| people.get_mut(&who.user)?.get_mut(&who.instance));
        if let Some(held) = held {
            *held = until;
        }
        Ok(())
    }

    async fn refresh(
        &self,
        entries: &[(ConversationId, UserId)],
        instance: InstanceId,
        until: Timestamp,
    ) -> Result<(), PortError> {
        let mut conversations = self.conversations();
        for (conversation, user) in entries {
            let people = conversations.entry(conversation.clone()).or_default();
            people.entry(*user).or_default().insert(instance, until);
        }
        Ok(())
    }

    async fn expire(&self, conversation: &ConversationId, now: Timestamp) -> Result<Vec<UserId>, PortError> {
        let mut conversations = self.conversations();
        let Some(people) = conversations.get_mut(conversation) else { return Ok(Vec::new()) };
        let mut gone = Vec::new();
        people.retain(|user, entries| {
            entries.retain(|_, until| *until > now);
            if entries.is_empty() {
                gone.push(*user);
            }
            !entries.is_empty()
        });
        if people.is_empty() {
            conversations.remove(conversation);
        }
        Ok(gone)
    }

    async fn online(
        &self,
        conversation: &ConversationId,
        now: Timestamp,
        users_max: u32,
    ) -> Result<Online, PortError> {
        let conversations = self.conversations();
        let Some(people) = conversations.get(conversation) else { return Ok(Online::default()) };
        let most = usize::try_from(users_max).unwrap_or(usize::MAX);
        let here = people.iter().filter(|(_, entries)| counts(entries, now)).map(|(user, _)| *user);
        Ok(Online { count: online(people, now), users: here.take(most).collect() })
    }
}
