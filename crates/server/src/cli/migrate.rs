//! `jixia migrate`: brings the schema up to date without serving.

use super::output;
use crate::compose::Books;
use crate::config::Config;

pub(super) fn run(config: &Config) -> anyhow::Result<u8> {
    super::block_on(async {
        Books::open(config).await?.close().await;
        anyhow::Ok(())
    })?;
    output::print("the database is up to date")
}
