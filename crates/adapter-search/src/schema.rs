//! What is indexed of a passage, and how an index of them is filled.

use rag::Passage;
use tantivy::directory::Directory;
use tantivy::schema::{Field, IndexRecordOption, STORED, STRING, Schema, TextFieldIndexing, TextOptions};
use tantivy::tokenizer::TokenizerManager;
use tantivy::{Index, IndexReader, IndexSettings, ReloadPolicy, TantivyDocument};

use crate::tokenizer::{self, TermTokenizer};

/// Memory that filling an index may take: the built-in library needs less than half of it.
const BUILD_BYTES: usize = 16 * 1024 * 1024;

/// The fields of an index.
#[derive(Clone, Copy)]
pub(crate) struct Fields {
    /// The passage's id, stored.
    pub(crate) id: Field,
    /// The work's slug.
    pub(crate) work: Field,
    /// The passage's text.
    pub(crate) text: Field,
    /// Work, chapter, poem and poet.
    pub(crate) titles: Field,
}

/// The schema and its fields.
pub(crate) fn schema() -> (Schema, Fields) {
    let analysed = TextFieldIndexing::default()
        .set_tokenizer(tokenizer::NAME)
        .set_index_option(IndexRecordOption::WithFreqsAndPositions);
    let analysed = TextOptions::default().set_indexing_options(analysed);
    let mut builder = Schema::builder();
    let fields = Fields {
        id: builder.add_text_field("id", STRING | STORED),
        work: builder.add_text_field("work", STRING),
        text: builder.add_text_field("text", analysed.clone()),
        titles: builder.add_text_field("titles", analysed),
    };
    (builder.build(), fields)
}

/// The tokenizers that the schema names.
pub(crate) fn tokenizers() -> TokenizerManager {
    let manager = TokenizerManager::default();
    manager.register(tokenizer::NAME, TermTokenizer);
    manager
}

/// Writes all passages as one segment into an empty directory, on this thread.
///
/// They are written in the order of their ids, so that tantivy, which breaks ties by the order of writing, breaks
/// them by id.
pub(crate) fn build(directory: Box<dyn Directory>, passages: &[Passage]) -> tantivy::Result<Index> {
    let (schema, fields) = schema();
    let settings = IndexSettings { docstore_compress_dedicated_thread: false, ..IndexSettings::default() };
    let builder = Index::builder().schema(schema).settings(settings).tokenizers(tokenizers());
    let mut writer = builder.single_segment_index_writer::<TantivyDocument>(directory, BUILD_BYTES)?;
    let mut sorted: Vec<&Passage> = passages.iter().collect();
    sorted.sort_by(|one, other| one.id.cmp(&other.id));
    for passage in sorted {
        writer.add_document(document(fields, passage))?;
    }
    writer.finalize()
}

/// A reader that never looks for changes, since nothing changes an index after it is built.
pub(crate) fn reader(index: &Index) -> tantivy::Result<IndexReader> {
    index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()
}

fn document(fields: Fields, passage: &Passage) -> TantivyDocument {
    let mut document = TantivyDocument::new();
    document.add_text(fields.id, &passage.id);
    document.add_text(fields.work, &passage.work.slug);
    document.add_text(fields.text, &passage.text);
    document.add_text(fields.titles, passage.titles());
    document
}
