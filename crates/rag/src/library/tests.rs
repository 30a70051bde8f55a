//! The built-in library against what it promises.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::*;
use kernel::fold::is_han;

fn library() -> Library {
    Library::built_in().unwrap()
}

fn chapters(library: &Library, slug: &str) -> usize {
    library.passages_of(slug).iter().map(|passage| passage.chapter.as_str()).collect::<HashSet<_>>().len()
}

/// Sections, counting the parts of a long one together.
fn sections(library: &Library, slug: &str) -> usize {
    let passages = library.passages_of(slug).iter();
    passages.map(|passage| (passage.chapter.as_str(), passage.number)).collect::<BTreeSet<_>>().len()
}

#[test]
fn every_work_has_all_its_chapters() {
    let library = library();
    let counted: BTreeMap<&str, usize> =
        library.works().iter().map(|work| (work.name.as_str(), chapters(&library, &work.slug))).collect();
    assert_eq!(counted["论语"], 20);
    assert_eq!(counted["孟子"], 14);
    assert_eq!(counted["大学"], 16);
    assert_eq!(counted["中庸"], 33);
    assert_eq!(counted["道德经"], 81);
    assert_eq!(counted["孙子兵法"], 13);
    assert_eq!(counted.len(), 7);
}

#[test]
fn the_sections_are_those_of_the_received_division() {
    let library = library();
    assert_eq!(sections(&library, "lunyu"), 512);
    assert_eq!(sections(&library, "mengzi"), 260);
    assert_eq!(sections(&library, "daodejing"), 81);
    assert_eq!(sections(&library, "tangshi"), 320);
}

#[test]
fn every_passage_can_be_cited() {
    for passage in library().passages() {
        let length = passage.text.chars().count();
        assert!((1..=300).contains(&length), "{}: {length} characters", passage.id);
        assert!(!passage.chapter.is_empty() && passage.number > 0, "{}", passage.id);
        assert_eq!(passage.text.trim(), passage.text, "{}", passage.id);
        assert!(passage.id.starts_with(&format!("{}.", passage.work.slug)), "{}", passage.id);
        assert!(passage.id.chars().all(|c| c.is_ascii_alphanumeric() || c == '.'), "{}", passage.id);
        assert_eq!(passage.author.is_some(), passage.work.slug == "tangshi", "{}", passage.id);
    }
}

#[test]
fn texts_hold_only_han_characters_and_their_punctuation() {
    for passage in library().passages() {
        for character in passage.text.chars() {
            let expected = is_han(character) || "，。：；？！、“”‘’《》\n".contains(character);
            assert!(expected, "{}: {character:?}", passage.id);
        }
    }
}

#[test]
fn texts_are_in_simplified_characters() {
    // Their simplified forms lie outside the basic plane, or are not usual in these words.
    let kept: HashSet<char> = "脩餔訑諟乾於".chars().collect();
    let mut odd = BTreeSet::new();
    for passage in library().passages() {
        let han = passage.text.chars().filter(|&c| is_han(c) && !kept.contains(&c));
        odd.extend(
            han.map(|c| (c, kernel::fold::fold(c)))
                .filter(|&(c, simple)| c != simple && simple <= '\u{FFFF}'),
        );
    }
    assert_eq!(odd, BTreeSet::new());
}

#[test]
fn known_lines_stand_where_they_belong() {
    let library = library();
    let text = |id: &str| library.passage(id).map(|passage| passage.text.clone()).unwrap_or_default();
    assert!(text("lunyu.1.1").contains("学而时习之，不亦说乎"));
    assert!(text("lunyu.20.3").contains("不知命，无以为君子"));
    assert!(text("mengzi.6.2").contains("富贵不能淫"));
    assert!(text("mengzi.12.15").contains("生于忧患"));
    assert!(text("daodejing.8").starts_with("上善若水"));
    assert!(text("daodejing.81").starts_with("信言不美"));
    assert!(text("sunzi.3.8").contains("知彼知己者，百战不殆"));
    assert!(text("zhongyong.1").starts_with("天命之谓性"));
    assert!(text("daxue.1").starts_with("大学之道"));
    let moonlight =
        library.passages_of("tangshi").iter().find(|passage| passage.chapter == "静夜思").unwrap();
    assert_eq!(moonlight.author.as_deref(), Some("李白"));
    assert!(moonlight.text.starts_with("床前明月光，疑是地上霜。\n"));
}

#[test]
fn a_work_answers_to_its_aliases_in_both_scripts() {
    let library = library();
    let slug = |name: &str| library.work(name).map(|work| work.slug.as_str());
    assert_eq!(slug("老子"), Some("daodejing"));
    assert_eq!(slug("《道德經》"), Some("daodejing"));
    assert_eq!(slug("孙子"), Some("sunzi"));
    assert_eq!(slug("孫子兵法"), Some("sunzi"));
    assert_eq!(slug("LunYu"), Some("lunyu"));
    assert_eq!(slug("红楼梦"), None);
}

#[test]
fn an_unknown_id_names_nothing() {
    let library = library();
    assert_eq!(library.passage("lunyu.99.1"), None);
    assert_eq!(library.passages_of("nothing"), &[]);
}

#[test]
fn the_fingerprint_changes_with_the_text() {
    let works =
        r#"[{"slug":"w","name":"书","aliases":[],"author":"","era":"","provenance":"","licence":""}]"#;
    let of = |text: &str| {
        let line = format!(r#"{{"id":"w.1","chapter":"一","number":1,"text":"{text}"}}"#);
        Library::parse(works, &[("w", &line)]).unwrap().fingerprint().to_owned()
    };
    assert_eq!(of("甲").len(), 64);
    assert_eq!(of("甲"), of("甲"));
    assert_ne!(of("甲"), of("乙"));
}

#[test]
fn broken_data_is_named_by_file_and_line() {
    let works =
        r#"[{"slug":"w","name":"书","aliases":[],"author":"","era":"","provenance":"","licence":""}]"#;
    let line = r#"{"id":"w.1","chapter":"一","number":1,"text":"甲"}"#;
    let broken = Library::parse(works, &[("w", &format!("{line}\n{{"))]).unwrap_err();
    assert_eq!(broken.to_string(), "w cannot be read at line 2");
    let twice = Library::parse(works, &[("w", &format!("{line}\n{line}"))]).unwrap_err();
    assert_eq!(twice.to_string(), "the id w.1 is used twice");
    let none = Library::parse(works, &[]).unwrap_err();
    assert_eq!(none.to_string(), "the work w has no passages");
}
