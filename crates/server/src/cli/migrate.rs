//! `jixia migrate`: brings the schema up to date without serving.

use super::output;
use crate::compose;
use crate::config::Config;

pub(super) fn run(config: &Config) -> anyhow::Result<u8> {
    super::block_on(compose::migrate(config))?;
    output::print("the database is up to date")
}
