//! Whom people have blocked, in SQL.

use async_trait::async_trait;
use chat::ports::{Block, BlockOutcome, BlockStore};
use kernel::{Id, Page, PageRequest, PortError, Timestamp, UserId};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::append::run;
use crate::detached::detached;
use crate::entity::block::{Column, Entity, Model};
use crate::error::port_error;
use crate::store::SqlStore;

/// [`BlockStore`] on SQLite and Postgres.
pub struct SqlBlocks {
    store: SqlStore,
}

impl SqlBlocks {
    /// On this store.
    pub fn new(store: SqlStore) -> Self {
        Self { store }
    }
}

/// Writes nothing where the list is full or has the person already.
const BLOCK: &str = "INSERT INTO blocks (user_id, blocked_id, created_at) SELECT $1, $2, $3 \
     WHERE (SELECT COUNT(*) FROM blocks b WHERE b.user_id = $1) < $4 ON CONFLICT DO NOTHING";

#[async_trait]
impl BlockStore for SqlBlocks {
    async fn block(&self, user: UserId, block: Block, limit: u32) -> Result<BlockOutcome, PortError> {
        let store = self.store.clone();
        detached(async move {
            let (own, other) = (user.as_uuid(), block.user_id.as_uuid());
            let values =
                [own.into(), other.into(), block.created_at.as_millis().into(), i64::from(limit).into()];
            if run(store.writer(), BLOCK, values).await? > 0 {
                return Ok(BlockOutcome::Blocked);
            }
            let found = Entity::find_by_id((own, other)).one(store.writer()).await.map_err(port_error)?;
            Ok(if found.is_some() { BlockOutcome::Already } else { BlockOutcome::Full })
        })
        .await
    }

    async fn unblock(&self, user: UserId, other: UserId) -> Result<bool, PortError> {
        let store = self.store.clone();
        detached(async move {
            let delete = Entity::delete_by_id((user.as_uuid(), other.as_uuid()));
            let done = delete.exec(store.writer()).await.map_err(port_error)?;
            Ok(done.rows_affected > 0)
        })
        .await
    }

    async fn blocked(&self, user: UserId) -> Result<Vec<UserId>, PortError> {
        let all = Entity::find().filter(Column::UserId.eq(user.as_uuid()));
        let rows = all.all(self.store.reader()).await.map_err(port_error)?;
        Ok(rows.into_iter().map(|row| Id::from_uuid(row.blocked_id)).collect())
    }

    async fn list(&self, user: UserId, page: PageRequest) -> Result<Page<Block>, PortError> {
        let db = self.store.reader();
        let all = Entity::find().filter(Column::UserId.eq(user.as_uuid()));
        let total = all.clone().count(db).await.map_err(port_error)?;
        let rows = all
            .order_by_desc(Column::CreatedAt)
            .order_by_desc(Column::BlockedId)
            .offset(page.offset())
            .limit(u64::from(page.size()))
            .all(db)
            .await
            .map_err(port_error)?;
        Ok(Page { items: rows.iter().map(block_of).collect(), total })
    }
}

fn block_of(row: &Model) -> Block {
    Block { user_id: Id::from_uuid(row.blocked_id), created_at: Timestamp::from_millis(row.created_at) }
}
