//! What is sold: orders, coupons, payments told, refunds, rights, and what operators did.
//!
//! What must never happen is refused by the tables themselves: a second order under one key, a second refund, a second
//! delivery of a right (unique keys), and refunds beyond the payment (checks). Whether an order's state may change so is
//! decided by its row, locked. Nothing refers to a wallet: the books outlive what they are about.

use sea_orm_migration::prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait};
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

#[derive(DeriveMigrationName)]
pub struct Migration;

const TABLES: [&str; 7] =
    ["audit_entries", "entitlements", "refund_wishes", "refunds", "payment_notices", "coupons", "orders"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        let is_postgres = manager.get_database_backend() == DbBackend::Postgres;
        let uuid = if is_postgres { "uuid" } else { "uuid_text" };
        for statement in STATEMENTS {
            db.execute_unprepared(&statement.replace("{uuid}", uuid)).await?;
        }
        let guards = if is_postgres { POSTGRES_GUARDS } else { SQLITE_GUARDS };
        for statement in guards {
            db.execute_unprepared(statement).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in TABLES {
            manager.get_connection().execute_unprepared(&format!("DROP TABLE {table}")).await?;
        }
        Ok(())
    }
}

const STATEMENTS: &[&str] = &[
    "CREATE TABLE orders (id {uuid} NOT NULL PRIMARY KEY, user_id {uuid} NOT NULL, kind VARCHAR(16) NOT NULL, \
     product VARCHAR(64) NOT NULL, product_name VARCHAR(128) NOT NULL, virtual_id VARCHAR(128) NOT NULL, \
     quantity BIGINT NOT NULL, unit_price BIGINT NOT NULL, discount BIGINT NOT NULL, total BIGINT NOT NULL, \
     contents TEXT NOT NULL, coupon VARCHAR(32) NULL, channel VARCHAR(16) NOT NULL, source VARCHAR(64) NULL, \
     state VARCHAR(16) NOT NULL, refunded BIGINT NOT NULL, provider_txn_id VARCHAR(128) NULL, \
     client_key VARCHAR(200) NULL, body_hash VARCHAR(64) NOT NULL, created_at BIGINT NOT NULL, \
     expires_at BIGINT NOT NULL, paid_at BIGINT NULL, queries BIGINT NOT NULL, query_at BIGINT NULL, \
     UNIQUE (user_id, client_key), CHECK (quantity >= 1), CHECK (unit_price >= 1), CHECK (discount >= 0), \
     CHECK (total BETWEEN 1 AND 1000000000000000000), CHECK (refunded BETWEEN 0 AND total), \
     CHECK (state IN ('created', 'prepaid', 'expired', 'closed', 'delivered', 'partly_refunded', 'refunded')), \
     CHECK ((state IN ('delivered', 'partly_refunded', 'refunded')) = (paid_at IS NOT NULL)), \
     CHECK (refunded = 0 OR paid_at IS NOT NULL))",
    "CREATE INDEX orders_of_user ON orders (user_id, created_at, id)",
    "CREATE INDEX orders_newest ON orders (created_at, id)",
    "CREATE INDEX orders_due ON orders (query_at) WHERE query_at IS NOT NULL",
    "CREATE INDEX orders_of_product ON orders (product) WHERE state NOT IN ('expired', 'closed')",
    "CREATE INDEX orders_of_coupon ON orders (coupon) WHERE coupon IS NOT NULL",
    "CREATE TABLE coupons (code VARCHAR(32) NOT NULL PRIMARY KEY, percent BIGINT NULL, amount BIGINT NULL, \
     total_min BIGINT NOT NULL, kinds TEXT NOT NULL, valid_from BIGINT NULL, valid_until BIGINT NULL, \
     uses_max BIGINT NULL, updated_at BIGINT NOT NULL, CHECK ((percent IS NULL) <> (amount IS NULL)), \
     CHECK (percent BETWEEN 1 AND 100), CHECK (amount >= 1), CHECK (uses_max >= 0))",
    "CREATE TABLE payment_notices (channel VARCHAR(16) NOT NULL, id VARCHAR(160) NOT NULL, \
     order_id {uuid} NOT NULL, created_at BIGINT NOT NULL, PRIMARY KEY (channel, id))",
    "CREATE TABLE refunds (id {uuid} NOT NULL PRIMARY KEY, order_id {uuid} NOT NULL, amount BIGINT NOT NULL, \
     reason VARCHAR(80) NOT NULL, asked_by VARCHAR(16) NOT NULL, admin_id {uuid} NULL, status VARCHAR(16) NOT NULL, \
     client_key VARCHAR(200) NULL, created_at BIGINT NOT NULL, ended_at BIGINT NULL, \
     UNIQUE (order_id, client_key), CHECK (amount >= 1), \
     CHECK (asked_by IN ('buyer', 'admin', 'provider')), \
     CHECK (status IN ('unknown', 'pending', 'succeeded', 'closed', 'abnormal')), \
     CHECK ((status IN ('succeeded', 'closed')) = (ended_at IS NOT NULL)))",
    "CREATE INDEX refunds_open ON refunds (created_at) WHERE ended_at IS NULL",
    // Of an order at most one refund is open.
    "CREATE UNIQUE INDEX refunds_one_open ON refunds (order_id) WHERE ended_at IS NULL",
    "CREATE TABLE refund_wishes (order_id {uuid} NOT NULL PRIMARY KEY, user_id {uuid} NOT NULL, \
     reason VARCHAR(200) NOT NULL, created_at BIGINT NOT NULL, ended_at BIGINT NULL)",
    "CREATE INDEX refund_wishes_open ON refund_wishes (created_at) WHERE ended_at IS NULL",
    "CREATE TABLE entitlements (id {uuid} NOT NULL PRIMARY KEY, user_id {uuid} NOT NULL, kind VARCHAR(16) NOT NULL, \
     character_id VARCHAR(128) NULL, skill_id VARCHAR(128) NULL, source VARCHAR(16) NOT NULL, \
     delivery_key VARCHAR(200) NOT NULL UNIQUE, order_id {uuid} NULL, valid_from BIGINT NOT NULL, \
     valid_until BIGINT NULL, revoked_at BIGINT NULL, revoked_by {uuid} NULL, \
     CHECK (kind IN ('character', 'skill', 'vip')), CHECK (valid_until > valid_from), \
     CHECK ((kind = 'vip') = (character_id IS NULL)), CHECK ((kind = 'skill') = (skill_id IS NOT NULL)))",
    "CREATE INDEX entitlements_of_user ON entitlements (user_id) WHERE revoked_at IS NULL",
    "CREATE INDEX entitlements_of_order ON entitlements (order_id) WHERE order_id IS NOT NULL",
    "CREATE TABLE audit_entries (id {uuid} NOT NULL PRIMARY KEY, actor {uuid} NULL, action VARCHAR(64) NOT NULL, \
     subject VARCHAR(128) NOT NULL, detail TEXT NOT NULL, created_at BIGINT NOT NULL)",
    "CREATE INDEX audit_entries_newest ON audit_entries (created_at, id)",
    "CREATE INDEX audit_entries_of_subject ON audit_entries (subject, created_at, id)",
];

const SQLITE_GUARDS: &[&str] = &[
    "CREATE TRIGGER audit_entries_no_update BEFORE UPDATE ON audit_entries BEGIN \
     SELECT RAISE(ABORT, 'the audit log is append-only'); END",
    "CREATE TRIGGER audit_entries_no_delete BEFORE DELETE ON audit_entries BEGIN \
     SELECT RAISE(ABORT, 'the audit log is append-only'); END",
    "CREATE TRIGGER orders_no_delete BEFORE DELETE ON orders BEGIN \
     SELECT RAISE(ABORT, 'orders are kept'); END",
    "CREATE TRIGGER orders_stay_paid BEFORE UPDATE OF state ON orders \
     WHEN OLD.paid_at IS NOT NULL AND NEW.paid_at IS NULL BEGIN \
     SELECT RAISE(ABORT, 'a paid order stays paid'); END",
];

const POSTGRES_GUARDS: &[&str] = &[
    "CREATE TRIGGER audit_entries_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entries \
     FOR EACH STATEMENT EXECUTE FUNCTION transfers_are_append_only()",
    "CREATE TRIGGER orders_no_delete BEFORE DELETE OR TRUNCATE ON orders \
     FOR EACH STATEMENT EXECUTE FUNCTION transfers_are_append_only()",
    "CREATE FUNCTION orders_stay_paid() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
     RAISE EXCEPTION 'a paid order stays paid'; END $$",
    "CREATE TRIGGER orders_stay_paid BEFORE UPDATE OF state ON orders FOR EACH ROW \
     WHEN (OLD.paid_at IS NOT NULL AND NEW.paid_at IS NULL) EXECUTE FUNCTION orders_stay_paid()",
];
