//! Use cases of the library: search, list, look up.

use std::sync::Arc;

use kernel::PortError;

use crate::error::RagError;
use crate::highlight::{Highlight, highlights};
use crate::library::Library;
use crate::passage::{Passage, Work};
use crate::ports::{ScoredPassage, TextIndex};
use crate::query::{SearchQuery, TextQuery};

/// A passage that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The passage.
    pub passage: Passage,
    /// How well it fits; comparable only within one search.
    pub score: f32,
    /// What it was found by, in UTF-16 units of the passage's text; empty where only a title matched.
    pub highlights: Vec<Highlight>,
}

/// The library and its index.
pub struct LibraryService {
    library: Arc<Library>,
    index: Arc<dyn TextIndex>,
}

impl LibraryService {
    /// A service over an index that was built from this library.
    pub fn new(library: Arc<Library>, index: Arc<dyn TextIndex>) -> Self {
        Self { library, index }
    }

    /// The passages that fit best, best first; the same query always has the same answer.
    #[tracing::instrument(name = "rag.search", skip_all, fields(search.limit = query.limit()))]
    pub async fn search(&self, query: &SearchQuery) -> Result<Vec<Hit>, RagError> {
        let asked = TextQuery::new(query.text(), self.slugs(query.works())?, query.limit());
        let found = self.index.search(&asked).await?;
        found.iter().map(|scored| self.hit(&asked, scored)).collect()
    }

    /// All works, in the library's order.
    pub fn works(&self) -> &[Work] {
        self.library.works()
    }

    /// The work that goes by this name, slug or alias.
    pub fn work(&self, name: &str) -> Option<&Work> {
        self.library.work(name)
    }

    /// The passage with this id.
    pub fn passage(&self, id: &str) -> Option<&Passage> {
        self.library.passage(id)
    }

    fn slugs(&self, names: &[String]) -> Result<Vec<String>, RagError> {
        let mut slugs = Vec::with_capacity(names.len());
        for name in names {
            let work = self.library.work(name).ok_or_else(|| RagError::UnknownWork { name: name.clone() })?;
            if !slugs.contains(&work.slug) {
                slugs.push(work.slug.clone());
            }
        }
        Ok(slugs)
    }

    fn hit(&self, query: &TextQuery, scored: &ScoredPassage) -> Result<Hit, RagError> {
        let Some(passage) = self.library.passage(&scored.id) else {
            return Err(PortError::corrupt("search", format!("unknown passage {}", scored.id)).into());
        };
        let highlights = highlights(&passage.text, query.terms());
        Ok(Hit { passage: passage.clone(), score: scored.score, highlights })
    }
}
