//! Users with their identities, their sessions, and the login log.
//!
//! An email is unique by its lower-case form, an identity by provider, application and subject. Sessions and login
//! records name users without a foreign key: what is recorded of an account may outlive it.

use sea_orm_migration::prelude::{
    ColumnDef, DbErr, DeriveMigrationName, ForeignKey, ForeignKeyAction, Index, IndexCreateStatement,
    MigrationTrait, SchemaManager, Table, TableCreateStatement, async_trait,
};
use sea_orm_migration::schema::{
    big_integer, big_integer_null, boolean, small_integer, string, string_null, text, text_null, uuid,
    uuid_null,
};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [users(), identities(), sessions(), login_log()] {
            manager.create_table(table).await?;
        }
        for index in indexes() {
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["login_log", "sessions", "identities", "users"] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

/// `email` is as its owner writes it, `email_key` in lower case.
fn users() -> TableCreateStatement {
    Table::create()
        .table("users")
        .col(primary(uuid("id")))
        .col(string_null("email"))
        .col(string_null("email_key").unique_key())
        .col(string_null("password_hash"))
        .col(string("nick_name"))
        .col(text("avatar_url"))
        .col(small_integer("gender"))
        .col(string("country"))
        .col(string("province"))
        .col(string("city"))
        .col(string("level"))
        .col(string("role"))
        .col(boolean("disabled"))
        .col(string_null("mbti_type"))
        .col(big_integer("created_at"))
        .col(big_integer_null("last_login_at"))
        .to_owned()
}

/// `session_key` is sealed by the application; the newest one alone is kept.
fn identities() -> TableCreateStatement {
    Table::create()
        .table("identities")
        .col(string("provider"))
        .col(string("app_id"))
        .col(string("subject"))
        .col(uuid("user_id"))
        .col(string_null("union_id"))
        .col(text_null("session_key"))
        .col(big_integer("created_at"))
        .col(big_integer("updated_at"))
        .primary_key(Index::create().col("provider").col("app_id").col("subject"))
        .foreign_key(
            ForeignKey::create()
                .name("identities_user")
                .from("identities", "user_id")
                .to("users", "id")
                .on_delete(ForeignKeyAction::Cascade),
        )
        .to_owned()
}

/// `counter` is the number of the newest refresh token; tokens themselves are computed, never stored.
fn sessions() -> TableCreateStatement {
    Table::create()
        .table("sessions")
        .col(primary(uuid("id")))
        .col(uuid("user_id"))
        .col(string("method"))
        .col(big_integer("counter"))
        .col(string("ip"))
        .col(text_null("user_agent"))
        .col(big_integer("created_at"))
        .col(big_integer("rotated_at"))
        .col(big_integer("idle_until"))
        .col(big_integer("expires_at"))
        .col(big_integer_null("ended_at"))
        .col(string_null("end_reason"))
        .to_owned()
}

fn login_log() -> TableCreateStatement {
    Table::create()
        .table("login_log")
        .col(primary(uuid("id")))
        .col(uuid_null("user_id"))
        .col(uuid_null("session_id"))
        .col(string_null("identity_hash"))
        .col(string("method"))
        .col(string("outcome"))
        .col(string("ip"))
        .col(text_null("user_agent"))
        .col(string("request_id"))
        .col(big_integer("created_at"))
        .to_owned()
}

fn indexes() -> Vec<IndexCreateStatement> {
    let plain = |name: &str, table: &str, columns: &[&str]| {
        let mut index = Index::create().name(name).table(table.to_owned()).to_owned();
        for column in columns {
            index.col((*column).to_owned());
        }
        index
    };
    vec![
        plain("identities_of_user", "identities", &["user_id"]),
        plain("sessions_of_user", "sessions", &["user_id", "created_at"]),
        plain("sessions_idle", "sessions", &["idle_until"]),
        plain("sessions_ended", "sessions", &["ended_at"]),
        plain("login_log_of_user", "login_log", &["user_id", "created_at", "id"]),
        plain("login_log_age", "login_log", &["created_at"]),
    ]
}

fn primary(mut column: ColumnDef) -> ColumnDef {
    column.primary_key().to_owned()
}
