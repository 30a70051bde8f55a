//! Sessions in SQL.

use async_trait::async_trait;
use auth::ports::{Rotation, SessionStore, SessionSweep};
use auth::{EndReason, LoginMethod, Session, SessionId};
use kernel::{Id, PortError, Timestamp, UserId};
use sea_orm::sea_query::{Expr, Query};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder, QuerySelect, UpdateMany,
};

use crate::detached::detached;
use crate::entity::session::{Column, Entity, Model};
use crate::error::{corrupt, port_error};
use crate::store::SqlStore;
use crate::words::read_count;

/// [`SessionStore`] on SQLite and Postgres.
pub struct SqlSessions {
    store: SqlStore,
}

impl SqlSessions {
    /// On this store.
    pub fn new(store: SqlStore) -> Self {
        Self { store }
    }
}

#[async_trait]
impl SessionStore for SqlSessions {
    async fn create(&self, session: &Session) -> Result<(), PortError> {
        let (store, row) = (self.store.clone(), row_of(session));
        detached(async move {
            let insert = Entity::insert(row.into_active_model().reset_all());
            insert.exec_without_returning(store.writer()).await.map(drop).map_err(port_error)
        })
        .await
    }

    async fn get(&self, id: SessionId) -> Result<Option<Session>, PortError> {
        let found = Entity::find_by_id(id.as_uuid()).one(self.store.reader()).await.map_err(port_error)?;
        found.map(session_of).transpose()
    }

    async fn rotate(&self, rotation: &Rotation) -> Result<bool, PortError> {
        let (store, rotation) = (self.store.clone(), *rotation);
        detached(async move {
            let change = Entity::update_many()
                .col_expr(Column::Counter, Expr::value(i64::from(rotation.to)))
                .col_expr(Column::RotatedAt, Expr::value(rotation.at.as_millis()))
                .col_expr(Column::IdleUntil, Expr::value(rotation.idle_until.as_millis()))
                .filter(Column::Id.eq(rotation.session_id.as_uuid()))
                .filter(Column::Counter.eq(i64::from(rotation.from)))
                .filter(Column::EndedAt.is_null());
            let done = change.exec(store.writer()).await.map_err(port_error)?;
            Ok(done.rows_affected > 0)
        })
        .await
    }

    async fn end(&self, id: SessionId, reason: EndReason, at: Timestamp) -> Result<bool, PortError> {
        let store = self.store.clone();
        detached(async move {
            let change = ended(reason, at).filter(Column::Id.eq(id.as_uuid()));
            let done = change.exec(store.writer()).await.map_err(port_error)?;
            Ok(done.rows_affected > 0)
        })
        .await
    }

    async fn end_all(
        &self,
        user: UserId,
        except: Option<SessionId>,
        reason: EndReason,
        at: Timestamp,
    ) -> Result<Vec<SessionId>, PortError> {
        let store = self.store.clone();
        detached(async move {
            let mut change = ended(reason, at).filter(Column::UserId.eq(user.as_uuid()));
            if let Some(kept) = except {
                change = change.filter(Column::Id.ne(kept.as_uuid()));
            }
            let rows = change.exec_with_returning(store.writer()).await.map_err(port_error)?;
            Ok(rows.into_iter().map(|row| Id::from_uuid(row.id)).collect())
        })
        .await
    }

    async fn open(&self, user: UserId, limit: u32) -> Result<Vec<Session>, PortError> {
        let rows = Entity::find()
            .filter(Column::UserId.eq(user.as_uuid()))
            .filter(Column::EndedAt.is_null())
            .order_by_desc(Column::CreatedAt)
            .order_by_desc(Column::Id)
            .limit(u64::from(limit))
            .all(self.store.reader())
            .await
            .map_err(port_error)?;
        rows.into_iter().map(session_of).collect()
    }

    async fn sweep(&self, sweep: &SessionSweep) -> Result<u64, PortError> {
        let (store, sweep) = (self.store.clone(), *sweep);
        // Looking first costs a read; most sweeps find nothing, and then nobody waits for the writer.
        let found = Entity::find().filter(over(&sweep)).limit(1).one(store.reader()).await;
        if found.map_err(port_error)?.is_none() {
            return Ok(0);
        }
        detached(async move { delete_over(store.writer(), &sweep).await }).await
    }
}

/// The end of sessions that have none yet; the caller says which.
fn ended(reason: EndReason, at: Timestamp) -> UpdateMany<Entity> {
    Entity::update_many()
        .col_expr(Column::EndedAt, Expr::value(at.as_millis()))
        .col_expr(Column::EndReason, Expr::value(reason.as_str()))
        .filter(Column::EndedAt.is_null())
}

/// `idle_until` is never after `expires_at`, so that one index finds both kinds of end by time.
fn over(sweep: &SessionSweep) -> Condition {
    Condition::any()
        .add(Column::IdleUntil.lte(sweep.expired_by.as_millis()))
        .add(Column::EndedAt.lte(sweep.ended_by.as_millis()))
}

async fn delete_over(db: &impl ConnectionTrait, sweep: &SessionSweep) -> Result<u64, PortError> {
    let some = Query::select()
        .column(Column::Id)
        .from(Entity)
        .cond_where(over(sweep))
        .limit(u64::from(sweep.limit))
        .to_owned();
    let done = Entity::delete_many().filter(Column::Id.in_subquery(some)).exec(db).await;
    Ok(done.map_err(port_error)?.rows_affected)
}

fn row_of(session: &Session) -> Model {
    Model {
        id: session.id.as_uuid(),
        user_id: session.user_id.as_uuid(),
        method: session.method.as_str().to_owned(),
        counter: i64::from(session.counter),
        ip: session.ip.to_string(),
        user_agent: session.user_agent.clone(),
        created_at: session.created_at.as_millis(),
        rotated_at: session.rotated_at.as_millis(),
        idle_until: session.idle_until.as_millis(),
        expires_at: session.expires_at.as_millis(),
        ended_at: session.ended.map(|(at, _)| at.as_millis()),
        end_reason: session.ended.map(|(_, reason)| reason.as_str().to_owned()),
    }
}

fn session_of(row: Model) -> Result<Session, PortError> {
    let ended = match (row.ended_at, row.end_reason.as_deref().map(EndReason::parse)) {
        (None, None) => None,
        (Some(at), Some(Some(reason))) => Some((Timestamp::from_millis(at), reason)),
        (Some(_) | None, Some(_) | None) => return Err(corrupt("sessions.end_reason")),
    };
    Ok(Session {
        id: Id::from_uuid(row.id),
        user_id: Id::from_uuid(row.user_id),
        method: LoginMethod::parse(&row.method).ok_or_else(|| corrupt("sessions.method"))?,
        counter: read_count(row.counter, "sessions.counter")?,
        ip: row.ip.parse().map_err(|_not_an_address| corrupt("sessions.ip"))?,
        user_agent: row.user_agent,
        created_at: Timestamp::from_millis(row.created_at),
        rotated_at: Timestamp::from_millis(row.rotated_at),
        idle_until: Timestamp::from_millis(row.idle_until),
        expires_at: Timestamp::from_millis(row.expires_at),
        ended,
    })
}
