//! Rooms and squads, their members, who has read and who likes what, and the turns of their characters.
//!
//! A room's row stands beside its conversation's, which keeps kind, owner, epoch, head and times. Members of a
//! room and readers of any conversation are apart: a session has a reader and no members.
//!
//! An event is no longer only about a message, so its column gets the wider name `subject`. A rename is no
//! addition; it is done once, before the first release.

use sea_orm_migration::prelude::{
    ConditionalStatement, DbErr, DeriveMigrationName, Expr, ExprTrait, ForeignKey, ForeignKeyAction,
    ForeignKeyCreateStatement, Index, IndexCreateStatement, MigrationTrait, SchemaManager, Table,
    TableCreateStatement, async_trait,
};
use sea_orm_migration::schema::{
    big_integer, big_integer_null, boolean, pk_uuid, string, string_null, text, text_null, uuid,
};

#[derive(DeriveMigrationName)]
pub struct Migration;

/// What a message has besides: ids named in it, and who likes it.
const OF_MESSAGES: [&str; 2] = ["mentions", "likes"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        rename(manager, "message_id", "subject").await?;
        for column in OF_MESSAGES {
            let add = Table::alter().table("messages").add_column(text_null(column)).to_owned();
            manager.alter_table(add).await?;
        }
        for table in [rooms(), members(), reads(), likes(), turns()] {
            manager.create_table(table).await?;
        }
        for index in indexes() {
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["turns", "likes", "reads", "members", "rooms"] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        for column in OF_MESSAGES {
            let drop = Table::alter().table("messages").drop_column(column).to_owned();
            manager.alter_table(drop).await?;
        }
        rename(manager, "subject", "message_id").await
    }
}

/// The message or the person that an event is about.
async fn rename(manager: &SchemaManager<'_>, from: &'static str, to: &'static str) -> Result<(), DbErr> {
    let rename = Table::alter().table("events").rename_column(from, to).to_owned();
    manager.alter_table(rename).await
}

/// `member_count` is of those who are in now, `message_count` of all that was ever said.
fn rooms() -> TableCreateStatement {
    Table::create()
        .table("rooms")
        .col(string("id").primary_key().to_owned())
        .col(boolean("is_public"))
        .col(text("profile"))
        .col(string("category"))
        .col(text("settings"))
        .col(text("characters"))
        .col(string_null("invite_code"))
        .col(big_integer_null("closed_at"))
        .col(big_integer("member_count"))
        .col(big_integer("message_count"))
        .foreign_key(&mut within("rooms", "id", "conversations"))
        .to_owned()
}

/// Whoever left or was banned keeps a row, and what was counted with it.
fn members() -> TableCreateStatement {
    Table::create()
        .table("members")
        .col(string("conversation_id"))
        .col(uuid("user_id"))
        .col(string("role"))
        .col(string("state"))
        .col(big_integer("joined_at"))
        .col(big_integer_null("muted_until"))
        .col(big_integer("message_count"))
        .col(big_integer("likes_given"))
        .primary_key(Index::create().col("conversation_id").col("user_id"))
        .foreign_key(&mut within("members", "conversation_id", "conversations"))
        .to_owned()
}

fn reads() -> TableCreateStatement {
    Table::create()
        .table("reads")
        .col(string("conversation_id"))
        .col(uuid("user_id"))
        .col(big_integer("read_seq"))
        .primary_key(Index::create().col("conversation_id").col("user_id"))
        .foreign_key(&mut within("reads", "conversation_id", "conversations"))
        .to_owned()
}

fn likes() -> TableCreateStatement {
    Table::create()
        .table("likes")
        .col(uuid("message_id"))
        .col(uuid("user_id"))
        .col(big_integer("created_at"))
        .primary_key(Index::create().col("message_id").col("user_id"))
        .foreign_key(&mut within("likes", "message_id", "messages"))
        .to_owned()
}

/// The seed is 64 bits without a sign, kept bit by bit.
fn turns() -> TableCreateStatement {
    Table::create()
        .table("turns")
        .col(pk_uuid("id"))
        .col(string("conversation_id"))
        .col(uuid("question").unique_key().to_owned())
        .col(uuid("asker"))
        .col(uuid("payer"))
        .col(string("strategy"))
        .col(big_integer("seed"))
        .col(text("candidates"))
        .col(text("steps"))
        .col(big_integer("follow_ups_left"))
        .col(string("state"))
        .col(uuid("owner"))
        .col(big_integer("created_at"))
        .foreign_key(&mut within("turns", "conversation_id", "conversations"))
        .to_owned()
}

/// Open turns are few among many, and so are public rooms among squads: their indexes leave the others out.
fn indexes() -> Vec<IndexCreateStatement> {
    let on = |name: &str, table: &str, columns: &[&str]| {
        let mut index = Index::create().name(name).table(table.to_owned()).to_owned();
        for column in columns {
            index.col((*column).to_owned());
        }
        index
    };
    let open = |mut index: IndexCreateStatement| index.and_where(Expr::col("state").eq("open")).to_owned();
    vec![
        on("rooms_public", "rooms", &["id"]).and_where(Expr::col("is_public")).to_owned(),
        on("members_of_user", "members", &["user_id"]),
        on("turns_of_conversation", "turns", &["conversation_id", "id"]),
        open(on("turns_open", "turns", &["conversation_id", "id"])),
        open(on("turns_open_of_owner", "turns", &["owner", "id"])),
    ]
}

/// What belongs to a conversation or a message goes with it.
fn within(table: &str, column: &'static str, whole: &'static str) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .name(format!("{table}_{whole}"))
        .from(table.to_owned(), column)
        .to(whole, "id")
        .on_delete(ForeignKeyAction::Cascade)
        .to_owned()
}
