//! The built-in library: parsed once from data files that are compiled in.

use std::collections::HashMap;
use std::fmt::Write;
use std::ops::Range;
use std::sync::Arc;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::analysis::{ANALYSIS_VERSION, fold_name};
use crate::error::LibraryError;
use crate::passage::{Passage, Work};

const WORKS: &str = include_str!("../data/works.json");
const PASSAGES: [(&str, &str); 7] = [
    ("lunyu", include_str!("../data/lunyu.jsonl")),
    ("mengzi", include_str!("../data/mengzi.jsonl")),
    ("daxue", include_str!("../data/daxue.jsonl")),
    ("zhongyong", include_str!("../data/zhongyong.jsonl")),
    ("daodejing", include_str!("../data/daodejing.jsonl")),
    ("sunzi", include_str!("../data/sunzi.jsonl")),
    ("tangshi", include_str!("../data/tangshi.jsonl")),
];

/// All works and passages, in memory: 1.4 thousand passages, half a megabyte.
#[derive(Debug)]
pub struct Library {
    works: Vec<Work>,
    passages: Vec<Passage>,
    by_id: HashMap<String, usize>,
    /// Slug to the places of its passages.
    by_work: HashMap<String, Range<usize>>,
    /// Folded name, alias or slug to slug.
    names: HashMap<String, String>,
    fingerprint: String,
}

impl Library {
    /// Reads the data that is compiled in.
    pub fn built_in() -> Result<Self, LibraryError> {
        Self::parse(WORKS, &PASSAGES)
    }

    /// Reads a list of works and one file of passages for each.
    fn parse(works: &str, files: &[(&str, &str)]) -> Result<Self, LibraryError> {
        let rows: Vec<WorkRow> =
            serde_json::from_str(works).map_err(|cause| malformed("works.json", 0, cause))?;
        let mut library = Self {
            works: Vec::with_capacity(rows.len()),
            passages: Vec::new(),
            by_id: HashMap::new(),
            by_work: HashMap::new(),
            names: HashMap::new(),
            fingerprint: fingerprint(works, files),
        };
        for row in rows {
            let work = Arc::new(Work::from(row));
            let lines = files.iter().find(|(slug, _)| *slug == work.slug).map_or("", |(_, lines)| *lines);
            library.add_passages(&work, lines)?;
            library.add_work(Work::clone(&work))?;
        }
        Ok(library)
    }

    fn add_passages(&mut self, work: &Arc<Work>, lines: &str) -> Result<(), LibraryError> {
        let first = self.passages.len();
        for (index, line) in lines.lines().enumerate() {
            let row: PassageRow =
                serde_json::from_str(line).map_err(|cause| malformed(&work.slug, index, cause))?;
            if self.by_id.insert(row.id.clone(), self.passages.len()).is_some() {
                return Err(LibraryError::DuplicateId { id: row.id });
            }
            self.passages.push(row.into_passage(work));
        }
        if self.passages.len() == first {
            return Err(LibraryError::NoPassages { slug: work.slug.clone() });
        }
        self.by_work.insert(work.slug.clone(), first..self.passages.len());
        Ok(())
    }

    fn add_work(&mut self, work: Work) -> Result<(), LibraryError> {
        let names = [&work.name, &work.slug].into_iter().chain(&work.aliases);
        let mut folded: Vec<String> = names.map(|name| fold_name(name)).collect();
        folded.sort();
        folded.dedup();
        for name in folded {
            if self.names.insert(name.clone(), work.slug.clone()).is_some() {
                return Err(LibraryError::DuplicateName { name });
            }
        }
        self.works.push(work);
        Ok(())
    }

    /// All works, in the library's order.
    pub fn works(&self) -> &[Work] {
        &self.works
    }

    /// The work that goes by this name, slug or alias, in either script, with or without 《》.
    pub fn work(&self, name: &str) -> Option<&Work> {
        let slug = self.names.get(&fold_name(name))?;
        self.works.iter().find(|work| work.slug == *slug)
    }

    /// All passages, work by work, in the order of the text.
    pub fn passages(&self) -> &[Passage] {
        &self.passages
    }

    /// The passages of a work by its slug, in the order of the text; none of an unknown work.
    pub fn passages_of(&self, slug: &str) -> &[Passage] {
        let range = self.by_work.get(slug).cloned().unwrap_or(0..0);
        self.passages.get(range).unwrap_or(&[])
    }

    /// The passage with this id.
    pub fn passage(&self, id: &str) -> Option<&Passage> {
        self.by_id.get(id).and_then(|&index| self.passages.get(index))
    }

    /// 64 hex digits that change with any character of the data and with the analysis: the key of an index.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

fn fingerprint(works: &str, files: &[(&str, &str)]) -> String {
    let mut hash = Sha256::new();
    hash.update(ANALYSIS_VERSION.to_be_bytes());
    for text in [works].into_iter().chain(files.iter().map(|(_, lines)| *lines)) {
        hash.update(Sha256::digest(text.as_bytes()));
    }
    hash.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn malformed(file: &str, index: usize, cause: serde_json::Error) -> LibraryError {
    LibraryError::Malformed { file: file.to_owned(), line: index + 1, cause }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WorkRow {
    slug: String,
    name: String,
    aliases: Vec<String>,
    author: String,
    era: String,
    provenance: String,
    licence: String,
}

impl From<WorkRow> for Work {
    fn from(row: WorkRow) -> Self {
        let WorkRow { slug, name, aliases, author, era, provenance, licence } = row;
        Self { slug, name, aliases, author, era, provenance, licence }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PassageRow {
    id: String,
    chapter: String,
    number: u32,
    text: String,
    author: Option<String>,
    #[serde(default)]
    also: Vec<String>,
}

impl PassageRow {
    fn into_passage(self, work: &Arc<Work>) -> Passage {
        let Self { id, chapter, number, text, author, also } = self;
        Passage { id, work: Arc::clone(work), chapter, number, text, author, also }
    }
}

#[cfg(test)]
mod tests;
