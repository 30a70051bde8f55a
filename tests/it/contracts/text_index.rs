//! [`rag::TextIndex`] on tantivy, in memory and in a folder, and what the folder has to survive.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use adapter_search::TantivyIndex;
use rag::{Library, Passage, TextIndex, TextQuery};
use tests::contract::text_index as must;

fn in_memory(passages: &[Passage]) -> Arc<dyn TextIndex> {
    Arc::new(TantivyIndex::open(None, passages, "test").unwrap())
}

/// Built in a folder and opened again from there.
fn in_folder(passages: &[Passage]) -> Arc<dyn TextIndex> {
    let folder = tempfile::tempdir().unwrap();
    drop(TantivyIndex::open(Some(folder.path()), passages, "test").unwrap());
    // Mapped files outlive the removal of their folder.
    Arc::new(TantivyIndex::open(Some(folder.path()), passages, "test").unwrap())
}

macro_rules! on_every_adapter {
    ($($must:ident),+ $(,)?) => {
        #[test]
        fn every_must_of_the_suite_runs() {
            let suite = include_str!("../../src/contract/text_index.rs").lines();
            let mut declared: Vec<_> =
                suite.filter_map(|line| line.strip_prefix("pub async fn ")?.split('(').next()).collect();
            let mut listed = vec![$(stringify!($must)),+];
            declared.sort_unstable();
            listed.sort_unstable();
            assert_eq!(declared, listed);
        }

        mod memory { $( #[tokio::test] async fn $must() { super::must::$must(&super::in_memory).await; } )+ }
        mod folder { $( #[tokio::test] async fn $must() { super::must::$must(&super::in_folder).await; } )+ }
    };
}

on_every_adapter!(
    hits_are_ordered_by_score,
    equal_scores_are_ordered_by_id,
    the_same_query_has_the_same_answer,
    the_limit_holds_and_no_passage_comes_twice,
    only_the_named_works_are_found,
    a_query_without_terms_finds_nothing,
    words_that_stand_nowhere_find_nothing,
    scripts_widths_and_cases_find_the_same,
    titles_and_authors_are_found,
    any_text_is_plain_text,
);

fn daodejing() -> Vec<Passage> {
    Library::built_in().unwrap().passages_of("daodejing").to_vec()
}

/// Opens the index below `parent` and checks that it answers.
async fn answers(parent: &Path, passages: &[Passage], hash: &str) {
    let index = TantivyIndex::open(Some(parent), passages, hash).unwrap();
    assert_eq!(index.passage_count(), u64::try_from(passages.len()).unwrap());
    let hits = index.search(&TextQuery::new("上善若水", vec![], 1)).await.unwrap();
    assert_eq!(hits[0].id, "daodejing.8");
}

fn only_index(parent: &Path) -> PathBuf {
    let mut found: Vec<PathBuf> = fs::read_dir(parent).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect()
}

fn written_at(folder: &Path) -> std::time::SystemTime {
    fs::metadata(folder.join("meta.json")).unwrap().modified().unwrap()
}

#[tokio::test]
async fn an_index_of_the_same_passages_is_reused() {
    let parent = tempfile::tempdir().unwrap();
    let passages = daodejing();
    answers(parent.path(), &passages, "one").await;
    let written = written_at(&only_index(parent.path()));
    answers(parent.path(), &passages, "one").await;
    assert_eq!(written_at(&only_index(parent.path())), written);
}

#[tokio::test]
async fn an_index_of_other_passages_is_replaced() {
    let parent = tempfile::tempdir().unwrap();
    let passages = daodejing();
    answers(parent.path(), &passages, "one").await;
    let old = only_index(parent.path());
    answers(parent.path(), &passages, "two").await;
    assert_ne!(only_index(parent.path()), old);
    answers(parent.path(), passages.get(..20).unwrap(), "two").await;
}

#[tokio::test]
async fn any_file_that_is_cut_missing_or_garbled_is_healed() {
    let parent = tempfile::tempdir().unwrap();
    let passages = daodejing();
    answers(parent.path(), &passages, "one").await;
    for place in 0..files(&only_index(parent.path())).len() {
        for damage in [cut, remove, garble] {
            let listed = files(&only_index(parent.path()));
            damage(&listed[place.min(listed.len() - 1)]);
            answers(parent.path(), &passages, "one").await;
        }
    }
}

fn cut(file: &Path) {
    let bytes = fs::read(file).unwrap();
    fs::write(file, &bytes[..bytes.len() / 2]).unwrap();
}

fn remove(file: &Path) {
    fs::remove_file(file).unwrap();
}

fn garble(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    bytes.iter_mut().step_by(7).for_each(|byte| *byte ^= 0x5A);
    fs::write(file, bytes).unwrap();
}

#[tokio::test]
async fn an_interrupted_build_is_cleared_away() {
    let parent = tempfile::tempdir().unwrap();
    let passages = daodejing();
    answers(parent.path(), &passages, "one").await;
    let finished = only_index(parent.path());
    let unfinished = PathBuf::from(format!("{}.unfinished", finished.display()));
    fs::rename(&finished, &unfinished).unwrap();
    answers(parent.path(), &passages, "one").await;
    assert_eq!(only_index(parent.path()), finished);
}

#[tokio::test]
async fn what_is_not_an_index_is_left_alone() {
    let parent = tempfile::tempdir().unwrap();
    fs::write(parent.path().join("notes.txt"), "mine").unwrap();
    answers(parent.path(), &daodejing(), "one").await;
    assert_eq!(fs::read_to_string(parent.path().join("notes.txt")).unwrap(), "mine");
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_leaves_the_index_in_memory() {
    let parent = tempfile::tempdir().unwrap();
    let blocked = parent.path().join("file");
    fs::write(&blocked, "not a folder").unwrap();
    answers(&blocked, &daodejing(), "one").await;
}
