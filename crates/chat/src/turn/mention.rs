//! Which characters a text names.
//!
//! Chinese puts no space between words, so a name is heard wherever it stands: leftmost, longest, never overlapping
//! (in 孙武子 nobody hears 孙武). Both scripts, both widths and both cases are one. What holds a name and does not mean
//! the person is not heard: a title in 《》, a work's name, and the near-names that each character lists itself
//! (孙子兵法, 我孙子, 路漫漫). After an @ a name is always a name.

use kernel::fold::fold;

use crate::conversation::CharacterId;
use crate::ports::Persona;

/// A name of one character stands in too many words.
const NAME_CHARS_MIN: usize = 2;
/// A 《 without its 》 within so many characters is only a sign.
const TITLE_CHARS_MAX: usize = 40;
const TITLE_SIGNS: [(char, char); 2] = [('《', '》'), ('〈', '〉')];
/// Between a work and its chapter: 孟子·告子.
const CHAPTER_DOTS: [char; 4] = ['·', '•', '・', '‧'];

/// A character and what it is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Who.
    pub id: CharacterId,
    /// Names and other names.
    pub names: Vec<String>,
    /// Words that hold a name and do not mean the character.
    pub near_names: Vec<String>,
}

impl From<&Persona> for Named {
    fn from(persona: &Persona) -> Self {
        let names: Vec<String> = std::iter::once(&persona.name).chain(&persona.aliases).cloned().collect();
        // A work may be called like its author (孟子): then only its title signs tell.
        let works = persona.works.iter().filter(|work| !names.contains(work));
        let near_names = persona.near_names.iter().chain(works).cloned().collect();
        Self { id: persona.id.clone(), names, near_names }
    }
}

/// The names of the characters of a room, folded once, to be looked for in many texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NameIndex {
    ids: Vec<CharacterId>,
    /// By first character, then the longest first, then names before near-names.
    words: Vec<Word>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Word {
    folded: Vec<char>,
    /// Whose name it is; nobody's for a near-name.
    named: Option<usize>,
}

impl Word {
    fn first(&self) -> Option<char> {
        self.folded.first().copied()
    }

    /// Whether the text goes on with this word. A word of Latin letters is not heard inside a longer one.
    fn stands_at(&self, text: &[char], at: usize) -> bool {
        let Some(found) = text.get(at..at + self.folded.len()) else { return false };
        if found != self.folded.as_slice() {
            return false;
        }
        let before = at.checked_sub(1).and_then(|before| text.get(before));
        !joined(before, self.folded.first()) && !joined(self.folded.last(), text.get(at + self.folded.len()))
    }
}

/// Whether two characters in a row are of one Latin word.
fn joined(one: Option<&char>, next: Option<&char>) -> bool {
    let is_latin = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
    one.is_some_and(is_latin) && next.is_some_and(is_latin)
}

impl NameIndex {
    /// An index of these characters.
    pub fn of(characters: &[Named]) -> Self {
        let mut words = Vec::new();
        for (place, character) in characters.iter().enumerate() {
            let names = character.names.iter().map(String::as_str).chain([character.id.as_str()]);
            words.extend(names.map(|name| Word { folded: folded(name), named: Some(place) }));
            let near = character.near_names.iter();
            words.extend(near.map(|near| Word { folded: folded(near), named: None }));
        }
        words.retain(|word| word.folded.len() >= NAME_CHARS_MIN);
        let place = |word: &Word| word.named.unwrap_or(usize::MAX);
        words.sort_by(|a, b| {
            let by_length = || b.folded.len().cmp(&a.folded.len());
            a.first().cmp(&b.first()).then_with(by_length).then_with(|| place(a).cmp(&place(b)))
        });
        Self { ids: characters.iter().map(|character| character.id.clone()).collect(), words }
    }

    /// The characters that a text names, in the order in which they first appear, each once.
    pub fn named_in(&self, text: &str) -> Vec<CharacterId> {
        let text = folded(text);
        let mut places: Vec<usize> = Vec::new();
        let mut at = 0;
        while let Some(&c) = text.get(at) {
            if let Some(end) = title_end(&text, at, c) {
                at = end;
                continue;
            }
            let after_at = at.checked_sub(1).and_then(|before| text.get(before)) == Some(&'@');
            let Some(word) = self.word_at(&text, at, after_at) else {
                at += 1;
                continue;
            };
            at += word.folded.len();
            let heard = word.named.filter(|_| after_at || !self.is_work(&text, at));
            places.extend(heard.filter(|place| !places.contains(place)));
        }
        places.into_iter().filter_map(|place| self.ids.get(place).cloned()).collect()
    }

    /// The longest word that stands here; only names where somebody is called by @.
    fn word_at(&self, text: &[char], at: usize, names_only: bool) -> Option<&Word> {
        let first = text.get(at).copied();
        let begin = self.words.partition_point(|word| word.first() < first);
        let same = self.words.get(begin..)?.iter().take_while(|word| word.first() == first);
        same.filter(|word| !names_only || word.named.is_some()).find(|word| word.stands_at(text, at))
    }

    /// Whether a name that ends here is a work that is cited by chapter, and not the first of several people.
    fn is_work(&self, text: &[char], end: usize) -> bool {
        text.get(end).is_some_and(|next| CHAPTER_DOTS.contains(next))
            && self.word_at(text, end + 1, true).is_none()
    }
}

/// The characters that a text names, in the order in which they first appear, each once.
pub fn mentioned(text: &str, characters: &[Named]) -> Vec<CharacterId> {
    NameIndex::of(characters).named_in(text)
}

/// Where the title that opens here ends.
fn title_end(text: &[char], at: usize, c: char) -> Option<usize> {
    let (_, close) = TITLE_SIGNS.iter().find(|(open, _)| *open == c)?;
    let inside = text.get(at + 1..)?.iter().take(TITLE_CHARS_MAX + 1);
    let length = inside.enumerate().find(|(_, c)| *c == close).map(|(length, _)| length)?;
    Some(at + length + 2)
}

fn folded(text: &str) -> Vec<char> {
    text.chars().map(|c| if c.is_whitespace() { ' ' } else { fold(c) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(id: &str, names: &[&str], near_names: &[&str]) -> Named {
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        Named { id: id.parse().unwrap(), names: owned(names), near_names: owned(near_names) }
    }

    fn heroes() -> Vec<Named> {
        vec![
            named("guan_yu", &["关羽", "关云长", "云长", "Guan Yu", "关"], &["关羽毛"]),
            named("zhang_fei", &["张飞", "翼德"], &["张飞机票"]),
            named("sun_wu", &["孙武", "孙子"], &["孙子兵法", "我孙子"]),
            named("sun_wuzi", &["孙武子弟"], &[]),
            named("meng", &["孟子"], &[]),
        ]
    }

    fn heard(text: &str) -> Vec<String> {
        mentioned(text, &heroes()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_name_is_heard_without_spaces_around_it() {
        assert_eq!(heard("关云长温酒斩华雄"), ["guan_yu"]);
        assert_eq!(heard("请关云长说说"), ["guan_yu"]);
        assert_eq!(heard("云长与翼德谁高？"), ["guan_yu", "zhang_fei"]);
        assert_eq!(heard("翼德、云长、翼德"), ["zhang_fei", "guan_yu"]);
    }

    #[test]
    fn script_width_and_case_do_not_count() {
        assert_eq!(heard("請關雲長說說，張飛也來"), ["guan_yu", "zhang_fei"]);
        assert_eq!(heard("ｇｕａｎ　ＹＵ你怎么看"), ["guan_yu"]);
        assert_eq!(heard("问GUAN YU："), ["guan_yu"]);
    }

    #[test]
    fn the_longest_name_wins_and_names_do_not_overlap() {
        assert_eq!(heard("孙武子弟兵"), ["sun_wuzi"]);
        assert_eq!(heard("孙武子"), ["sun_wu"]);
    }

    #[test]
    fn one_character_is_no_name() {
        assert!(heard("关门，关于此事与我无关").is_empty());
    }

    #[test]
    fn latin_names_are_whole_words() {
        assert!(heard("guan yuan and penguan yu").is_empty());
        assert_eq!(heard("@guan_yu 来"), ["guan_yu"]);
        assert!(heard("old_guan_yu").is_empty());
    }

    #[test]
    fn titles_works_and_near_names_are_not_people() {
        for text in [
            "《孟子》怎么读",
            "〈孙子〉",
            "孙子兵法",
            "我孙子三岁",
            "张飞机票买了",
            "孟子·告子上",
            "关羽毛球",
        ] {
            assert!(heard(text).is_empty(), "{text}");
        }
        assert_eq!(heard("《孟子》是孟子写的吗"), ["meng"]);
        assert_eq!(heard("孟子·关羽·张飞"), ["meng", "guan_yu", "zhang_fei"]);
        assert_eq!(heard("《孟子怎么说"), ["meng"], "a sign that is never closed opens no title");
    }

    #[test]
    fn after_an_at_a_name_is_a_name() {
        assert_eq!(heard("@孙子兵法怎么用"), ["sun_wu"]);
        assert_eq!(heard("＠张飞机票呢"), ["zhang_fei"]);
    }

    #[test]
    fn a_work_named_like_its_author_does_not_silence_the_author() {
        let works = vec!["孟子".to_owned(), "孟子正义".to_owned()];
        let persona = Persona { works, ..Persona::named("meng".parse().unwrap(), "孟子", "") };
        let index = NameIndex::of(&[Named::from(&persona)]);
        assert_eq!(index.named_in("孟子怎么看").len(), 1);
        assert!(index.named_in("孟子正义怎么读").is_empty());
    }
}
