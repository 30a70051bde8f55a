//! The built-in library and its index.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use adapter_search::TantivyIndex;
use anyhow::Context;
use rag::{Library, LibraryService};
use tokio::sync::oneshot;

use crate::config::Config;

/// Reads the library and opens its index.
pub(super) async fn open(config: &Config) -> anyhow::Result<LibraryService> {
    on_own_thread(folder(config)).await
}

/// The same with an index in memory, which leaves the data directory alone.
pub(super) async fn look() -> anyhow::Result<LibraryService> {
    on_own_thread(None).await
}

/// When the thread ends, the allocator gives back what building took, which a thread of a pool would keep for ever.
async fn on_own_thread(folder: Option<PathBuf>) -> anyhow::Result<LibraryService> {
    let (done, opened) = oneshot::channel();
    thread::Builder::new().name("library".to_owned()).spawn(move || {
        // Whoever waited for the library is gone when this cannot be delivered, and so is the need for it.
        let _ = done.send(load(folder.as_deref()));
    })?;
    opened.await.context("the thread that opens the library")?
}

fn load(folder: Option<&Path>) -> anyhow::Result<LibraryService> {
    let library = Library::built_in().context("the built-in library")?;
    let index = TantivyIndex::open(folder, library.passages(), library.fingerprint())
        .context("the search index (search.url)")?;
    Ok(LibraryService::new(Arc::new(library), Arc::new(index)))
}

/// Where the index is kept. Instances may share the data directory but never an index, so several keep theirs in
/// memory; it is small and built in well under a second.
fn folder(config: &Config) -> Option<PathBuf> {
    let folder = config.search.url.strip_prefix("file:")?;
    (config.server.replicas == 1).then(|| config.in_data_dir(folder))
}
