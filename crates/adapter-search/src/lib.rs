//! Full-text search in process: `rag::TextIndex` on tantivy.
//!
//! The index is derived from the library and holds no truth. It lives in memory or in a folder of its own; a folder
//! that is missing, damaged or of other passages is built anew, which takes less than a second for the built-in library.

mod folder;
mod schema;
mod text_index;
mod tokenizer;

pub use text_index::TantivyIndex;
