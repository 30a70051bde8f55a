//! One transaction of the books: read under the locks, decide, write.

use billing::journal::{Command, Entry, Needs, Outcome};
use billing::posting::HouseTransfer;
use kernel::{Ids, PortError};

use super::{read, write};
use crate::error::rejected;
use crate::store::Write;

/// Runs commands inside the caller's transaction, in their order. An error means that the transaction must be given
/// up. The caller must not have locked a wallet before, nor call this twice in one transaction.
pub(crate) async fn post(tx: &Write, ids: &Ids, commands: &[Command]) -> Result<Vec<Outcome>, PortError> {
    let needs = Needs::of(commands);
    let mut journal = read::journal(tx, ids, &needs).await?;
    let mut outcomes = Vec::with_capacity(commands.len());
    for command in commands {
        outcomes.push(journal.apply(command).map_err(rejected)?);
    }
    write::changes(tx, &journal).await?;
    Ok(outcomes)
}

/// Posts transfers between accounts of the house, inside the caller's transaction. One whose key was used is left out.
pub(crate) async fn post_house(tx: &Write, transfers: &[HouseTransfer]) -> Result<(), PortError> {
    let entries: Vec<Entry> = transfers.iter().map(Entry::from).collect();
    write::house(tx, &entries).await
}
