//! The shared kernel: the few words every context speaks.
//!
//! It owns typed ids, money, token usage, time, randomness, pages, the one error of all ports, the map under every
//! in-process cache, and the folding under every comparison of Chinese texts. It holds
//! no business rule, does no I/O and knows no other crate of the workspace. Time, randomness and tasks are
//! ports here ([`Clock`], [`Entropy`], [`Tasks`]), so that every crate above is free of a runtime and every
//! test can hold the hands of the clock.

pub mod bounded_map;
pub mod error;
pub mod fold;
pub mod id;
pub mod money;
pub mod page;
pub mod rng;
pub mod task;
pub mod time;
pub mod usage;

pub use bounded_map::BoundedMap;
pub use error::PortError;
pub use id::{Id, InvalidId, MessageId, UserId};
pub use money::{Credits, Fen, MoneyOverflow};
pub use page::{Page, PageRequest};
pub use rng::{Entropy, Ids, SeededEntropy};
pub use task::Tasks;
pub use time::{Clock, ManualClock, Timestamp};
pub use usage::{Tariff, TokenUsage};
