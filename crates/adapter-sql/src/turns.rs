//! Turns in SQL.

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

/// [`TurnStore`] on SQLite and Postgres.
pub struct SqlTurns {
    _store: SqlStore,
}

impl SqlTurns {
    /// On this store.
    pub fn new(store: SqlStore) -> Self {
        Self { _store: store }
    }
}

#[async_trait]
impl TurnStore for SqlTurns {
    async fn get(&self, _id: TurnId) -> Result<Option<Turn>, PortError> {
        Err(rejected("being built"))
    }

    async fn of_question(&self, _question: MessageId) -> Result<Option<Turn>, PortError> {
        Err(rejected("being built"))
    }

    async fn open(&self, _conversation: &ConversationId, _limit: u32) -> Result<Vec<Turn>, PortError> {
        Err(rejected("being built"))
    }

    async fn update(&self, _turn: &Turn) -> Result<bool, PortError> {
        Err(rejected("being built"))
    }

    async fn orphans(&self, _now: Timestamp, _limit: u32) -> Result<Vec<Turn>, PortError> {
        Err(rejected("being built"))
    }

    async fn owned_by(&self, _instance: InstanceId, _limit: u32) -> Result<Vec<Turn>, PortError> {
        Err(rejected("being built"))
    }

    async fn adopt(&self, _id: TurnId, _from: InstanceId, _to: InstanceId) -> Result<bool, PortError> {
        Err(rejected("being built"))
    }

    async fn list(
        &self,
        _conversation: &ConversationId,
        _page: PageRequest,
    ) -> Result<Page<Turn>, PortError> {
        Err(rejected("being built"))
    }
}
