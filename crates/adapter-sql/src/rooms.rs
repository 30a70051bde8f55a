//! Rooms, squads and their members in SQL.

#![allow(unused_imports)]

use async_trait::async_trait;
use chat::conversation::ConversationId;
use chat::generation::InstanceId;
use chat::ports::*;
use chat::room::*;
use chat::turn::*;
use kernel::{MessageId, Page, PageRequest, PortError, Timestamp, UserId};

use crate::error::rejected;
use crate::store::SqlStore;

/// [`RoomStore`] on SQLite and Postgres.
pub struct SqlRooms {
    _store: SqlStore,
}

impl SqlRooms {
    /// On this store.
    pub fn new(store: SqlStore) -> Self {
        Self { _store: store }
    }
}

#[async_trait]
impl RoomStore for SqlRooms {
    async fn ensure(&self, _rooms: &[Room]) -> Result<(), PortError> {
        Err(rejected("being built"))
    }

    async fn create(&self, _room: &Room, _once: Option<&Once>) -> Result<RoomCreateOutcome, PortError> {
        Err(rejected("being built"))
    }

    async fn room(&self, _id: &ConversationId) -> Result<Option<Room>, PortError> {
        Err(rejected("being built"))
    }

    async fn standing(&self, _id: &ConversationId, _user: UserId) -> Result<Option<Standing>, PortError> {
        Err(rejected("being built"))
    }

    async fn change(&self, _id: &ConversationId, _change: &RoomChange) -> Result<bool, PortError> {
        Err(rejected("being built"))
    }

    async fn invite_code(&self, _id: &ConversationId) -> Result<Option<String>, PortError> {
        Err(rejected("being built"))
    }

    async fn list(&self, _query: &RoomQuery, _page: PageRequest) -> Result<Page<RoomSummary>, PortError> {
        Err(rejected("being built"))
    }

    async fn join(&self, _join: &Join) -> Result<JoinOutcome, PortError> {
        Err(rejected("being built"))
    }

    async fn end_membership(
        &self,
        _id: &ConversationId,
        _user: UserId,
        _action: MemberAction,
        _at: Timestamp,
    ) -> Result<Option<u64>, PortError> {
        Err(rejected("being built"))
    }

    async fn change_member(
        &self,
        _id: &ConversationId,
        _user: UserId,
        _change: MemberChange,
    ) -> Result<bool, PortError> {
        Err(rejected("being built"))
    }

    async fn members(&self, _id: &ConversationId, _page: PageRequest) -> Result<Page<Member>, PortError> {
        Err(rejected("being built"))
    }

    async fn mark_read(
        &self,
        _id: &ConversationId,
        _user: UserId,
        _seq: u64,
    ) -> Result<Option<u64>, PortError> {
        Err(rejected("being built"))
    }

    async fn unread(
        &self,
        _user: UserId,
        _ids: &[ConversationId],
    ) -> Result<Vec<(ConversationId, u32)>, PortError> {
        Err(rejected("being built"))
    }
}
