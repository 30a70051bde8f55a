//! Test support: databases for tests, and the contract suite of each port.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that cannot go on says so by panicking, and prints what its next run needs"
)]

pub mod app;
pub mod backends;
pub mod chaos;
pub mod contract;
pub mod fakes;
pub mod house;
pub mod process;
