//! Sessions in SQL, and the key that makes a conversation of any kind at most once.
//!
//! Squads and rooms have rows in the same table and are never seen from here.

use async_trait::async_trait;
use chat::conversation::{Conversation, ConversationId};
use chat::message::Message;
use chat::ports::{ConversationStore, CreateOutcome, Once};
use kernel::{Id, Page, PageRequest, PortError, Timestamp, UserId};
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, IntoActiveModel,
    PaginatorTrait, QueryFilter, QueryResult, Statement,
};

use crate::detached::detached;
use crate::entity::conversation::{Column, Entity, Model};
use crate::error::{corrupt, port_error, unavailable};
use crate::message_row::{COLUMNS, MessageRow, read_character_id, read_conversation_id};
use crate::store::{SqlStore, Write};
use crate::words::{SESSION, big, kind_word, read_count, read_kind};

/// [`ConversationStore`] on SQLite and Postgres.
pub struct SqlConversations {
    store: SqlStore,
}

impl SqlConversations {
    /// On this store.
    pub fn new(store: SqlStore) -> Self {
        Self { store }
    }
}

#[async_trait]
impl ConversationStore for SqlConversations {
    async fn create(
        &self,
        conversation: &Conversation,
        once: Option<&Once>,
    ) -> Result<CreateOutcome, PortError> {
        let (store, row) = (self.store.clone(), row_of(conversation, once));
        let once = once.cloned();
        detached(async move {
            if let Some(once) = once {
                return create_once(&store, row, once).await;
            }
            let insert = Entity::insert(row.into_active_model().reset_all());
            insert.exec_without_returning(store.writer()).await.map_err(port_error)?;
            Ok(CreateOutcome::Created)
        })
        .await
    }

    async fn get(&self, id: &ConversationId) -> Result<Option<Conversation>, PortError> {
        let find = Entity::find_by_id(id.as_str()).filter(Column::Kind.eq(SESSION));
        let found = find.one(self.store.reader()).await.map_err(port_error)?;
        found.map(conversation_of).transpose()
    }

    async fn list(
        &self,
        owner: UserId,
        page: PageRequest,
    ) -> Result<Page<(Conversation, Option<Message>)>, PortError> {
        let db = self.store.reader();
        let all = Entity::find().filter(Column::Owner.eq(owner.as_uuid())).filter(Column::Kind.eq(SESSION));
        let total = all.count(db).await.map_err(port_error)?;
        let statement = Statement::from_sql_and_values(
            db.get_database_backend(),
            list_sql(),
            [owner.as_uuid().into(), i64::from(page.size()).into(), big(page.offset()).into()],
        );
        let rows = db.query_all_raw(statement).await.map_err(port_error)?;
        let items = rows.iter().map(summary_of).collect::<Result<_, _>>()?;
        Ok(Page { items, total })
    }

    async fn rename(&self, id: &ConversationId, title: &str) -> Result<bool, PortError> {
        let (store, id, title) = (self.store.clone(), id.to_string(), title.to_owned());
        detached(async move {
            let change = Entity::update_many()
                .col_expr(Column::Title, title.into())
                .filter(Column::Id.eq(id))
                .filter(Column::Kind.eq(SESSION));
            let done = change.exec(store.writer()).await.map_err(port_error)?;
            Ok(done.rows_affected > 0)
        })
        .await
    }

    /// Messages and events go by `ON DELETE CASCADE`. A row lock on the head makes an append that is under
    /// way end first, and a later one find nothing.
    async fn delete(&self, id: &ConversationId) -> Result<bool, PortError> {
        let (store, id) = (self.store.clone(), id.to_string());
        detached(async move {
            let delete = Entity::delete_by_id(id).filter(Column::Kind.eq(SESSION));
            let done = delete.exec(store.writer()).await.map_err(port_error)?;
            Ok(done.rows_affected > 0)
        })
        .await
    }
}

async fn create_once(store: &SqlStore, row: Model, once: Once) -> Result<CreateOutcome, PortError> {
    let tx = store.begin().await?;
    let Some(earlier) = insert_once(&tx, row, &once).await? else {
        tx.commit().await.map_err(port_error)?;
        return Ok(CreateOutcome::Created);
    };
    tx.rollback().await.map_err(port_error)?;
    if earlier.kind == SESSION && is_of(&earlier, &once) {
        conversation_of(earlier).map(CreateOutcome::Replayed)
    } else {
        Ok(CreateOutcome::Conflict)
    }
}

/// Inserts a conversation of any kind, or finds the one that the key made before.
///
/// A key of a day ago is taken from its conversation first, which then makes way for the new one.
pub(crate) async fn insert_once(tx: &Write, row: Model, once: &Once) -> Result<Option<Model>, PortError> {
    let owner = row.owner;
    let of_key = || Column::Owner.eq(owner).and(Column::IdempotencyKey.eq(once.key.as_str()));
    Entity::update_many()
        .col_expr(Column::IdempotencyKey, Expr::value(None::<String>))
        .filter(of_key())
        .filter(Column::CreatedAt.lt(once.since.as_millis()))
        .exec(tx)
        .await
        .map_err(port_error)?;
    let key_is_taken = OnConflict::columns([Column::Owner, Column::IdempotencyKey]).do_nothing().to_owned();
    let insert = Entity::insert(row.into_active_model().reset_all()).on_conflict(key_is_taken);
    if insert.exec_without_returning(tx).await.map_err(port_error)? > 0 {
        return Ok(None);
    }
    let earlier = Entity::find().filter(of_key()).one(tx).await.map_err(port_error)?;
    let deleted = || unavailable("the conversation of the key was deleted in this moment");
    earlier.map(Some).ok_or_else(deleted)
}

/// Whether the request of the key made this conversation, and no other request.
pub(crate) fn is_of(earlier: &Model, once: &Once) -> bool {
    earlier.body_hash.as_deref() == Some(once.body_hash.as_str())
}

/// Columns of the conversation in [`list_sql`], before those of its message.
const CONVERSATION_COLUMNS: usize = 11;

/// A page of an owner's conversations, each with its newest message, in one statement.
fn list_sql() -> String {
    format!(
        "SELECT c.id AS c_id, c.kind AS c_kind, c.owner AS c_owner, c.character_id AS c_character_id, \
         c.title AS c_title, c.epoch AS c_epoch, c.head AS c_head, c.created_at AS c_created_at, \
         c.last_active_at AS c_last_active_at, c.idempotency_key AS c_idempotency_key, \
         c.body_hash AS c_body_hash, {COLUMNS} \
         FROM (SELECT * FROM conversations WHERE owner = $1 AND kind = 'session' ORDER BY last_active_at DESC, id DESC LIMIT $2 \
         OFFSET $3) c \
         LEFT JOIN messages m ON m.conversation_id = c.id AND m.seq = \
         (SELECT MAX(newest.seq) FROM messages newest WHERE newest.conversation_id = c.id) \
         ORDER BY c.last_active_at DESC, c.id DESC"
    )
}

fn summary_of(row: &QueryResult) -> Result<(Conversation, Option<Message>), PortError> {
    let conversation = conversation_of(Model::from_query_result(row, "c_").map_err(port_error)?)?;
    let message = MessageRow::joined(row, CONVERSATION_COLUMNS).map_err(port_error)?;
    Ok((conversation, message.map(MessageRow::into_message).transpose()?))
}

fn row_of(conversation: &Conversation, once: Option<&Once>) -> Model {
    Model {
        id: conversation.id.to_string(),
        kind: kind_word(conversation.kind).to_owned(),
        owner: Some(conversation.owner.as_uuid()),
        character_id: Some(conversation.character_id.to_string()),
        title: conversation.title.clone(),
        epoch: conversation.epoch.clone(),
        head: big(conversation.head),
        created_at: conversation.created_at.as_millis(),
        last_active_at: conversation.last_active_at.as_millis(),
        idempotency_key: once.map(|once| once.key.clone()),
        body_hash: once.map(|once| once.body_hash.clone()),
    }
}

fn conversation_of(row: Model) -> Result<Conversation, PortError> {
    let owner = row.owner.ok_or_else(|| corrupt("conversations.owner"))?;
    let character = row.character_id.ok_or_else(|| corrupt("conversations.character_id"))?;
    Ok(Conversation {
        id: read_conversation_id(&row.id)?,
        kind: read_kind(&row.kind)?,
        owner: Id::from_uuid(owner),
        character_id: read_character_id(&character)?,
        title: row.title,
        epoch: row.epoch,
        head: read_count(row.head, "conversations.head")?,
        created_at: Timestamp::from_millis(row.created_at),
        last_active_at: Timestamp::from_millis(row.last_active_at),
    })
}
