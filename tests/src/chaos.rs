//! The black-box suite of the WebSocket protocol: many clients of the real binary, faults by a schedule that a seed
//! draws, a history of all that every client saw, and a checker that judges the history by the invariants I1 to I8.
//!
//! Clients and checker know the published protocol only. What they share is [`evidence`]: who saw what, when.

pub mod checker;
pub mod client;
pub mod dice;
pub mod entry;
pub mod evidence;
pub mod fleet;
pub mod model;
pub mod plan;
pub mod proxy;
pub mod replica;
pub mod report;
pub mod run;
pub mod services;
pub mod stage;
pub mod truth;
