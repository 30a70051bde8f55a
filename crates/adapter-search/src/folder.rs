//! An index in a folder: reused while it is whole and of the same passages, else built anew.
//!
//! The folder's name carries the hash of what is in it, and it gets that name by a rename when it is complete, so
//! an interrupted build is never opened. Every file is checked against its checksum before it is used, because
//! tantivy trusts what it maps.

use std::io;
use std::path::{Path, PathBuf};

use rag::Passage;
use tantivy::directory::MmapDirectory;
use tantivy::{Index, IndexReader};

use crate::schema::{build, reader, schema, tokenizers};

/// Changes when the schema does.
const SCHEMA_VERSION: u32 = 1;
const PREFIX: &str = "library-";
const UNFINISHED: &str = ".unfinished";

/// A reader of the index of these passages below `parent`, and removes those of others.
pub(crate) fn open_or_build(
    parent: &Path,
    passages: &[Passage],
    content_hash: &str,
) -> tantivy::Result<IndexReader> {
    let name = folder_name(content_hash);
    let folder = parent.join(&name);
    if folder.exists() {
        match open(&folder, passages.len()) {
            Ok(reader) => return Ok(reader),
            Err(why) => {
                tracing::warn!(search.why = %why, "the search index is damaged and will be built anew");
            }
        }
    }
    std::fs::create_dir_all(parent)?;
    remove_others(parent)?;
    let unfinished = parent.join(format!("{name}{UNFINISHED}"));
    std::fs::create_dir(&unfinished)?;
    // The index is dropped before the rename and opened at its new place, since it remembers its paths.
    drop(build(Box::new(MmapDirectory::open(&unfinished)?), passages)?);
    std::fs::rename(&unfinished, &folder)?;
    open(&folder, passages.len())
}

/// Only letters and digits of the hash, so that no hash leads out of the folder.
fn folder_name(content_hash: &str) -> String {
    let safe: String = content_hash.chars().filter(char::is_ascii_alphanumeric).take(64).collect();
    format!("{PREFIX}{SCHEMA_VERSION}-{safe}")
}

fn open(folder: &Path, passages: usize) -> tantivy::Result<IndexReader> {
    let mut index = Index::open_in_dir(folder)?;
    index.set_tokenizers(tokenizers());
    check_files(&index)?;
    if index.schema() != schema().0 {
        return Err(invalid("an index of another schema").into());
    }
    let reader = reader(&index)?;
    if usize::try_from(reader.searcher().num_docs()) != Ok(passages) {
        return Err(invalid("an index of other passages").into());
    }
    Ok(reader)
}

/// Checks that every file of the index is there and whole: tantivy itself opens some of them only when a search
/// needs them. Nothing is ever deleted from an index, so it has no file of deletions.
fn check_files(index: &Index) -> tantivy::Result<()> {
    for file in index.load_metas()?.list_segment_files() {
        let deletions = file.extension().is_some_and(|kind| kind == "del");
        if !deletions && !index.directory().validate_checksum(&file)? {
            return Err(invalid("a file with a wrong checksum").into());
        }
    }
    Ok(())
}

fn invalid(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// Removes every index below `parent`, finished or not. Folders of other names are left alone.
fn remove_others(parent: &Path) -> io::Result<()> {
    for path in indexes(parent)? {
        if path.is_dir() {
            std::fs::remove_dir_all(&path)?;
        } else {
            std::fs::remove_file(&path)?;
        }
    }
    Ok(())
}

fn indexes(parent: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(parent)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX)) {
            found.push(entry.path());
        }
    }
    Ok(found)
}
