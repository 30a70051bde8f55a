//! The library: search, works, passages.

use actix_web::{get, web};
use rag::{Hit, LibraryService, Passage, SearchQuery, Work};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::envelope::{Envelope, Reply};
use crate::extract::{CurrentUser, FromCaller, PathText, Query};
use crate::problem::Problem;

/// 查什么。
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SearchParams {
    /// 要查的话，1 到 200 个字符，繁简均可。
    #[param(example = "学而时习之")]
    q: String,
    /// 最多多少条，1 到 50。
    #[param(minimum = 1, maximum = 50, example = 5)]
    k: Option<u32>,
    /// 只在这些书里查，用逗号隔开；可用别名。
    #[param(example = "论语,孟子")]
    work: Option<String>,
}

const HITS_DEFAULT: u32 = 10;

impl SearchParams {
    fn query(&self) -> Result<SearchQuery, Problem> {
        let names = self.work.iter().flat_map(|names| names.split([',', '，']));
        let works = names.map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
        Ok(SearchQuery::new(&self.q, works, self.k.unwrap_or(HITS_DEFAULT))?)
    }
}

/// 命中的一段文字，位置按 UTF-16 单位。
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HighlightView {
    /// 开始，含。
    #[schema(example = 4)]
    start: u32,
    /// 结束，不含。
    #[schema(example = 9)]
    end: u32,
}

/// 一条结果。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HitView {
    /// 原文。
    #[serde(flatten)]
    passage: PassageView,
    /// 相关程度，只在同一次查询里可比。
    #[schema(example = 12.5)]
    score: f32,
    /// 命中的文字。
    highlights: Vec<HighlightView>,
}

impl From<Hit> for HitView {
    fn from(hit: Hit) -> Self {
        let highlight = |found: &rag::Highlight| HighlightView { start: found.start, end: found.end };
        Self {
            passage: (&hit.passage).into(),
            score: hit.score,
            highlights: hit.highlights.iter().map(highlight).collect(),
        }
    }
}

/// 一段原文。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PassageView {
    /// 原文编号，永远不变。
    #[schema(example = "lunyu.1.1")]
    passage_id: String,
    /// 书名。
    #[schema(example = "论语")]
    work: String,
    /// 篇章，或诗题。
    #[schema(example = "学而")]
    chapter: String,
    /// 在篇章里的序号。
    #[schema(example = 1)]
    number: u32,
    /// 诗的作者。
    #[serde(skip_serializing_if = "Option::is_none")]
    author: Option<String>,
    /// 原文。
    #[schema(example = "子曰：「学而时习之，不亦说乎？」")]
    text: String,
}

impl From<&Passage> for PassageView {
    fn from(passage: &Passage) -> Self {
        Self {
            passage_id: passage.id.clone(),
            work: passage.work.name.clone(),
            chapter: passage.chapter.clone(),
            number: passage.number,
            author: passage.author.clone(),
            text: passage.text.clone(),
        }
    }
}

/// 查询结果。
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SearchData {
    /// 结果，最相关的在前。
    hits: Vec<HitView>,
}

#[utoipa::path(tag = "典籍", summary = "查典籍", params(SearchParams),
    responses((status = 200, description = "结果", body = Envelope<SearchData>)))]
#[get("/api/knowledge/search")]
pub(crate) async fn search(
    FromCaller(_caller, Query(params)): FromCaller<Query<SearchParams>>,
    library: web::Data<LibraryService>,
) -> Result<Reply<SearchData>, Problem> {
    let hits = library.search(&params.query()?).await?;
    Ok(Reply::new(SearchData { hits: hits.into_iter().map(Into::into).collect() }))
}

/// 一部书。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WorkView {
    /// 短名。
    #[schema(example = "lunyu")]
    work_id: String,
    /// 书名。
    #[schema(example = "论语")]
    name: String,
    /// 别名。
    aliases: Vec<String>,
    /// 作者。
    author: String,
    /// 年代。
    era: String,
    /// 电子文本的来源。
    provenance: String,
    /// 权利。
    licence: String,
}

impl From<&Work> for WorkView {
    fn from(work: &Work) -> Self {
        Self {
            work_id: work.slug.clone(),
            name: work.name.clone(),
            aliases: work.aliases.clone(),
            author: work.author.clone(),
            era: work.era.clone(),
            provenance: work.provenance.clone(),
            licence: work.licence.clone(),
        }
    }
}

/// 馆藏。
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WorksData {
    /// 各部书。
    works: Vec<WorkView>,
}

#[utoipa::path(tag = "典籍", summary = "馆藏",
    responses((status = 200, description = "各部书", body = Envelope<WorksData>)))]
#[get("/api/knowledge/works")]
pub(crate) async fn list_works(_caller: CurrentUser, library: web::Data<LibraryService>) -> Reply<WorksData> {
    Reply::new(WorksData { works: library.works().iter().map(Into::into).collect() })
}

/// 一段原文。
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PassageData {
    /// 原文。
    passage: PassageView,
}

#[utoipa::path(tag = "典籍", summary = "一段原文", params(("id" = String, Path, description = "原文编号")),
    responses((status = 200, description = "原文", body = Envelope<PassageData>)))]
#[get("/api/knowledge/passages/{id}")]
pub(crate) async fn get_passage(
    FromCaller(_caller, PathText(id)): FromCaller<PathText>,
    library: web::Data<LibraryService>,
) -> Result<Reply<PassageData>, Problem> {
    let passage = library.passage(&id).ok_or_else(Problem::not_found)?;
    Ok(Reply::new(PassageData { passage: passage.into() }))
}
