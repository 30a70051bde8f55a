//! The built-in library as it is searched: known lines, names of chapters and poems, and questions about them.

use std::sync::Arc;

use adapter_search::TantivyIndex;
use rag::{Hit, Library, LibraryService, RagError, SearchQuery};

fn service() -> LibraryService {
    let library = Arc::new(Library::built_in().unwrap());
    let index = TantivyIndex::open(None, library.passages(), library.fingerprint()).unwrap();
    LibraryService::new(library, Arc::new(index))
}

async fn search(service: &LibraryService, text: &str, works: &[&str], limit: u32) -> Vec<Hit> {
    let works = works.iter().map(|&name| name.to_owned()).collect();
    service.search(&SearchQuery::new(text, works, limit).unwrap()).await.unwrap()
}

fn marked(hit: &Hit) -> Vec<String> {
    let units: Vec<u16> = hit.passage.text.encode_utf16().collect();
    let range = |place: u32| usize::try_from(place).unwrap();
    let marks = hit.highlights.iter();
    marks.map(|mark| String::from_utf16(&units[range(mark.start)..range(mark.end)]).unwrap()).collect()
}

#[tokio::test]
async fn a_known_line_finds_its_passage_first() {
    let service = service();
    for (text, id) in [
        ("学而时习之是什么意思？", "lunyu.1.1"),
        ("學而時習之", "lunyu.1.1"),
        ("己所不欲，勿施于人出自哪里", "lunyu.15.24"),
        ("逝者如斯夫", "lunyu.9.17"),
        ("上善若水", "daodejing.8"),
        ("道可道，非常道", "daodejing.1"),
        ("千里之行，始于足下", "daodejing.64"),
        ("知己知彼", "sunzi.3.8"),
        ("不战而屈人之兵", "sunzi.3.1"),
        ("富贵不能淫，贫贱不能移", "mengzi.6.2"),
        ("天将降大任于是人也", "mengzi.12.15"),
        ("大学之道在明明德", "daxue.1"),
        ("天命之谓性", "zhongyong.1"),
        ("床前明月光", "tangshi.0011"),
        ("春眠不覺曉", "tangshi.0018"),
    ] {
        let hits = search(&service, text, &[], 3).await;
        assert_eq!(hits[0].passage.id, id, "{text}");
    }
}

#[tokio::test]
async fn a_named_chapter_poem_or_poet_is_found() {
    let service = service();
    let first = |hits: &[Hit]| (hits[0].passage.work.name.clone(), hits[0].passage.chapter.clone());
    let hits = search(&service, "论语·学而", &[], 5).await;
    assert!(hits.iter().all(|hit| hit.passage.chapter == "学而"), "{hits:?}");
    assert_eq!(
        first(&search(&service, "静夜思", &[], 1).await),
        ("唐诗三百首".to_owned(), "静夜思".to_owned())
    );
    assert_eq!(
        first(&search(&service, "道德经第八章", &[], 1).await),
        ("道德经".to_owned(), "第八章".to_owned())
    );
    for hit in search(&service, "李白", &[], 5).await {
        assert!(
            hit.passage.author.as_deref() == Some("李白") || hit.passage.titles().contains("李白"),
            "{hit:?}"
        );
    }
}

#[tokio::test]
async fn the_words_found_are_marked_in_the_original_text() {
    let service = service();
    let hits = search(&service, "學而時習之是什麼意思？", &[], 1).await;
    assert_eq!(marked(&hits[0]), ["学而时习之"]);
}

#[tokio::test]
async fn a_work_is_named_by_any_of_its_names() {
    let service = service();
    for name in ["道德经", "老子", "《道德經》", "daodejing"] {
        let hits = search(&service, "天下", &[name], 50).await;
        assert!(!hits.is_empty() && hits.iter().all(|hit| hit.passage.work.slug == "daodejing"), "{name}");
    }
    let hits = search(&service, "天下", &["孙子", "孫子兵法", "论语"], 50).await;
    assert!(hits.iter().all(|hit| ["sunzi", "lunyu"].contains(&hit.passage.work.slug.as_str())));
}

#[tokio::test]
async fn an_unknown_work_is_refused_by_name() {
    let query = SearchQuery::new("天下", vec!["论语".to_owned(), "红楼梦".to_owned()], 5).unwrap();
    let refused = service().search(&query).await.unwrap_err();
    assert!(matches!(&refused, RagError::UnknownWork { name } if name == "红楼梦"), "{refused:?}");
}

#[tokio::test]
async fn every_first_line_finds_its_own_passage() {
    let service = service();
    let mut lost = Vec::new();
    for work in service.works() {
        for passage in Library::built_in().unwrap().passages_of(&work.slug).iter().step_by(11) {
            let line: String = passage.text.chars().take(40).collect();
            let hits = search(&service, &line, &[], 5).await;
            if !hits.iter().any(|hit| hit.passage.id == passage.id) {
                lost.push(passage.id.clone());
            }
        }
    }
    assert_eq!(lost, Vec::<String>::new());
}

#[tokio::test]
async fn a_question_without_a_word_of_the_library_finds_nothing() {
    assert_eq!(search(&service(), "🀄？！", &[], 5).await, []);
    assert_eq!(search(&service(), "kubernetes", &[], 5).await, []);
}
