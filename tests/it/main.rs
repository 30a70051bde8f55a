//! The one integration-test binary.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that cannot go on says so by panicking, and prints what its next run needs"
)]

mod api;
mod architecture;
mod auth_service;
mod billing;
mod chaos;
mod chat;
mod command;
mod config;
mod contracts;
mod crash;
mod disconnects;
mod known_bugs;
mod ledger_properties;
mod library;
mod mentions;
mod order_crash;
mod order_storm;
mod payment;
mod reply_model;
mod sql;
mod toolchain;
mod ws;
