//! Conversations, messages, the event log, the sagas of replies and the leases of their owners.
//!
//! A conversation's row carries the head of its log; whoever appends changes that row first, which puts seqs
//! into commit order. Sagas stand apart from conversations: they outlive a deleted one until their hold is
//! settled.

use sea_orm_migration::prelude::{
    ColumnDef, ConditionalStatement, DbErr, DeriveMigrationName, Expr, ExprTrait, ForeignKey,
    ForeignKeyAction, ForeignKeyCreateStatement, Index, IndexCreateStatement, MigrationTrait, SchemaManager,
    Table, TableCreateStatement, async_trait,
};
use sea_orm_migration::schema::{
    big_integer, big_integer_null, string, string_null, text, text_null, uuid, uuid_null,
};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [conversations(), messages(), events(), generations(), instances()] {
            manager.create_table(table).await?;
        }
        for index in indexes() {
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["instances", "generations", "events", "messages", "conversations"] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

/// Owner and character are nullable, since a room may have neither. The key is the client's, for a day.
fn conversations() -> TableCreateStatement {
    Table::create()
        .table("conversations")
        .col(primary(string("id")))
        .col(string("kind"))
        .col(uuid_null("owner"))
        .col(string_null("character_id"))
        .col(text("title"))
        .col(string("epoch"))
        .col(big_integer("head"))
        .col(big_integer("created_at"))
        .col(big_integer("last_active_at"))
        .col(string_null("idempotency_key"))
        .col(string_null("body_hash"))
        .to_owned()
}

/// `seq` is the event that created the message, `last_seq` the latest event about it.
fn messages() -> TableCreateStatement {
    Table::create()
        .table("messages")
        .col(primary(uuid("id")))
        .col(string("conversation_id"))
        .col(big_integer("seq"))
        .col(big_integer("last_seq"))
        .col(uuid_null("author_user"))
        .col(string_null("character_id"))
        .col(text("content"))
        .col(string("status"))
        .col(string_null("why"))
        .col(string_null("failure"))
        .col(uuid_null("reply_to"))
        .col(string_null("client_msg_id"))
        .col(string_null("body_hash"))
        .col(text_null("citations"))
        .col(text_null("usage"))
        .col(big_integer("generation"))
        .col(string_null("model"))
        .col(big_integer("created_at"))
        .foreign_key(&mut within_conversation("messages"))
        .to_owned()
}

fn events() -> TableCreateStatement {
    Table::create()
        .table("events")
        .col(string("conversation_id"))
        .col(big_integer("seq"))
        .col(string("kind"))
        .col(text("body"))
        .col(uuid("message_id"))
        .col(big_integer("created_at"))
        .primary_key(Index::create().col("conversation_id").col("seq"))
        .foreign_key(&mut within_conversation("events"))
        .to_owned()
}

fn generations() -> TableCreateStatement {
    Table::create()
        .table("generations")
        .col(primary(uuid("message_id")))
        .col(string("conversation_id"))
        .col(big_integer("generation"))
        .col(uuid("owner"))
        .col(uuid("payer"))
        .col(string("model_alias"))
        .col(big_integer("tariff_miss"))
        .col(big_integer("tariff_hit"))
        .col(big_integer("tariff_output"))
        .col(big_integer("held"))
        .col(big_integer("prompt_tokens_estimate"))
        .col(string("state"))
        .col(text("checkpoint"))
        .col(text_null("charge"))
        .col(big_integer("created_at"))
        .col(big_integer_null("ended_at"))
        .to_owned()
}

fn instances() -> TableCreateStatement {
    Table::create().table("instances").col(primary(uuid("id"))).col(big_integer("lease_until")).to_owned()
}

fn indexes() -> Vec<IndexCreateStatement> {
    let plain = |name: &str, table: &str, columns: &[&str]| {
        let mut index = Index::create().name(name).table(table.to_owned()).to_owned();
        for column in columns {
            index.col((*column).to_owned());
        }
        index
    };
    let mut own_id =
        plain("messages_client_msg_id", "messages", &["conversation_id", "author_user", "client_msg_id"]);
    let mut seq = plain("messages_seq", "messages", &["conversation_id", "seq"]);
    let mut author = plain("messages_author", "messages", &["author_user"]);
    let mut once = plain("conversations_once", "conversations", &["owner", "idempotency_key"]);
    let mut streaming = plain("generations_streaming", "generations", &["conversation_id"]);
    let mut open = plain("generations_open", "generations", &["message_id"]);
    vec![
        plain("conversations_of_owner", "conversations", &["owner", "last_active_at", "id"]),
        once.unique().to_owned(),
        seq.unique().to_owned(),
        own_id.unique().to_owned(),
        plain("messages_last_seq", "messages", &["conversation_id", "last_seq"]),
        plain("messages_reply_to", "messages", &["reply_to"]),
        author.and_where(Expr::col("author_user").is_not_null()).to_owned(),
        streaming.and_where(Expr::col("state").eq("streaming")).to_owned(),
        open.and_where(Expr::col("state").ne("settled")).to_owned(),
    ]
}

fn primary(mut column: ColumnDef) -> ColumnDef {
    column.primary_key().to_owned()
}

/// Erasing a conversation erases what was said in it.
fn within_conversation(table: &str) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .name(format!("{table}_conversation"))
        .from(table.to_owned(), "conversation_id")
        .to("conversations", "id")
        .on_delete(ForeignKeyAction::Cascade)
        .to_owned()
}
