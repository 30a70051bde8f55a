//! Blocks between people, and reports to the operators.
//!
//! A report's `slot` names who reports what while that bars another report of the same, and is empty afterwards: so
//! one unique index holds both rules, once for ever and once at a time. A report outlives what it is about.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, Index, IndexCreateStatement, MigrationTrait, SchemaManager, Table,
    TableCreateStatement, async_trait,
};
use sea_orm_migration::schema::{
    big_integer, big_integer_null, pk_uuid, string, string_null, text, text_null, uuid, uuid_null,
};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [blocks(), reports()] {
            manager.create_table(table).await?;
        }
        for index in indexes() {
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["reports", "blocks"] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

fn blocks() -> TableCreateStatement {
    Table::create()
        .table("blocks")
        .col(uuid("user_id"))
        .col(uuid("blocked_id"))
        .col(big_integer("created_at"))
        .primary_key(Index::create().col("user_id").col("blocked_id"))
        .to_owned()
}

/// `message_id` and `conversation_id` are of a report about a message; `user_id` is whom it concerns.
fn reports() -> TableCreateStatement {
    Table::create()
        .table("reports")
        .col(pk_uuid("id"))
        .col(uuid("reporter"))
        .col(uuid_null("message_id"))
        .col(string_null("conversation_id"))
        .col(uuid_null("user_id"))
        .col(text("reason"))
        .col(string("state"))
        .col(string_null("slot"))
        .col(big_integer("created_at"))
        .col(uuid_null("decided_by"))
        .col(big_integer_null("decided_at"))
        .col(text_null("note"))
        .to_owned()
}

fn indexes() -> Vec<IndexCreateStatement> {
    let on = |name: &str, columns: &[&str]| {
        let mut index = Index::create().name(name).table("reports").to_owned();
        for column in columns {
            index.col((*column).to_owned());
        }
        index
    };
    vec![
        on("reports_slot", &["slot"]).unique().to_owned(),
        on("reports_state", &["state", "created_at", "id"]),
    ]
}
