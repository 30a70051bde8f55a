//! Rights to use things, on SQLite and Postgres.

use async_trait::async_trait;
use billing::entitlement::membership_end;
use billing::{Entitlement, EntitlementStore, Subject};
use kernel::{Id, PortError, Timestamp, UserId};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
};

use crate::detached::detached;
use crate::entity::entitlement::{Column, Entity, Model};
use crate::error::{corrupt, port_error};
use crate::store::SqlStore;

const CHARACTER: &str = "character";
const SKILL: &str = "skill";
const VIP: &str = "vip";

/// [`EntitlementStore`] on SQLite and Postgres.
pub struct SqlEntitlements {
    store: SqlStore,
}

impl SqlEntitlements {
    /// On this store.
    pub fn new(store: SqlStore) -> Self {
        Self { store }
    }
}

#[async_trait]
impl EntitlementStore for SqlEntitlements {
    async fn of_user(&self, user: UserId, now: Timestamp) -> Result<Vec<Entitlement>, PortError> {
        of_user(self.store.reader(), user, now).await
    }

    async fn give(&self, entitlement: &Entitlement) -> Result<bool, PortError> {
        let (store, row) = (self.store.clone(), row_of(entitlement));
        detached(async move {
            let once = OnConflict::column(Column::DeliveryKey).do_nothing().to_owned();
            let insert = Entity::insert(row.into_active_model()).on_conflict(once);
            Ok(insert.exec_without_returning(store.writer()).await.map_err(port_error)? > 0)
        })
        .await
    }

    async fn member_until(&self, user: UserId, now: Timestamp) -> Result<Option<Timestamp>, PortError> {
        Ok(membership_end(&of_user(self.store.reader(), user, now).await?, now))
    }
}

/// What a person may use now or later, the oldest first.
pub(crate) async fn of_user(
    db: &impl ConnectionTrait,
    user: UserId,
    now: Timestamp,
) -> Result<Vec<Entitlement>, PortError> {
    let lasts =
        Condition::any().add(Column::ValidUntil.is_null()).add(Column::ValidUntil.gt(now.as_millis()));
    let rows = Entity::find()
        .filter(Column::UserId.eq(user.as_uuid()))
        .filter(Column::RevokedAt.is_null())
        .filter(lasts)
        .order_by_asc(Column::ValidFrom)
        .order_by_asc(Column::Id)
        .all(db)
        .await
        .map_err(port_error)?;
    rows.into_iter().map(right_of).collect()
}

pub(crate) fn row_of(right: &Entitlement) -> Model {
    let (kind, character_id, skill_id) = match &right.subject {
        Subject::Character(id) => (CHARACTER, Some(id.clone()), None),
        Subject::Skill { character_id, skill_id } => {
            (SKILL, Some(character_id.clone()), Some(skill_id.clone()))
        }
        Subject::Vip => (VIP, None, None),
    };
    Model {
        id: right.id.as_uuid(),
        user_id: right.user.as_uuid(),
        kind: kind.to_owned(),
        character_id,
        skill_id,
        source: right.source.as_str().to_owned(),
        delivery_key: right.key.clone(),
        order_id: None,
        valid_from: right.from.as_millis(),
        valid_until: right.until.map(Timestamp::as_millis),
        revoked_at: right.revoked_at.map(Timestamp::as_millis),
        revoked_by: None,
    }
}

fn right_of(row: Model) -> Result<Entitlement, PortError> {
    let subject = match (row.kind.as_str(), row.character_id, row.skill_id) {
        (CHARACTER, Some(id), None) => Subject::Character(id),
        (SKILL, Some(character_id), Some(skill_id)) => Subject::Skill { character_id, skill_id },
        (VIP, None, None) => Subject::Vip,
        _ => return Err(corrupt("entitlements.kind")),
    };
    Ok(Entitlement {
        id: Id::from_uuid(row.id),
        user: Id::from_uuid(row.user_id),
        subject,
        source: row.source.parse().map_err(|_unknown| corrupt("entitlements.source"))?,
        key: row.delivery_key,
        from: Timestamp::from_millis(row.valid_from),
        until: row.valid_until.map(Timestamp::from_millis),
        revoked_at: row.revoked_at.map(Timestamp::from_millis),
    })
}
