//! The login log in SQL.

use async_trait::async_trait;
use auth::ports::LoginLog;
use auth::{LoginMethod, LoginOutcome, LoginRecord};
use kernel::{Id, Page, PageRequest, PortError, Timestamp, UserId};
use sea_orm::sea_query::Query;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect,
};

use crate::detached::detached;
use crate::entity::login_record::{Column, Entity, Model};
use crate::error::{corrupt, port_error};
use crate::store::SqlStore;

/// [`LoginLog`] on SQLite and Postgres.
pub struct SqlLoginLog {
    store: SqlStore,
}

impl SqlLoginLog {
    /// On this store.
    pub fn new(store: SqlStore) -> Self {
        Self { store }
    }
}

#[async_trait]
impl LoginLog for SqlLoginLog {
    async fn append(&self, record: &LoginRecord) -> Result<(), PortError> {
        let (store, row) = (self.store.clone(), row_of(record));
        detached(async move {
            let insert = Entity::insert(row.into_active_model().reset_all());
            insert.exec_without_returning(store.writer()).await.map(drop).map_err(port_error)
        })
        .await
    }

    async fn list(&self, user: UserId, page: PageRequest) -> Result<Page<LoginRecord>, PortError> {
        let db = self.store.reader();
        let all = Entity::find().filter(Column::UserId.eq(user.as_uuid()));
        let total = all.clone().count(db).await.map_err(port_error)?;
        let rows = all
            .order_by_desc(Column::CreatedAt)
            .order_by_desc(Column::Id)
            .offset(page.offset())
            .limit(u64::from(page.size()))
            .all(db)
            .await
            .map_err(port_error)?;
        let items = rows.into_iter().map(record_of).collect::<Result<_, _>>()?;
        Ok(Page { items, total })
    }

    async fn sweep(&self, before: Timestamp, limit: u32) -> Result<u64, PortError> {
        let store = self.store.clone();
        let old = Column::CreatedAt.lt(before.as_millis());
        // Looking first costs a read; most sweeps find nothing, and then nobody waits for the writer.
        let found = Entity::find().filter(old.clone()).limit(1).one(store.reader()).await;
        if found.map_err(port_error)?.is_none() {
            return Ok(0);
        }
        detached(async move {
            let some = Query::select()
                .column(Column::Id)
                .from(Entity)
                .and_where(old)
                .limit(u64::from(limit))
                .to_owned();
            let done = Entity::delete_many().filter(Column::Id.in_subquery(some)).exec(store.writer()).await;
            Ok(done.map_err(port_error)?.rows_affected)
        })
        .await
    }
}

fn row_of(record: &LoginRecord) -> Model {
    Model {
        id: record.id.as_uuid(),
        user_id: record.user_id.map(|id| id.as_uuid()),
        session_id: record.session_id.map(|id| id.as_uuid()),
        identity_hash: record.identity_hash.clone(),
        method: record.method.as_str().to_owned(),
        outcome: record.outcome.as_str().to_owned(),
        ip: record.ip.to_string(),
        user_agent: record.user_agent.clone(),
        request_id: record.request_id.clone(),
        created_at: record.at.as_millis(),
    }
}

fn record_of(row: Model) -> Result<LoginRecord, PortError> {
    Ok(LoginRecord {
        id: Id::from_uuid(row.id),
        user_id: row.user_id.map(Id::from_uuid),
        session_id: row.session_id.map(Id::from_uuid),
        identity_hash: row.identity_hash,
        method: LoginMethod::parse(&row.method).ok_or_else(|| corrupt("login_log.method"))?,
        outcome: LoginOutcome::parse(&row.outcome).ok_or_else(|| corrupt("login_log.outcome"))?,
        ip: row.ip.parse().map_err(|_not_an_address| corrupt("login_log.ip"))?,
        user_agent: row.user_agent,
        request_id: row.request_id,
        at: Timestamp::from_millis(row.created_at),
    })
}
