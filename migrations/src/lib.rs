//! One schema history for SQLite and Postgres.
//!
//! One file per migration, named as the migration is recorded. Migrations only add: what is in use is widened
//! first, filled, and narrowed in a later release, so that the version before still runs on the new schema.

use sea_orm_migration::prelude::{MigrationTrait, MigratorTrait};

mod m20261122_000001_auth;
mod m20261122_000002_chat;
mod m20261122_000003_billing;
mod m20261122_000004_rooms;
mod m20261127_000005_moderation;
mod m20261127_000010_ledger;
mod m20261127_000011_orders;

/// The history, oldest first.
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261122_000001_auth::Migration),
            Box::new(m20261122_000002_chat::Migration),
            Box::new(m20261122_000003_billing::Migration),
            Box::new(m20261122_000004_rooms::Migration),
            Box::new(m20261127_000005_moderation::Migration),
            Box::new(m20261127_000010_ledger::Migration),
            Box::new(m20261127_000011_orders::Migration),
        ]
    }
}
