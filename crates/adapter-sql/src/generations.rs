//! Sagas of replies and leases of their owners, in SQL.

use async_trait::async_trait;
use chat::generation::{Charge, Generation, InstanceId};
use chat::message::MessageUsage;
use chat::ports::GenerationStore;
use kernel::{Credits, Id, MessageId, PortError, Tariff, Timestamp};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, Statement,
};

use crate::detached::detached;
use crate::entity::generation::{Column, Entity, Model};
use crate::entity::instance;
use crate::error::port_error;
use crate::message_row::read_conversation_id;
use crate::store::SqlStore;
use crate::words::{ENDED, SETTLED, json, read_count, read_json, read_state};

/// [`GenerationStore`] on SQLite and Postgres.
pub struct SqlGenerations {
    store: SqlStore,
}

impl SqlGenerations {
    /// On this store.
    pub fn new(store: SqlStore) -> Self {
        Self { store }
    }
}

const RENEW: &str = "INSERT INTO instances (id, lease_until) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET \
     lease_until = excluded.lease_until WHERE instances.lease_until < excluded.lease_until";

/// Ids are made in time order, so the order of ids is that of age.
const ORPHANS: &str = "SELECT g.* FROM generations g LEFT JOIN instances i ON i.id = g.owner \
     WHERE g.state <> 'settled' AND (i.id IS NULL OR i.lease_until <= $1) ORDER BY g.message_id LIMIT $2";

/// A conversation that was deleted takes its messages along: without one there is nothing to keep text for.
const CHECKPOINT: &str = "UPDATE generations SET checkpoint = $3 WHERE message_id = $1 AND generation = $2 \
     AND state = 'streaming' AND EXISTS (SELECT 1 FROM messages m WHERE m.id = $1)";

#[async_trait]
impl GenerationStore for SqlGenerations {
    async fn get(&self, id: MessageId) -> Result<Option<Generation>, PortError> {
        let found = Entity::find_by_id(id.as_uuid()).one(self.store.reader()).await.map_err(port_error)?;
        found.map(generation_of).transpose()
    }

    async fn checkpoint(&self, id: MessageId, generation: u32, text: &str) -> Result<bool, PortError> {
        let (store, text) = (self.store.clone(), text.to_owned());
        detached(async move {
            let db = store.writer();
            let values = [id.as_uuid().into(), i64::from(generation).into(), text.into()];
            let statement = Statement::from_sql_and_values(db.get_database_backend(), CHECKPOINT, values);
            let done = db.execute_raw(statement).await.map_err(port_error)?;
            Ok(done.rows_affected() > 0)
        })
        .await
    }

    async fn mark_settled(&self, id: MessageId) -> Result<(), PortError> {
        let store = self.store.clone();
        detached(async move {
            let change = Entity::update_many()
                .col_expr(Column::State, SETTLED.into())
                .filter(Column::MessageId.eq(id.as_uuid()))
                .filter(Column::State.eq(ENDED));
            change.exec(store.writer()).await.map_err(port_error)?;
            Ok(())
        })
        .await
    }

    async fn renew_lease(&self, instance: InstanceId, until: Timestamp) -> Result<(), PortError> {
        let store = self.store.clone();
        detached(async move {
            let db = store.writer();
            let values = [instance.as_uuid().into(), until.as_millis().into()];
            let statement = Statement::from_sql_and_values(db.get_database_backend(), RENEW, values);
            db.execute_raw(statement).await.map_err(port_error)?;
            Ok(())
        })
        .await
    }

    /// A lease that is not there is over, so the row goes.
    async fn release_lease(&self, instance: InstanceId) -> Result<(), PortError> {
        let store = self.store.clone();
        detached(async move {
            let delete = instance::Entity::delete_by_id(instance.as_uuid());
            delete.exec(store.writer()).await.map_err(port_error)?;
            Ok(())
        })
        .await
    }

    async fn orphans(&self, now: Timestamp, limit: u32) -> Result<Vec<Generation>, PortError> {
        let db = self.store.reader();
        let values = [now.as_millis().into(), i64::from(limit).into()];
        let statement = Statement::from_sql_and_values(db.get_database_backend(), ORPHANS, values);
        Ok(readable(Model::find_by_statement(statement).all(db).await.map_err(port_error)?))
    }

    /// `ended` comes before `streaming` in the alphabet too.
    async fn owned_by(&self, instance: InstanceId, limit: u32) -> Result<Vec<Generation>, PortError> {
        let open = Entity::find()
            .filter(Column::Owner.eq(instance.as_uuid()))
            .filter(Column::State.ne(SETTLED))
            .order_by_asc(Column::State)
            .order_by_asc(Column::MessageId)
            .limit(u64::from(limit));
        Ok(readable(open.all(self.store.reader()).await.map_err(port_error)?))
    }

    async fn open_count(&self) -> Result<u64, PortError> {
        let open = Entity::find().filter(Column::State.ne(SETTLED));
        open.count(self.store.reader()).await.map_err(port_error)
    }
}

/// A charge has the shape of a usage that is shown, and is stored as one.
pub(crate) fn charge_json(charge: Charge) -> String {
    json(&MessageUsage { tokens: charge.tokens, credits: charge.credits })
}

fn charge_of(text: &str) -> Result<Charge, PortError> {
    let stored: MessageUsage = read_json(text, "generations.charge")?;
    Ok(Charge { tokens: stored.tokens, credits: stored.credits })
}

/// A row that this release cannot read must not keep a sweep from all the others.
fn readable(rows: Vec<Model>) -> Vec<Generation> {
    let read = |row: Model| {
        let id = row.message_id;
        generation_of(row)
            .inspect_err(|error| tracing::error!(%error, message.id = %id, "a saga is unreadable"))
            .ok()
    };
    rows.into_iter().filter_map(read).collect()
}

fn generation_of(row: Model) -> Result<Generation, PortError> {
    Ok(Generation {
        message_id: Id::from_uuid(row.message_id),
        conversation_id: read_conversation_id(&row.conversation_id)?,
        generation: read_count(row.generation, "generations.generation")?,
        owner: Id::from_uuid(row.owner),
        payer: Id::from_uuid(row.payer),
        model_alias: row.alias,
        tariff: Tariff { miss: row.tariff_miss, hit: row.tariff_hit, output: row.tariff_output },
        held: Credits::new(row.held),
        prompt_tokens_estimate: read_count(row.prompt_tokens_estimate, "generations.prompt_tokens_estimate")?,
        state: read_state(&row.state)?,
        checkpoint: row.checkpoint,
        charge: row.charge.as_deref().map(charge_of).transpose()?,
    })
}
