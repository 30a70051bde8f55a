//! The handlers, by area; each file has its requests and answers beside them.

pub mod admin_ledger;
pub(crate) mod admin_orders;
pub(crate) mod admin_rooms;
pub(crate) mod billing;
pub(crate) mod characters;
pub(crate) mod events;
pub(crate) mod gateway;
pub(crate) mod home;
pub(crate) mod knowledge;
pub(crate) mod message_marks;
pub(crate) mod messages;
pub(crate) mod operations;
pub(crate) mod orders;
pub mod payment;
pub(crate) mod room_members;
pub(crate) mod room_messages;
pub(crate) mod room_pool;
pub(crate) mod rooms;
pub(crate) mod sessions;
pub(crate) mod sign_in;
pub(crate) mod sign_ins;
pub(crate) mod spending;
pub(crate) mod squads;
pub(crate) mod user;
