//! Lots: what a wallet consists of, and what is set for it.
//!
//! A wallet that is there already gets one lot of its whole balance, of which the open holds keep their part. Transfers
//! of before say nothing about lots; a lot's own `granted` stands for them. What is appended is guarded like transfers.

use sea_orm_migration::prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait};
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        let is_postgres = manager.get_database_backend() == DbBackend::Postgres;
        let (types, guards): (Types, &[&str]) =
            if is_postgres { (POSTGRES, POSTGRES_GUARDS) } else { (SQLITE, SQLITE_GUARDS) };
        for (table, columns) in COLUMNS {
            for column in *columns {
                let column = types.put_into(column);
                db.execute_unprepared(&format!("ALTER TABLE {table} ADD COLUMN {column}")).await?;
            }
        }
        for statement in TABLES.iter().chain(FILL) {
            db.execute_unprepared(&types.put_into(statement)).await?;
        }
        for statement in guards {
            db.execute_unprepared(statement).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for table in ["hold_lots", "transfer_lots", "lots"] {
            db.execute_unprepared(&format!("DROP TABLE {table}")).await?;
        }
        db.execute_unprepared("DROP INDEX wallets_next_expiry").await?;
        for (table, columns) in COLUMNS {
            for column in *columns {
                let name = column.split(' ').next().unwrap_or_default();
                db.execute_unprepared(&format!("ALTER TABLE {table} DROP COLUMN {name}")).await?;
            }
        }
        Ok(())
    }
}

/// What the databases call the same thing.
struct Types {
    uuid: &'static str,
    new_uuid: &'static str,
}

const SQLITE: Types = Types { uuid: "uuid_text", new_uuid: "randomblob(16)" };
const POSTGRES: Types = Types { uuid: "uuid", new_uuid: "gen_random_uuid()" };

impl Types {
    fn put_into(&self, statement: &str) -> String {
        statement.replace("{uuid}", self.uuid).replace("{new_uuid}", self.new_uuid)
    }
}

const COLUMNS: &[(&str, &[&str])] = &[
    (
        "wallets",
        &[
            "opened_at BIGINT NULL",
            "next_expiry BIGINT NULL",
            "free_day BIGINT NULL",
            "frozen VARCHAR(200) NULL",
            "day_max BIGINT NULL CHECK (day_max >= 0)",
            "spent_day BIGINT NOT NULL DEFAULT 0",
            "spent BIGINT NOT NULL DEFAULT 0 CHECK (spent >= 0)",
        ],
    ),
    ("transfers", &["book VARCHAR(8) NOT NULL DEFAULT 'credit'", "body_hash VARCHAR(64) NULL"]),
    (
        "holds",
        &[
            "price_id VARCHAR(64) NOT NULL DEFAULT 'always@0'",
            "cost BIGINT NULL CHECK (cost >= settled_credits)",
            "is_estimated BOOLEAN NULL",
            "received_prompt BIGINT NOT NULL DEFAULT 0",
            "received_completion BIGINT NOT NULL DEFAULT 0",
        ],
    ),
];

/// `transfer_lots.amount` is what the transfer changed of the lot; a lot's first credit is its row.
const TABLES: &[&str] = &[
    "CREATE TABLE lots (id {uuid} NOT NULL PRIMARY KEY, account VARCHAR(80) NOT NULL, source VARCHAR(16) NOT NULL, \
     ref_id VARCHAR(128) NULL, granted BIGINT NOT NULL, remaining BIGINT NOT NULL, held BIGINT NOT NULL, \
     expires_at BIGINT NULL, transfer_id {uuid} NULL, created_at BIGINT NOT NULL, \
     CHECK (granted BETWEEN 0 AND 1000000000000000000), CHECK (held >= 0), \
     CHECK (remaining BETWEEN held AND granted))",
    "CREATE INDEX lots_unspent ON lots (account) WHERE remaining > 0",
    "CREATE INDEX lots_ref ON lots (account, ref_id) WHERE ref_id IS NOT NULL",
    "CREATE TABLE transfer_lots (transfer_id {uuid} NOT NULL, lot_id {uuid} NOT NULL, amount BIGINT NOT NULL, \
     PRIMARY KEY (transfer_id, lot_id), CHECK (amount <> 0))",
    "CREATE INDEX transfer_lots_lot ON transfer_lots (lot_id)",
    "CREATE TABLE hold_lots (message_id {uuid} NOT NULL, lot_id {uuid} NOT NULL, amount BIGINT NOT NULL, \
     PRIMARY KEY (message_id, lot_id), CHECK (amount > 0))",
    "CREATE INDEX wallets_next_expiry ON wallets (next_expiry) WHERE next_expiry IS NOT NULL",
];

const FILL: &[&str] = &[
    "UPDATE wallets SET opened_at = created_at",
    "INSERT INTO lots (id, account, source, granted, remaining, held, created_at) \
     SELECT {new_uuid}, account, 'opening', available + held, available + held, held, created_at FROM wallets \
     WHERE available + held > 0",
    "INSERT INTO hold_lots (message_id, lot_id, amount) SELECT h.message_id, l.id, h.amount FROM holds h \
     JOIN lots l ON l.account = h.account WHERE h.state = 'open' AND h.amount > 0",
    "UPDATE holds SET cost = settled_credits + (SELECT COALESCE(SUM(amount), 0) FROM transfers t \
     WHERE t.hold_id = holds.message_id AND t.debit = 'loss'), is_estimated = FALSE WHERE state = 'settled'",
];

const SQLITE_GUARDS: &[&str] = &[
    "CREATE TRIGGER transfer_lots_no_update BEFORE UPDATE ON transfer_lots BEGIN \
     SELECT RAISE(ABORT, 'transfers are append-only'); END",
    "CREATE TRIGGER transfer_lots_no_delete BEFORE DELETE ON transfer_lots BEGIN \
     SELECT RAISE(ABORT, 'transfers are append-only'); END",
    "CREATE TRIGGER lots_no_delete BEFORE DELETE ON lots BEGIN \
     SELECT RAISE(ABORT, 'lots are never deleted'); END",
    "CREATE TRIGGER lots_keep_their_origin BEFORE UPDATE OF id, account, source, granted, created_at ON lots BEGIN \
     SELECT RAISE(ABORT, 'a lot keeps its origin'); END",
];

const POSTGRES_GUARDS: &[&str] = &[
    "CREATE TRIGGER transfer_lots_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON transfer_lots \
     FOR EACH STATEMENT EXECUTE FUNCTION transfers_are_append_only()",
    "CREATE TRIGGER lots_no_delete BEFORE DELETE OR TRUNCATE ON lots \
     FOR EACH STATEMENT EXECUTE FUNCTION transfers_are_append_only()",
    "CREATE TRIGGER lots_keep_their_origin BEFORE UPDATE OF id, account, source, granted, created_at ON lots \
     FOR EACH STATEMENT EXECUTE FUNCTION transfers_are_append_only()",
];
