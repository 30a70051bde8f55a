//! Test support: databases for tests, and the contract suite of each port.

pub mod backends;
pub mod contract;
pub mod fakes;
pub mod house;
