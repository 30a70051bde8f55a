//! The jixia binary: configuration, composition, bridges, workers, lifecycle and CLI.
//!
//! It knows every crate and holds no rule. [`Application`] is what both the command and the tests run.

pub mod application;
pub mod bridge;
pub mod catalog;
pub mod cli;
pub mod compose;
pub mod config;
pub mod front_page;
pub mod health;
pub mod lifecycle;
pub mod payers;
pub mod rooms;
pub mod secrets;
pub mod system;
pub mod telemetry;
pub mod worker;

pub use application::{Application, Hooks};
