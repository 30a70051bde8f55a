//! `rag::TextIndex` answered by BM25 over the terms of text and titles.

use std::path::Path;

use async_trait::async_trait;
use kernel::PortError;
use rag::{Passage, ScoredPassage, TextIndex, TextQuery};
use tantivy::collector::TopDocs;
use tantivy::directory::RamDirectory;
use tantivy::query::{BooleanQuery, BoostQuery, ConstScoreQuery, Occur, Query, TermQuery};
use tantivy::schema::{Field, IndexRecordOption, Value};
use tantivy::{DocAddress, IndexReader, Searcher, TantivyDocument, TantivyError, Term};

use crate::folder;
use crate::schema::{Fields, build, reader, schema};

const SYSTEM: &str = "search";

/// What a term in a title counts, where one in the text counts 1. Measured with modern questions: less loses the
/// questions that name a poem or a work, more loses the others to passages whose titles happen to share a word.
const TITLE_WEIGHT: f32 = 1.0;

/// A read-only index of a library.
#[derive(Clone)]
pub struct TantivyIndex {
    reader: IndexReader,
    fields: Fields,
}

impl TantivyIndex {
    /// The index of these passages, in memory or below the folder `dir`. Blocks while it is built.
    ///
    /// `content_hash` names the passages: an index found in the folder is reused if it is whole and has that name.
    /// When the folder cannot be used the index is kept in memory, and the log says so.
    pub fn open(dir: Option<&Path>, passages: &[Passage], content_hash: &str) -> Result<Self, PortError> {
        let reader = match dir {
            Some(dir) => in_folder(dir, passages, content_hash)?,
            None => in_memory(passages)?,
        };
        let (_, fields) = schema();
        Ok(Self { reader, fields })
    }

    /// Passages in the index.
    pub fn passage_count(&self) -> u64 {
        self.reader.searcher().num_docs()
    }

    fn find(&self, asked: &TextQuery) -> Result<Vec<ScoredPassage>, PortError> {
        let searcher = self.reader.searcher();
        let limit = usize::try_from(asked.limit()).unwrap_or(1).max(1);
        let best = TopDocs::with_limit(limit).order_by_score();
        let found = searcher.search(&self.query(asked), &best).map_err(failed)?;
        let mut hits = Vec::with_capacity(found.len());
        for (score, address) in found {
            hits.push(self.scored(&searcher, score, address)?);
        }
        hits.sort_by(|one, other| other.score.total_cmp(&one.score).then_with(|| one.id.cmp(&other.id)));
        Ok(hits)
    }

    fn query(&self, asked: &TextQuery) -> BooleanQuery {
        let mut clauses: Vec<(Occur, Box<dyn Query>)> = Vec::with_capacity(asked.terms().len() * 2);
        for term in asked.terms() {
            let in_titles = term_query(self.fields.titles, term, IndexRecordOption::WithFreqs);
            clauses.push((Occur::Should, Box::new(BoostQuery::new(in_titles, TITLE_WEIGHT))));
            clauses.push((Occur::Should, term_query(self.fields.text, term, IndexRecordOption::WithFreqs)));
        }
        let matching = BooleanQuery::new(clauses);
        if asked.works().is_empty() {
            return matching;
        }
        let works = asked.works().iter();
        let works =
            works.map(|slug| (Occur::Should, term_query(self.fields.work, slug, IndexRecordOption::Basic)));
        // The filter decides what is found and must not move the scores.
        let of_works = ConstScoreQuery::new(Box::new(BooleanQuery::new(works.collect())), 0.0);
        BooleanQuery::new(vec![(Occur::Must, Box::new(matching)), (Occur::Must, Box::new(of_works))])
    }

    fn scored(
        &self,
        searcher: &Searcher,
        score: f32,
        address: DocAddress,
    ) -> Result<ScoredPassage, PortError> {
        let document: TantivyDocument = searcher.doc(address).map_err(failed)?;
        let id = document.get_first(self.fields.id).and_then(|value| value.as_str());
        match id {
            Some(id) => Ok(ScoredPassage { id: id.to_owned(), score }),
            None => Err(PortError::corrupt(SYSTEM, "an indexed passage has no id")),
        }
    }
}

#[async_trait]
impl TextIndex for TantivyIndex {
    #[tracing::instrument(name = "search.text", skip_all, fields(search.terms = asked.terms().len()))]
    async fn search(&self, asked: &TextQuery) -> Result<Vec<ScoredPassage>, PortError> {
        if asked.terms().is_empty() {
            return Ok(Vec::new());
        }
        // A question of 200 characters asks for some 800 postings lists: too long for a thread that serves sockets.
        let (index, asked, span) = (self.clone(), asked.clone(), tracing::Span::current());
        let found = tokio::task::spawn_blocking(move || span.in_scope(|| index.find(&asked))).await;
        found.map_err(|panicked| PortError::unavailable(SYSTEM, panicked))?
    }
}

fn term_query(field: Field, text: &str, option: IndexRecordOption) -> Box<dyn Query> {
    Box::new(TermQuery::new(Term::from_field_text(field, text), option))
}

fn in_memory(passages: &[Passage]) -> Result<IndexReader, PortError> {
    let index = build(Box::new(RamDirectory::create()), passages).map_err(failed)?;
    reader(&index).map_err(failed)
}

fn in_folder(dir: &Path, passages: &[Passage], content_hash: &str) -> Result<IndexReader, PortError> {
    match folder::open_or_build(dir, passages, content_hash) {
        Ok(reader) => Ok(reader),
        Err(why) => {
            tracing::warn!(search.why = %why, "the search index cannot be kept in its folder and stays in memory");
            in_memory(passages)
        }
    }
}

fn failed(error: TantivyError) -> PortError {
    PortError::unavailable(SYSTEM, error)
}
