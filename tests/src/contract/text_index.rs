//! What every [`rag::TextIndex`] must do.

use std::sync::Arc;

use rag::{Passage, ScoredPassage, TextIndex, TextQuery, Work};

/// Builds the index under test over these passages.
pub type Build<'a> = &'a dyn Fn(&[Passage]) -> Arc<dyn TextIndex>;

/// Best first; the passage that holds the whole line is the best.
pub async fn hits_are_ordered_by_score(build: Build<'_>) {
    let passages = [
        passage("a.1", "a", "学而", "学而时习之，不亦说乎"),
        passage("a.2", "a", "为政", "学而不思则罔"),
        passage("a.3", "a", "里仁", "三人行，必有我师焉"),
    ];
    let hits = search(build, &passages, "学而时习之", &[], 10).await;
    assert_eq!(ids(&hits), ["a.1", "a.2"]);
    assert!(hits.is_sorted_by(|one, other| one.score >= other.score), "{hits:?}");
    assert!(hits.iter().all(|hit| hit.score.is_finite() && hit.score > 0.0), "{hits:?}");
}

/// Equal scores are ordered by id, whatever the order they were indexed in.
pub async fn equal_scores_are_ordered_by_id(build: Build<'_>) {
    let mut passages: Vec<Passage> =
        ["a.3", "a.10", "a.2", "a.1"].map(|id| passage(id, "a", "章", "知者乐水")).into();
    let forward = search(build, &passages, "乐水", &[], 3).await;
    assert_eq!(ids(&forward), ["a.1", "a.10", "a.2"]);
    passages.reverse();
    assert_eq!(search(build, &passages, "乐水", &[], 3).await, forward);
}

/// The same query has the same answer, also from an index that is built again.
pub async fn the_same_query_has_the_same_answer(build: Build<'_>) {
    let passages = numbered(40, "仁者爱人，有礼者敬人");
    let first = search(build, &passages, "仁者敬人", &[], 7).await;
    assert_eq!(first.len(), 7);
    assert_eq!(search(build, &passages, "仁者敬人", &[], 7).await, first);
}

/// Never more than the limit, each passage once.
pub async fn the_limit_holds_and_no_passage_comes_twice(build: Build<'_>) {
    let passages = numbered(60, "天下");
    for limit in [1, 5, 50] {
        let hits = search(build, &passages, "天下", &[], limit).await;
        assert_eq!(hits.len(), usize::try_from(limit).unwrap());
        let mut unique = ids(&hits);
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), hits.len());
    }
    assert_eq!(search(build, &passages, "天下", &[], 1_000).await.len(), 50);
}

/// Works are filtered before the limit is applied, and the filter leaves the scores as they are.
pub async fn only_the_named_works_are_found(build: Build<'_>) {
    let mut passages = numbered(30, "上善若水");
    passages.push(passage("b.1", "b", "章", "上善若水，水善利万物而不争，处众人之所恶，故几于道"));
    passages.push(passage("c.1", "c", "章", "上善"));
    let hits = search(build, &passages, "上善若水", &["b"], 3).await;
    assert_eq!(ids(&hits), ["b.1"]);
    let both = search(build, &passages, "上善若水", &["b", "c"], 3).await;
    assert_eq!(ids(&both).len(), 2);
    let all = search(build, &passages, "上善若水", &[], 50).await;
    let unfiltered = all.iter().find(|hit| hit.id == "b.1").unwrap();
    assert!((unfiltered.score - hits[0].score).abs() < 1e-3, "{} {}", unfiltered.score, hits[0].score);
    assert_eq!(search(build, &passages, "上善若水", &["nothing"], 3).await, []);
}

/// A query of nothing but punctuation or function characters finds nothing.
pub async fn a_query_without_terms_finds_nothing(build: Build<'_>) {
    let passages = numbered(3, "的了们这那着吗呢，学");
    for text in ["", "？！…", "的了吗", "🀄"] {
        assert_eq!(search(build, &passages, text, &[], 10).await, [], "{text}");
    }
}

/// A query that no passage holds anything of finds nothing.
pub async fn words_that_stand_nowhere_find_nothing(build: Build<'_>) {
    let passages = numbered(3, "学而时习之");
    assert_eq!(search(build, &passages, "blockchain", &[], 10).await, []);
    assert_eq!(search(build, &[], "学", &[], 10).await, []);
}

/// Traditional characters, other widths and other cases find the same with the same scores.
pub async fn scripts_widths_and_cases_find_the_same(build: Build<'_>) {
    let passages = [passage("a.1", "a", "章", "学而时习之 Chapter 12"), passage("a.2", "a", "章", "无关")];
    let plain = search(build, &passages, "学而时习 chapter 12", &[], 5).await;
    assert_eq!(ids(&plain), ["a.1"]);
    assert_eq!(search(build, &passages, "學而時習 ＣＨＡＰＴＥＲ １２", &[], 5).await, plain);
}

/// Chapter, work, poem and poet find a passage whose text does not name them.
pub async fn titles_and_authors_are_found(build: Build<'_>) {
    let mut poem = passage("t.1", "t", "静夜思", "床前明月光");
    poem.author = Some("李白".to_owned());
    poem.also = vec!["夜思".to_owned()];
    let mut other = passage("t.2", "t", "春望", "国破山河在");
    other.author = Some("杜甫".to_owned());
    let passages = [poem, other];
    for text in ["静夜思", "李白", "李白的诗"] {
        assert_eq!(ids(&search(build, &passages, text, &[], 5).await), ["t.1"], "{text}");
    }
    assert_eq!(search(build, &passages, "书t", &[], 5).await.len(), 2);
}

/// A query of the greatest length, and one of query syntax, are searched as plain text.
pub async fn any_text_is_plain_text(build: Build<'_>) {
    let passages = numbered(3, "学而时习之");
    let longest: String = ('\u{4E00}'..).take(rag::QUERY_CHARS_MAX).collect();
    search(build, &passages, &longest, &[], 50).await;
    for text in ["text:学 AND -(", "\"学而", "学*~2^9", "' OR 1=1 --学", "\0学\u{FFFF}"] {
        assert_eq!(search(build, &passages, text, &[], 5).await.len(), 3, "{text}");
    }
}

async fn search(
    build: Build<'_>,
    passages: &[Passage],
    text: &str,
    works: &[&str],
    limit: u32,
) -> Vec<ScoredPassage> {
    let works = works.iter().map(|&slug| slug.to_owned()).collect();
    build(passages).search(&TextQuery::new(text, works, limit)).await.unwrap()
}

fn ids(hits: &[ScoredPassage]) -> Vec<&str> {
    hits.iter().map(|hit| hit.id.as_str()).collect()
}

/// So many passages of one work with one text.
fn numbered(count: u32, text: &str) -> Vec<Passage> {
    (1..=count).map(|number| passage(&format!("a.{number}"), "a", "章", text)).collect()
}

fn passage(id: &str, slug: &str, chapter: &str, text: &str) -> Passage {
    let work = Work {
        slug: slug.to_owned(),
        name: format!("书{slug}"),
        aliases: vec![],
        author: "佚名".to_owned(),
        era: "无".to_owned(),
        provenance: "made for tests".to_owned(),
        licence: "MIT".to_owned(),
    };
    Passage {
        id: id.to_owned(),
        work: Arc::new(work),
        chapter: chapter.to_owned(),
        number: 1,
        text: text.to_owned(),
        author: None,
        also: vec![],
    }
}
