//! The search index of test servers: built once on a machine, then copied, since building it is most of a start.
//!
//! An index names its content and its format in its folder's name, so one that is out of date is built anew by the
//! server and kept beside the old one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

fn kept() -> PathBuf {
    std::env::temp_dir().join("jixia-test-index")
}

/// Puts the indexes that are kept into a data directory, where there are any.
pub(super) fn lend(data_dir: &Path) {
    let folder = data_dir.join("index");
    // A server that is lent nothing builds its own.
    let _ = fs::create_dir_all(&folder).and_then(|()| copy_missing(&kept(), &folder));
}

/// Keeps the index that a server has built.
pub(super) fn keep(data_dir: &Path) {
    // The next server builds its own if this fails.
    let _ = fs::create_dir_all(kept()).and_then(|()| copy_missing(&data_dir.join("index"), &kept()));
}

/// Copies the folders that the other place does not have; each appears there whole or not at all.
fn copy_missing(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let is_draft = entry.file_name().to_string_lossy().starts_with('.');
        if is_draft || target.exists() || !entry.file_type()?.is_dir() {
            continue;
        }
        let draft = tempfile::Builder::new().prefix(".draft").tempdir_in(to)?;
        for file in fs::read_dir(entry.path())? {
            let file = file?;
            fs::copy(file.path(), draft.path().join(file.file_name()))?;
        }
        fs::rename(draft.keep(), target)?;
    }
    Ok(())
}
