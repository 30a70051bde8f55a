//! Who is here: arrivals, grace, and what others are told of it.

use kernel::UserId;

use crate::conversation::ConversationId;
use crate::error::ChatError;
use crate::ports::{Arrival, Online};
use crate::service::{ChatService, unbuilt};

impl ChatService {
    /// A connection of this person enters a conversation. Refused with `Full` where so many people are here already.
    pub async fn arrive(&self, _conversation: &ConversationId, _user: UserId) -> Result<Arrival, ChatError> {
        Err(unbuilt())
    }

    /// A connection of this person leaves it; the last one begins the grace. Never fails: presence runs out by itself.
    pub async fn depart(&self, _conversation: &ConversationId, _user: UserId) {}

    /// Who is here now; of at most `users_max` it is said who.
    pub async fn online(&self, _conversation: &ConversationId, _users_max: u32) -> Result<Online, ChatError> {
        Err(unbuilt())
    }

    /// Renews the presence of everybody here, and tells of those whose grace ended. Called every five seconds.
    pub async fn tend_presence(&self) -> Result<(), ChatError> {
        Ok(())
    }
}
