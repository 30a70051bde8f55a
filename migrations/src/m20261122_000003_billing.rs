//! The ledger: wallets, transfers and holds.
//!
//! What must never happen is refused by the tables themselves: a negative balance by checks, a second posting of
//! the same thing by the key's index, a changed transfer by triggers. Sums stay below 10^18 credits, so that none
//! leaves 64 bits and SQLite never turns one into a floating-point number.

use sea_orm_migration::prelude::{
    ColumnDef, DbErr, DeriveIden, DeriveMigrationName, Expr, Index, MigrationTrait, SchemaManager, Table,
    TableCreateStatement, async_trait,
};
use sea_orm_migration::sea_orm::{self, ConnectionTrait, DbBackend};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[derive(DeriveIden)]
enum Wallets {
    Table,
    Account,
    Available,
    Held,
    Seq,
    CreatedAt,
    UpdatedAt,
}

#[derive(DeriveIden)]
enum Transfers {
    Table,
    Id,
    Debit,
    Credit,
    Amount,
    Kind,
    HoldId,
    RefId,
    IdempotencyKey,
    OwnerAccount,
    OwnerSeq,
    BalanceAfter,
    CreatedAt,
}

#[derive(DeriveIden)]
enum Holds {
    Table,
    MessageId,
    Account,
    Alias,
    MissPrice,
    HitPrice,
    OutputPrice,
    PromptTokensMax,
    OutputTokensWanted,
    OutputTokensMin,
    OutputTokensMax,
    Amount,
    State,
    InstanceId,
    CreatedAt,
    ExpiresAt,
    ResolvedAt,
    SettledCredits,
    PromptTokens,
    CachedTokens,
    CompletionTokens,
    ReasoningTokens,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(wallets()).await?;
        manager.create_table(transfers()).await?;
        manager.create_table(holds()).await?;
        let db = manager.get_connection();
        for statement in INDEXES {
            db.execute_unprepared(statement).await?;
        }
        let guards = match manager.get_database_backend() {
            DbBackend::Postgres => POSTGRES_GUARDS,
            _ => SQLITE_GUARDS,
        };
        for statement in guards {
            db.execute_unprepared(statement).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Holds::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(Transfers::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(Wallets::Table).to_owned()).await?;
        if manager.get_database_backend() == DbBackend::Postgres {
            manager.get_connection().execute_unprepared("DROP FUNCTION transfers_are_append_only()").await?;
        }
        Ok(())
    }
}

fn wallets() -> TableCreateStatement {
    Table::create()
        .table(Wallets::Table)
        .col(ColumnDef::new(Wallets::Account).string_len(80).not_null().primary_key())
        .col(ColumnDef::new(Wallets::Available).big_integer().not_null())
        .col(ColumnDef::new(Wallets::Held).big_integer().not_null())
        .col(ColumnDef::new(Wallets::Seq).big_integer().not_null())
        .col(ColumnDef::new(Wallets::CreatedAt).big_integer().not_null())
        .col(ColumnDef::new(Wallets::UpdatedAt).big_integer().not_null())
        .check(Expr::cust("available BETWEEN 0 AND 1000000000000000000"))
        .check(Expr::cust("held BETWEEN 0 AND 1000000000000000000"))
        .check(Expr::cust("seq >= 0"))
        .to_owned()
}

fn transfers() -> TableCreateStatement {
    Table::create()
        .table(Transfers::Table)
        .col(ColumnDef::new(Transfers::Id).uuid().not_null().primary_key())
        .col(ColumnDef::new(Transfers::Debit).string_len(80).not_null())
        .col(ColumnDef::new(Transfers::Credit).string_len(80).not_null())
        .col(ColumnDef::new(Transfers::Amount).big_integer().not_null())
        .col(ColumnDef::new(Transfers::Kind).string_len(16).not_null())
        .col(ColumnDef::new(Transfers::HoldId).uuid().null())
        .col(ColumnDef::new(Transfers::RefId).string_len(128).null())
        .col(ColumnDef::new(Transfers::IdempotencyKey).string_len(200).not_null().unique_key())
        .col(ColumnDef::new(Transfers::OwnerAccount).string_len(80).null())
        .col(ColumnDef::new(Transfers::OwnerSeq).big_integer().null())
        .col(ColumnDef::new(Transfers::BalanceAfter).big_integer().null())
        .col(ColumnDef::new(Transfers::CreatedAt).big_integer().not_null())
        .check(Expr::cust("amount BETWEEN 1 AND 1000000000000000000"))
        .check(Expr::cust("debit <> credit"))
        .check(Expr::cust(
            "(owner_account IS NULL AND owner_seq IS NULL AND balance_after IS NULL) OR \
             (owner_account IN (debit, credit) AND owner_seq >= 1 AND balance_after >= 0)",
        ))
        .index(
            Index::create()
                .unique()
                .name("transfers_owner_seq")
                .col(Transfers::OwnerAccount)
                .col(Transfers::OwnerSeq),
        )
        .to_owned()
}

fn holds() -> TableCreateStatement {
    Table::create()
        .table(Holds::Table)
        .col(ColumnDef::new(Holds::MessageId).uuid().not_null().primary_key())
        .col(ColumnDef::new(Holds::Account).string_len(80).not_null())
        .col(ColumnDef::new(Holds::Alias).string_len(128).not_null())
        .col(ColumnDef::new(Holds::MissPrice).big_integer().not_null())
        .col(ColumnDef::new(Holds::HitPrice).big_integer().not_null())
        .col(ColumnDef::new(Holds::OutputPrice).big_integer().not_null())
        .col(ColumnDef::new(Holds::PromptTokensMax).big_integer().not_null())
        .col(ColumnDef::new(Holds::OutputTokensWanted).big_integer().not_null())
        .col(ColumnDef::new(Holds::OutputTokensMin).big_integer().not_null())
        .col(ColumnDef::new(Holds::OutputTokensMax).big_integer().not_null())
        .col(ColumnDef::new(Holds::Amount).big_integer().not_null())
        .col(ColumnDef::new(Holds::State).string_len(8).not_null())
        .col(ColumnDef::new(Holds::InstanceId).uuid().not_null())
        .col(ColumnDef::new(Holds::CreatedAt).big_integer().not_null())
        .col(ColumnDef::new(Holds::ExpiresAt).big_integer().not_null())
        .col(ColumnDef::new(Holds::ResolvedAt).big_integer().null())
        .col(ColumnDef::new(Holds::SettledCredits).big_integer().null())
        .col(ColumnDef::new(Holds::PromptTokens).big_integer().null())
        .col(ColumnDef::new(Holds::CachedTokens).big_integer().null())
        .col(ColumnDef::new(Holds::CompletionTokens).big_integer().null())
        .col(ColumnDef::new(Holds::ReasoningTokens).big_integer().null())
        .check(Expr::cust("amount BETWEEN 0 AND 1000000000000000000"))
        .check(Expr::cust("state IN ('open', 'settled', 'voided', 'expired')"))
        .check(Expr::cust("(state = 'open') = (resolved_at IS NULL)"))
        .check(Expr::cust("(state = 'settled') = (settled_credits IS NOT NULL)"))
        .check(Expr::cust("settled_credits IS NULL OR settled_credits BETWEEN 0 AND amount"))
        .to_owned()
}

/// Open holds are few among many, so their indexes leave the others out.
const INDEXES: &[&str] = &[
    "CREATE INDEX transfers_owner_kind ON transfers (owner_account, kind, owner_seq)",
    "CREATE INDEX transfers_hold ON transfers (hold_id) WHERE hold_id IS NOT NULL",
    "CREATE INDEX holds_open_account ON holds (account, created_at, message_id) WHERE state = 'open'",
    "CREATE INDEX holds_open_expiry ON holds (expires_at) WHERE state = 'open'",
];

const SQLITE_GUARDS: &[&str] = &[
    "CREATE TRIGGER transfers_no_update BEFORE UPDATE ON transfers BEGIN \
     SELECT RAISE(ABORT, 'transfers are append-only'); END",
    "CREATE TRIGGER transfers_no_delete BEFORE DELETE ON transfers BEGIN \
     SELECT RAISE(ABORT, 'transfers are append-only'); END",
];

const POSTGRES_GUARDS: &[&str] = &[
    "CREATE FUNCTION transfers_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
     RAISE EXCEPTION 'transfers are append-only'; END $$",
    "CREATE TRIGGER transfers_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON transfers \
     FOR EACH STATEMENT EXECUTE FUNCTION transfers_are_append_only()",
];
