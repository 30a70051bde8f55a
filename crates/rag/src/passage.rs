//! Works and passages.

use std::sync::Arc;

/// A work of the library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// Its stable short name in ASCII: `lunyu`.
    pub slug: String,
    /// Its usual name: 论语.
    pub name: String,
    /// Other names it answers to, as 老子 for 道德经.
    pub aliases: Vec<String>,
    /// Who wrote it, in Chinese.
    pub author: String,
    /// When, in Chinese.
    pub era: String,
    /// Where the digital text comes from, in English.
    pub provenance: String,
    /// Whose rights there are in it, in English.
    pub licence: String,
}

/// A piece of a work that can be cited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// Stable id: slug, numbers of book, section and part as far as there are any (`mengzi.1.7.2`).
    pub id: String,
    /// The work it is from.
    pub work: Arc<Work>,
    /// Chapter without 篇 (学而), or a poem's title.
    pub chapter: String,
    /// The section's number in its chapter, from 1; the poem's in its anthology.
    pub number: u32,
    /// The text in simplified characters; `\n` parts paragraphs and the lines of poems.
    pub text: String,
    /// The poet, where the work has many.
    pub author: Option<String>,
    /// Other titles of a poem.
    pub also: Vec<String>,
}

impl Passage {
    /// Everything that it is called, for finding it by name: work, chapter, titles, author.
    pub fn titles(&self) -> String {
        let work = std::iter::once(&self.work.name).chain(&self.work.aliases);
        let own = std::iter::once(&self.chapter).chain(&self.also).chain(&self.author);
        let names: Vec<&str> = work.chain(own).map(String::as_str).collect();
        names.join(" ")
    }
}
