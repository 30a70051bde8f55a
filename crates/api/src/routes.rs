//! The handlers, by area; each file has its requests and answers beside them.

pub(crate) mod billing;
pub(crate) mod characters;
pub(crate) mod knowledge;
pub(crate) mod messages;
pub(crate) mod operations;
pub(crate) mod sessions;
pub(crate) mod sign_in;
pub(crate) mod sign_ins;
pub(crate) mod user;
