//! The operators' log, on SQLite and Postgres.

use async_trait::async_trait;
use auth::AuditEntry;
use auth::ports::AuditLog;
use kernel::{Id, Page, PageRequest, PortError, Timestamp};
use sea_orm::{EntityTrait, IntoActiveModel, PaginatorTrait, QueryOrder, QuerySelect};

use crate::detached::detached;
use crate::entity::audit_entry::{Column, Entity, Model};
use crate::error::port_error;
use crate::store::SqlStore;

/// [`AuditLog`] on SQLite and Postgres.
pub struct SqlAuditLog {
    store: SqlStore,
}

impl SqlAuditLog {
    /// On this store.
    pub fn new(store: SqlStore) -> Self {
        Self { store }
    }
}

#[async_trait]
impl AuditLog for SqlAuditLog {
    async fn append(&self, entry: &AuditEntry) -> Result<(), PortError> {
        let row = Model {
            id: entry.id.as_uuid(),
            actor: entry.actor.map(|actor| actor.as_uuid()),
            action: entry.action.clone(),
            subject: entry.subject.clone(),
            detail: entry.detail.clone(),
            created_at: entry.at.as_millis(),
        };
        let store = self.store.clone();
        detached(async move {
            let insert = Entity::insert(row.into_active_model());
            insert.exec_without_returning(store.writer()).await.map(drop).map_err(port_error)
        })
        .await
    }

    async fn list(&self, page: PageRequest) -> Result<Page<AuditEntry>, PortError> {
        let db = self.store.reader();
        let total = Entity::find().count(db).await.map_err(port_error)?;
        let rows = Entity::find()
            .order_by_desc(Column::CreatedAt)
            .order_by_desc(Column::Id)
            .offset(page.offset())
            .limit(u64::from(page.size()))
            .all(db)
            .await
            .map_err(port_error)?;
        let items = rows.into_iter().map(|row| AuditEntry {
            id: Id::from_uuid(row.id),
            actor: row.actor.map(Id::from_uuid),
            action: row.action,
            subject: row.subject,
            detail: row.detail,
            at: Timestamp::from_millis(row.created_at),
        });
        Ok(Page { items: items.collect(), total })
    }
}
