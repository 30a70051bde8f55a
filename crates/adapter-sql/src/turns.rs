//! Turns in SQL. They are stored by an append, with the message that begins them; here they are worked off.

use async_trait::async_trait;
use chat::conversation::ConversationId;
use chat::generation::InstanceId;
use chat::ports::TurnStore;
use chat::turn::{Turn, TurnId};
use kernel::{Id, MessageId, Page, PageRequest, PortError, Timestamp};
use sea_orm::{
    ColumnTrait, EntityTrait, FromQueryResult, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    Statement, UpdateMany,
};

use crate::detached::detached;
use crate::entity::turn::{Column, Entity, Model};
use crate::error::port_error;
use crate::message_row::read_conversation_id;
use crate::store::SqlStore;
use crate::words::{big, json, read_count, read_json, read_word, word};

/// The word of [`chat::turn::TurnState::Open`], which the partial indexes name.
const OPEN: &str = "open";

/// [`TurnStore`] on SQLite and Postgres.
pub struct SqlTurns {
    store: SqlStore,
}

impl SqlTurns {
    /// On this store.
    pub fn new(store: SqlStore) -> Self {
        Self { store }
    }
}

/// Ids are made in time order, so the order of ids is that of age.
const ORPHANS: &str = "SELECT t.* FROM turns t LEFT JOIN instances i ON i.id = t.owner \
     WHERE t.state = 'open' AND (i.id IS NULL OR i.lease_until <= $1) ORDER BY t.id LIMIT $2";

#[async_trait]
impl TurnStore for SqlTurns {
    async fn get(&self, id: TurnId) -> Result<Option<Turn>, PortError> {
        let found = Entity::find_by_id(id.as_uuid()).one(self.store.reader()).await.map_err(port_error)?;
        found.as_ref().map(turn_of).transpose()
    }

    async fn of_question(&self, question: MessageId) -> Result<Option<Turn>, PortError> {
        let begun = Entity::find().filter(Column::Question.eq(question.as_uuid()));
        let found = begun.one(self.store.reader()).await.map_err(port_error)?;
        found.as_ref().map(turn_of).transpose()
    }

    async fn open(&self, conversation: &ConversationId, limit: u32) -> Result<Vec<Turn>, PortError> {
        let open = Entity::find()
            .filter(Column::ConversationId.eq(conversation.as_str()))
            .filter(Column::State.eq(OPEN))
            .order_by_asc(Column::Id)
            .limit(u64::from(limit));
        Ok(readable(&open.all(self.store.reader()).await.map_err(port_error)?))
    }

    /// The condition is the fence: whoever was robbed of the turn, or comes after its end, changes nothing.
    async fn update(&self, turn: &Turn) -> Result<bool, PortError> {
        let (store, change) = (self.store.clone(), change_of(turn));
        detached(async move {
            let done = change.exec(store.writer()).await.map_err(port_error)?;
            Ok(done.rows_affected > 0)
        })
        .await
    }

    async fn replace(&self, before: &Turn, turn: &Turn) -> Result<bool, PortError> {
        let change = change_of(turn).filter(Column::Steps.eq(json(&before.steps)));
        let store = self.store.clone();
        detached(async move {
            let done = change.exec(store.writer()).await.map_err(port_error)?;
            Ok(done.rows_affected > 0)
        })
        .await
    }

    async fn orphans(&self, now: Timestamp, limit: u32) -> Result<Vec<Turn>, PortError> {
        let db = self.store.reader();
        let values = [now.as_millis().into(), i64::from(limit).into()];
        let statement = Statement::from_sql_and_values(db.get_database_backend(), ORPHANS, values);
        Ok(readable(&Model::find_by_statement(statement).all(db).await.map_err(port_error)?))
    }

    async fn owned_by(&self, instance: InstanceId, limit: u32) -> Result<Vec<Turn>, PortError> {
        let open = Entity::find()
            .filter(Column::Owner.eq(instance.as_uuid()))
            .filter(Column::State.eq(OPEN))
            .order_by_asc(Column::Id)
            .limit(u64::from(limit));
        Ok(readable(&open.all(self.store.reader()).await.map_err(port_error)?))
    }

    async fn adopt(&self, id: TurnId, from: InstanceId, to: InstanceId) -> Result<bool, PortError> {
        let store = self.store.clone();
        detached(async move {
            let change = Entity::update_many()
                .col_expr(Column::Owner, to.as_uuid().into())
                .filter(Column::Id.eq(id.as_uuid()))
                .filter(Column::State.eq(OPEN))
                .filter(Column::Owner.eq(from.as_uuid()));
            let done = change.exec(store.writer()).await.map_err(port_error)?;
            Ok(done.rows_affected > 0)
        })
        .await
    }

    async fn list(&self, conversation: &ConversationId, page: PageRequest) -> Result<Page<Turn>, PortError> {
        let db = self.store.reader();
        let all = Entity::find().filter(Column::ConversationId.eq(conversation.as_str()));
        let total = all.clone().count(db).await.map_err(port_error)?;
        let newest = all.order_by_desc(Column::Id).limit(u64::from(page.size())).offset(page.offset());
        Ok(Page { items: readable(&newest.all(db).await.map_err(port_error)?), total })
    }
}

fn change_of(turn: &Turn) -> UpdateMany<Entity> {
    let row = turn_row(turn);
    Entity::update_many()
        .col_expr(Column::Steps, row.steps.into())
        .col_expr(Column::FollowUpsLeft, row.follow_ups_left.into())
        .col_expr(Column::State, row.state.into())
        .filter(Column::Id.eq(row.id))
        .filter(Column::State.eq(OPEN))
        .filter(Column::Owner.eq(row.owner))
}

/// A turn's row, for the append that stores it.
pub(crate) fn turn_row(turn: &Turn) -> Model {
    Model {
        id: turn.id.as_uuid(),
        conversation_id: turn.conversation_id.to_string(),
        question: turn.question.as_uuid(),
        asker: turn.asker.as_uuid(),
        payer: turn.payer.as_uuid(),
        strategy: word(&turn.strategy),
        seed: turn.seed.cast_signed(),
        candidates: json(&turn.candidates),
        steps: json(&turn.steps),
        follow_ups_left: big(turn.follow_ups_left),
        state: word(&turn.state),
        owner: turn.owner.as_uuid(),
        created_at: turn.created_at.as_millis(),
    }
}

/// A row that this release cannot read must not keep a sweep from all the others.
fn readable(rows: &[Model]) -> Vec<Turn> {
    let read = |row: &Model| {
        turn_of(row)
            .inspect_err(|error| tracing::error!(%error, turn.id = %row.id, "a turn is unreadable"))
            .ok()
    };
    rows.iter().filter_map(read).collect()
}

fn turn_of(row: &Model) -> Result<Turn, PortError> {
    Ok(Turn {
        id: Id::from_uuid(row.id),
        conversation_id: read_conversation_id(&row.conversation_id)?,
        question: Id::from_uuid(row.question),
        asker: Id::from_uuid(row.asker),
        payer: Id::from_uuid(row.payer),
        strategy: read_word(&row.strategy, "turns.strategy")?,
        seed: row.seed.cast_unsigned(),
        candidates: read_json(&row.candidates, "turns.candidates")?,
        steps: read_json(&row.steps, "turns.steps")?,
        follow_ups_left: read_count(row.follow_ups_left, "turns.follow_ups_left")?,
        state: read_word(&row.state, "turns.state")?,
        owner: Id::from_uuid(row.owner),
        created_at: Timestamp::from_millis(row.created_at),
    })
}

#[cfg(test)]
mod tests {
    use chat::turn::TurnState;

    use super::*;

    #[test]
    fn the_indexes_name_the_word_of_an_open_turn() {
        assert_eq!(word(&TurnState::Open), OPEN);
    }
}
