//! The one integration-test binary.

mod architecture;
mod billing;
mod chat;
mod config;
mod contracts;
mod ledger_properties;
mod library;
mod reply_model;
mod sql;
