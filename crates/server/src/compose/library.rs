//! The built-in library and its index.

use std::path::PathBuf;
use std::sync::Arc;

use adapter_search::TantivyIndex;
use anyhow::Context;
use rag::{Library, LibraryService};

use crate::config::Config;

/// Reads the library and opens its index, on a thread that may block.
pub(super) async fn open(config: &Config) -> anyhow::Result<LibraryService> {
    let folder = folder(config);
    tokio::task::spawn_blocking(move || {
        let library = Library::built_in().context("the built-in library")?;
        let index = TantivyIndex::open(folder.as_deref(), library.passages(), library.fingerprint())
            .context("the search index (search.url)")?;
        Ok(LibraryService::new(Arc::new(library), Arc::new(index)))
    })
    .await?
}

/// Where the index is kept. Instances may share the data directory but never an index, so several keep theirs in
/// memory; it is small and built in well under a second.
fn folder(config: &Config) -> Option<PathBuf> {
    let folder = config.search.url.strip_prefix("file:")?;
    (config.server.replicas == 1).then(|| config.in_data_dir(folder))
}
