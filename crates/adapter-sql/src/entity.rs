//! The tables as sea-orm sees them; private, since ports speak the domain's types.

pub(crate) mod audit_entry;
pub(crate) mod block;
pub(crate) mod conversation;
pub(crate) mod coupon;
pub(crate) mod entitlement;
pub(crate) mod event;
pub(crate) mod generation;
pub(crate) mod hold;
pub(crate) mod identity;
pub(crate) mod instance;
pub(crate) mod login_record;
pub(crate) mod lot;
pub(crate) mod member;
pub(crate) mod message;
pub(crate) mod order;
pub(crate) mod refund;
pub(crate) mod room;
pub(crate) mod session;
pub(crate) mod transfer;
pub(crate) mod turn;
pub(crate) mod user;
pub(crate) mod wallet;
