//! SQLite and Postgres through sea-orm: the durable side of every context.
//!
//! [`SqlStore`] holds two pools. Reads go to [`SqlStore::reader`]; a transaction is [`SqlStore::begin`]. sqlx
//! is not cancel-safe: a future that is dropped inside a transaction can leave it open on a pooled connection.
//! Therefore every write method of every port hands its whole work to `detached`, and owns what it needs:
//!
//! ```ignore
//! async fn rename(&self, id: &ConversationId, title: &str) -> Result<bool, PortError> {
//!     let (store, id, title) = (self.store.clone(), id.to_string(), title.to_owned());
//!     detached(async move {
//!         let tx = store.begin().await?;
//!         let change = Entity::update_many().col_expr(Column::Title, title.into()).filter(Column::Id.eq(id));
//!         let done = change.exec(&tx).await.map_err(port_error)?;
//!         tx.commit().await.map_err(port_error)?;
//!         Ok(done.rows_affected > 0)
//!     })
//!     .await
//! }
//! ```
//!
//! The pools of the write side test each connection that comes back and close one with an open transaction:
//! the net below that rule. Entities are private; ports speak the domain's types.

mod append;
mod append_announcement;
mod append_end;
mod append_exchange;
mod append_like;
mod append_message;
mod append_recall;
mod append_start;
mod audit_log;
mod batch_sql;
mod blocks;
mod conversations;
mod detached;
mod entitlements;
mod entity;
mod error;
mod event_log;
mod events;
mod generations;
mod group_commit;
mod history;
mod ledger;
mod login_log;
mod message_row;
mod options;
mod orders;
mod postgres;
mod reports;
mod rooms;
mod sessions;
mod sqlite;
mod store;
mod turns;
mod users;
mod words;

pub use audit_log::SqlAuditLog;
pub use blocks::SqlBlocks;
pub use conversations::SqlConversations;
pub use entitlements::SqlEntitlements;
pub use event_log::SqlEventLog;
pub use generations::SqlGenerations;
pub use ledger::SqlLedger;
pub use login_log::SqlLoginLog;
pub use options::SqlOptions;
pub use orders::SqlOrders;
pub use reports::SqlReports;
pub use rooms::SqlRooms;
pub use sessions::SqlSessions;
pub use store::{SqlStore, Write};
pub use turns::SqlTurns;
pub use users::SqlUsers;
