//! Who there is to talk to.

use std::sync::Arc;

use kernel::{Page, PageRequest};

use crate::book::CharacterBook;
use crate::character::{Character, CharacterKind, UnlockType};
use crate::mbti::Mbti;
use crate::squad::Squad;

/// Which characters are wanted; the default is all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CharacterFilter {
    /// Of this type only.
    pub dimension: Option<Mbti>,
}

impl CharacterFilter {
    fn admits(self, character: &Character) -> bool {
        self.dimension.is_none_or(|dimension| character.dimension == dimension)
    }
}

/// What others see of a character, whichever sort it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Face<'a> {
    /// The name it goes by.
    pub name: &'a str,
    /// Its type, or a squad character's letter.
    pub dimension: &'static str,
    /// Path of its picture.
    pub avatar: &'a str,
}

/// Answers who there is to talk to.
#[derive(Debug, Clone)]
pub struct CharacterService {
    book: Arc<CharacterBook>,
}

impl CharacterService {
    /// A service on this book.
    pub fn new(book: CharacterBook) -> Self {
        Self { book: Arc::new(book) }
    }

    /// A page of the characters wanted, masters first, then by type.
    pub fn list(&self, filter: &CharacterFilter, page: PageRequest) -> Page<&Character> {
        let wanted: Vec<&Character> =
            self.book.characters().iter().filter(|character| filter.admits(character)).collect();
        let total = u64::try_from(wanted.len()).unwrap_or(u64::MAX);
        let skipped = usize::try_from(page.offset()).unwrap_or(usize::MAX);
        let size = usize::try_from(page.size()).unwrap_or(usize::MAX);
        Page { items: wanted.into_iter().skip(skipped).take(size).collect(), total }
    }

    /// The character with this id.
    pub fn get(&self, id: &str) -> Option<&Character> {
        self.book.get(id)
    }

    /// The characters and topics of squads.
    pub fn squad(&self) -> &Squad {
        self.book.squad()
    }

    /// What others see of a character, a squad's too.
    pub fn face(&self, id: &str) -> Option<Face<'_>> {
        if let Some(character) = self.book.get(id) {
            let dimension = character.dimension.as_str();
            return Some(Face { name: &character.name, dimension, avatar: &character.avatar });
        }
        let character = self.book.squad().get(id)?;
        let dimension = character.dimension.as_str();
        Some(Face { name: &character.name, dimension, avatar: &character.avatar })
    }

    /// The companions that everybody has from the start, one a type.
    pub fn free(&self) -> Vec<&Character> {
        let is_given =
            |c: &&Character| c.kind == CharacterKind::Companion && c.unlock_type == UnlockType::Free;
        self.book.characters().iter().filter(is_given).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service() -> CharacterService {
        CharacterService::new(CharacterBook::built_in().unwrap())
    }

    fn ids(page: &Page<&Character>) -> Vec<String> {
        page.items.iter().map(|character| character.id.to_string()).collect()
    }

    #[test]
    fn a_list_is_paged_and_knows_its_length() {
        let service = service();
        let all = CharacterFilter::default();
        let first = service.list(&all, PageRequest::new(1, 15, 100));
        let second = service.list(&all, PageRequest::new(2, 15, 100));
        let beyond = service.list(&all, PageRequest::new(u32::MAX, 100, 100));
        assert_eq!((first.items.len(), second.items.len(), beyond.items.len()), (15, 5, 0));
        assert_eq!((first.total, second.total, beyond.total), (20, 20, 20));
        assert_eq!(first.items.first().map(|c| c.id.as_str()), Some("classics_kongzi"));
        assert!(ids(&first).iter().all(|id| !ids(&second).contains(id)));
    }

    #[test]
    fn a_type_finds_its_master_before_its_companion() {
        let filter = CharacterFilter { dimension: Some(Mbti::Intj) };
        let service = service();
        let page = service.list(&filter, PageRequest::new(1, 20, 100));
        assert_eq!(page.total, 2);
        assert_eq!(ids(&page), ["classics_sunzi", "intj_scientist_001"]);
    }

    #[test]
    fn sixteen_companions_are_free_and_masters_are_not_among_them() {
        let service = service();
        let free = service.free();
        assert_eq!(free.iter().map(|c| c.dimension).collect::<Vec<_>>(), Mbti::ALL);
        assert!(free.iter().all(|c| c.kind == CharacterKind::Companion));
    }

    #[test]
    fn an_unknown_id_is_absent() {
        let service = service();
        assert!(service.get("classics_kongzi").is_some());
        assert!(service.get("nobody").is_none());
        assert!(service.get("").is_none());
    }
}
