//! Who is here.

#![allow(unused_imports)]

use async_trait::async_trait;
use chat::conversation::ConversationId;
use chat::generation::InstanceId;
use chat::ports::{Arrival, Online, Presence};
use kernel::{PortError, Timestamp, UserId};

/// Who is here, in this process.
#[derive(Clone, Default)]
pub struct MemoryPresence {}

#[async_trait]
impl Presence for MemoryPresence {
    async fn arrive(
        &self,
        _conversation: &ConversationId,
        _user: UserId,
        _instance: InstanceId,
        _now: Timestamp,
        _until: Timestamp,
        _people_max: u32,
    ) -> Result<Arrival, PortError> {
        Err(PortError::rejected("presence", "being built"))
    }

    async fn depart(
        &self,
        _conversation: &ConversationId,
        _user: UserId,
        _instance: InstanceId,
        _until: Timestamp,
    ) -> Result<(), PortError> {
        Err(PortError::rejected("presence", "being built"))
    }

    async fn refresh(
        &self,
        _entries: &[(ConversationId, UserId)],
        _instance: InstanceId,
        _until: Timestamp,
    ) -> Result<(), PortError> {
        Err(PortError::rejected("presence", "being built"))
    }

    async fn expire(
        &self,
        _conversation: &ConversationId,
        _now: Timestamp,
    ) -> Result<Vec<UserId>, PortError> {
        Err(PortError::rejected("presence", "being built"))
    }

    async fn online(
        &self,
        _conversation: &ConversationId,
        _now: Timestamp,
        _users_max: u32,
    ) -> Result<Online, PortError> {
        Err(PortError::rejected("presence", "being built"))
    }
}
